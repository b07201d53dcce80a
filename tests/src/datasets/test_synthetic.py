"""The generator has the causal structure it claims."""

import itertools

import numpy as np
import pytest
import torch

from src.datasets.base import data_file, load
from src.datasets.synthetic import SHAPES, SHIFTS, SyntheticOptions, generate
from src.registry import DATASETS
from src.structures import MODALITIES, InputError
from tests.conftest import write

SPEC = DATASETS["synthetic"]
CLEAR = dict(synthetic_sizes=(4000, 10, 1000), synthetic_noise=1e-9)


def made(tmp_path, **options):
    options = SyntheticOptions(**{**CLEAR, **options})
    path = data_file(tmp_path, SPEC, True, options)
    write(path, generate(options))
    return load(path, SPEC, "emotion4", 8)


def digits_and_labels(split):
    """The hidden digits, found again as the distinct values of the noiseless last frame, and the emotion."""
    labels = split.labels.argmax(-1).argmax(-1).numpy()
    found = [np.unique(x[:, -1].round(decimals=2).numpy(), axis=0, return_inverse=True)[1].ravel()
             for x in split.inputs.values()]
    return found, labels


def predictability(codes, labels):
    """Accuracy of the best guess of the label from a code."""
    table = np.zeros((codes.max() + 1, 4))
    np.add.at(table, (codes, labels), 1)
    return table.max(1).sum() / len(labels)


def test_three_digits_decide_the_emotion_and_no_pair_tells_anything(tmp_path):
    digits, labels = digits_and_labels(made(tmp_path, shortcut_t=0.0).splits["train"])
    assert [len(np.unique(d)) for d in digits] == [4, 4, 4]
    assert predictability(np.ravel_multi_index(digits, (4, 4, 4)), labels) == 1
    for pair in itertools.combinations(digits, 2):
        assert predictability(np.ravel_multi_index(pair, (4, 4)), labels) < 0.32


def test_the_shortcut_ties_its_modality_to_the_label_until_the_shift(tmp_path):
    dataset = made(tmp_path, shortcut_t=0.0, shortcut_v=0.6, synthetic_sizes=(4000, 10, 4000))
    share = {}
    for name in ("train", "test", *SHIFTS):
        digits, labels = digits_and_labels(dataset.splits[name])
        assert len(np.unique(digits[2])) == 16  # four digits times four shortcut values
        share[name] = predictability(digits[2], labels)
    # The shortcut is right with 0.6 + 0.4 / 4 = 0.7, and with 0.25 once it is broken.
    assert share["train"] == pytest.approx(0.7, abs=0.03) and share["test"] == pytest.approx(0.7, abs=0.03)
    assert share["test_shifted"] < 0.30
    # Reversed, it is right in the 0.4 / 4 = 0.1 where it is random, so another emotion is the better guess from it.
    assert share["test_reversed"] == pytest.approx(0.3, abs=0.03)


def test_layout_labels_and_padding_are_those_of_the_real_files(tmp_path):
    dataset = made(tmp_path, synthetic_lengths=(6, 8, 10), synthetic_widths=(9, 8, 7))
    assert dataset.info.lengths == dict(text=6, audio=8, vision=10)
    assert dataset.info.widths == dict(text=9, audio=8, vision=7)
    assert list(dataset.splits) == ["train", "valid", "test", "test_shifted", "test_reversed", "valid_shifted"]
    for name in MODALITIES:
        zero = (dataset.splits["train"].inputs[name] == 0).all(-1)
        assert zero[:, 0].any() and not zero[:, -1].any()
        assert (zero.int().diff(dim=1) <= 0).all()  # zeros stand in front only
    assert not [f for f in dataset.findings if f.level != "PASS"]


def test_the_iemocap_shape_has_its_sizes_and_class_frequencies(tmp_path):
    dataset = made(tmp_path, synthetic_shape="iemocap", synthetic_sizes=())
    assert [len(dataset.splits[s]) for s in ("train", "valid", "test")] == [2717, 798, 938]
    assert {n: tuple(x.shape[1:]) for n, x in dataset.splits["train"].inputs.items()} == dict(
        text=(20, 300), audio=(20, 74), vision=(20, 35))
    counts = dataset.splits["train"].labels.argmax(-1).sum(0)
    assert torch.allclose(counts.float(), torch.tensor(SHAPES["iemocap"][3]).float(), atol=80)  # three deviations


def test_one_seed_gives_one_file_and_options_name_it(tmp_path):
    first, second = (made(tmp_path / str(i)) for i in range(2))
    assert first.info.sha256 == second.info.sha256
    assert first.info.sha256 != made(tmp_path, synthetic_seed=1).info.sha256
    names = {data_file(tmp_path, SPEC, True, SyntheticOptions(**o)).name for o in ({}, dict(shortcut_a=0.1))}
    assert len(names) == 2


def test_splits_are_what_they_were_before_the_unbiased_validation_split_was_added():
    found = generate(SyntheticOptions(synthetic_sizes=(6, 4, 5), shortcut_t=0.5))
    last = {name: split["text"][-1, -1, -1] for name, split in found.items()}
    assert list(last)[5:] == ["valid_shifted"]
    # by the revision 1 before cc9662b
    assert list(last.values())[:5] == pytest.approx([-0.489354496, -0.143684542, 0.634197272, 0.449566178, 0.04673306])


@pytest.mark.parametrize("options, message", [
    (dict(synthetic_sizes=(3, 3)), "--synthetic_sizes needs three numbers"),
    (dict(synthetic_widths=(3, 0, 3)), "--synthetic_widths needs three numbers of at least 1"),
    (dict(shortcut_a=1.5), r"--shortcut_a is a share in \[0, 1\], got 1.5"),
    (dict(synthetic_noise=0.0), "--synthetic_noise must be above 0"),
])
def test_options_that_mean_nothing_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        SyntheticOptions(**options)
