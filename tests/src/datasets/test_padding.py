"""Padding at the back is read as if it stood in front, bit for bit, and check and main say the same of it."""

import numpy as np
import pytest
import torch

import main
from src.datasets import check
from src.datasets.base import dataset_spec, load
from src.datasets.safe_pickle import read_pickle
from src.structures import MODALITIES
from tests.conftest import TINY, sentiment_content, write


def pair(tmp_path, lengths=False):
    """A front-padded file and its twin that is padded at the back; two samples of six in each split have padding."""
    front, back = sentiment_content(), sentiment_content()
    random = np.random.default_rng(1)
    for name, split in front.items():
        for modality in MODALITIES:
            x = random.standard_normal(split[modality].shape)
            x[0, :2], x[1, :1] = 0, 0
            x[2, -1] = 0 if lengths else 1  # a true frame of zeros, which only lengths can tell from padding
            split[modality] = x
            back[name][modality] = x.copy()
            for sample, count in ((0, 2), (1, 1)):
                back[name][modality][sample] = np.roll(x[sample], -count, axis=0)
            if lengths:
                back[name][f"{modality}_lengths"] = [2, 3, 4, 4, 4, 4]
    return [write(tmp_path / f"{name}.pkl", content) for name, content in (("front", front), ("back", back))]


def inputs(file, padding="auto"):
    return {(name, modality): x for name, split in load(file, dataset_spec(str(file)), "sentiment7", 7,
                                                        padding=padding).splits.items()
            for modality, x in split.inputs.items()}


@pytest.mark.parametrize("lengths", [False, True])
@pytest.mark.parametrize("padding", ["auto", "back"])
def test_a_file_padded_at_the_back_is_its_twin_padded_in_front(tmp_path, lengths, padding):
    front, back = pair(tmp_path, lengths)
    expected, found = inputs(front, "front"), inputs(back, padding)
    assert all(torch.equal(found[key], expected[key]) for key in expected)


def test_auto_leaves_a_file_that_is_padded_in_front(tmp_path):
    front, _ = pair(tmp_path)
    assert all(torch.equal(x, inputs(front, "front")[key]) for key, x in inputs(front).items())


def test_front_leaves_frames_where_they_are_and_warns(tmp_path, capsys):
    _, back = pair(tmp_path)
    assert check.main(["--dataset", str(back), "--task", "sentiment7", "--padding", "front"]) == 1
    assert "FAIL  padding: samples that end in zero frames: train text 2 of 6" in capsys.readouterr().out


def test_check_passes_what_main_reads_and_both_say_what_was_done(tmp_path, capsys):
    _, back = pair(tmp_path)
    assert check.main(["--dataset", str(back), "--task", "sentiment7"]) == 0
    said = "frames moved to the end, since padding stood behind them: train text 2 of 6"
    assert said in capsys.readouterr().out
    size = [word for flag, word in zip(TINY, TINY[1:], strict=False) if flag == "--synthetic_sizes"]
    words = [word for word in TINY if word not in ("--synthetic_sizes", *size)]
    branches = [word for name in MODALITIES for word in (f"--{name}_branch", "light")]
    assert main.main([*words, *branches, "--dataset", str(back), "--task", "sentiment7", "--checkpoint_path",
                      str(tmp_path), "--num_epochs", "1", "--kernel_a", "1", "--kernel_v", "1"]) == 0
    assert capsys.readouterr().out.count(said) == 1


def test_both_files_train_to_the_same_bits(tmp_path):
    found = []
    for file in pair(tmp_path):
        assert main.main(["--device", "cpu", "--dataset", str(file), "--task", "sentiment7", "--method", "plain",
                          "--dim", "8", "--num_heads", "2", "--nlevels", "1", "--num_epochs", "1", "--kernel_a", "1",
                          "--kernel_v", "1", "--checkpoint_path", str(tmp_path)]) == 0
        folder = next(tmp_path.glob(f"checkpoint({file.stem}*/*/mult-plain"))
        found.append(torch.load(folder / "last.pt", weights_only=True)["model"])
    assert all(torch.equal(found[0][key], found[1][key]) for key in found[0])


@pytest.mark.parametrize("lengths", [[np.nan] * 6, [[1, 2], [3], 1, 1, 1, 1], ["x"] * 6, [4, 4]])
def test_lengths_that_are_none_are_not_believed(tmp_path, lengths):
    front, back = pair(tmp_path)
    content = read_pickle(back)
    for split in content.values():
        split["text_lengths"] = lengths
    write(back, content)
    expected, found = inputs(front, "front"), inputs(back)
    assert all(torch.equal(found[key], expected[key]) for key in expected)


def test_samples_without_a_training_split_stay_as_they_are(tmp_path):
    front, _ = pair(tmp_path)
    last = {key: value[2:3].copy() for key, value in read_pickle(front)["test"].items()}
    last["text"][0, -1] = 0
    found = load(write(tmp_path / "one.pkl", {"test": last}), dataset_spec("one.pkl"), "sentiment7", 7, ()).splits
    assert (found["test"].inputs["text"][0, -1] == 0).all()
