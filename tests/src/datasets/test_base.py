"""Every check on a data file is one sentence; healthy files of any width come through as float32."""

import re

import numpy as np
import pytest
import torch

import inference
import main
from src.datasets import check
from src.datasets.base import data_file, dataset_spec, file_hash, load
from src.datasets.checks import inspect
from src.registry import DATASETS
from src.structures import InputError
from tests.conftest import sentiment_content, write

MOSI, IEMOCAP = DATASETS["mosi"], DATASETS["iemocap"]


def load_mosi(tmp_path, content):
    return load(write(tmp_path / "mosi_data.pkl", content), MOSI, "sentiment7", 7)


def emotions(present):
    """Labels (N, 4, 2) from rows of 0 and 1."""
    return np.stack([1 - np.array(present), present], axis=-1).astype(float)


@pytest.mark.parametrize("kind", ["float16", "float32", "float64"])
def test_sizes_are_measured_and_features_become_float32(tmp_path, kind):
    content = sentiment_content()
    for split in content.values():
        split["audio"] = split["audio"].astype(kind)
    dataset = load_mosi(tmp_path, content)
    assert dataset.info.widths == dict(text=5, audio=3, vision=2)
    assert dataset.info.lengths == dict(text=4, audio=4, vision=4)
    assert all(x.dtype == torch.float32 for x in dataset.splits["test"].inputs.values())
    assert dataset.splits["test"].ids[:2] == ["test0", "test1"]
    np.testing.assert_array_equal(dataset.splits["train"].inputs["audio"],
                                  content["train"]["audio"].astype("float32"))


def spoil(split, key, value):
    content = sentiment_content()
    if value is None:
        del content[split][key]
    else:
        content[split][key] = value
    return content


@pytest.mark.parametrize("content, message", [
    ([1, 2], "is not a dictionary of splits"),
    ({k: v for k, v in sentiment_content().items() if k != "valid"}, "split 'valid' is missing; found train, test"),
    (spoil("test", "audio", None), "split 'test' has no 'audio'; found text, vision, labels, id"),
    (spoil("valid", "labels", None), "split 'valid' has no 'labels'"),
    (spoil("train", "text", np.zeros((6, 5))), r"text of 'train' has the shape \(6, 5\); expected"),
    (spoil("train", "text", "words"), "text of 'train' is a str; expected an array of real numbers"),
    (spoil("train", "text", np.full((6, 4, 5), "a")), "text of 'train' is an array of <U1"),
    (spoil("train", "vision", np.zeros((5, 4, 2))), "vision of 'train' has 5 samples, text has 6"),
    (spoil("test", "vision", np.zeros((6, 4, 3))), "expected the same in all splits"),
    (sentiment_content(0), "split 'train' is empty"),
    (spoil("train", "id", ["a", "b"]), "id of 'train' is a list of 2; expected one for each of 6 samples, or none"),
    (spoil("train", "id", 7), "id of 'train' is a int; expected one for each"),
    (spoil("train", "labels", np.array(3.0)), "labels of 'train' is an array of float64; expected"),
    ({1: {}}, "is not a dictionary of splits"),
    (sentiment_content() | {f"test {i}": {} for i in range(98)}, "has 101 entries, and a file has at most 100 splits"),
    (sentiment_content() | {"t" * 101: {}}, "has 101 characters, and the name of a split has at most 100"),
    (sentiment_content() | {"a\n": {}, "a\\n": {}}, "two names of splits cannot be told apart"),
    (spoil("test", "labels", np.full((6, 1, 1), 3.5)), r"test labels hold 3.5; expected scores in \[-3, 3\]"),
    (spoil("test", "labels", np.full((6, 1, 1), np.nan)), "test labels hold nan"),
    (spoil("test", "labels", np.zeros((6, 2, 1))), "expected one score per sample"),
])
def test_a_file_that_cannot_be_used_is_refused_in_one_sentence(tmp_path, content, message):
    with pytest.raises(InputError, match=message):
        load_mosi(tmp_path, content)


def test_a_missing_file_names_path_and_source(tmp_path):
    with pytest.raises(InputError, match=r"no data file at .*mosi_data\.pkl: mosi is expected there .* MulT's authors"):
        load(tmp_path / "mosi_data.pkl", MOSI, "sentiment7", 7)


def test_non_finite_values_become_zero_and_are_counted(tmp_path):
    content = sentiment_content()
    content["train"]["audio"][0, 1, :2] = -np.inf, np.nan
    content["train"]["audio"][1, 1, 0] = 1e300  # finite in float64 only
    dataset = load_mosi(tmp_path, content)
    assert [f.text for f in dataset.findings if f.level == "NOTE"] == [
        "3 of 72 values of train audio were -inf, inf or NaN and became 0"]
    assert dataset.splits["train"].inputs["audio"][0, 1, :2].tolist() == [0, 0]


def test_extreme_values_are_named(tmp_path):
    content = sentiment_content()
    content["test"]["vision"][0, 1, 0] = 1000 * np.abs(content["train"]["vision"]).max()
    warnings = [f.text for f in load_mosi(tmp_path, content).findings if f.level == "WARN"]
    assert len(warnings) == 1 and "median of their feature: 1 in 1 samples of test; they" in warnings[0]


def test_right_padding_is_named(tmp_path):
    content = sentiment_content()
    content["test"]["vision"] = content["test"]["vision"][:, ::-1]
    warnings = [f.text for f in load_mosi(tmp_path, content).findings if f.level == "WARN"]
    assert warnings == ["samples that end in zero frames: test vision 3 of 6 (front 0); MulT reads the last frame, "
                        "give --padding back, or move the padding to the front"]


def test_padding_at_the_end_is_one_line_however_many_splits_and_modalities_have_it(tmp_path):
    content = sentiment_content()
    for split in content.values():
        for name in ("text", "audio", "vision"):
            split[name] = split[name][:, ::-1].copy()
    assert len([text for text in load_mosi(tmp_path, content).notes if "frames" in text]) == 1


def test_truth_values_are_one_hot_labels(tmp_path):
    content = sentiment_content()
    for split in content.values():
        split["labels"] = np.eye(3, dtype=bool)[[0, 1, 2, 0, 1, 2]]
    write(tmp_path / "x.pkl", content)
    labels = load(tmp_path / "x.pkl", dataset_spec("x.pkl"), "classes:3", 3).splits["train"].labels
    assert labels.argmax(1).tolist() == [0, 1, 2, 0, 1, 2]


@pytest.mark.parametrize("bare", [lambda split: split, lambda split: {name: x[0] for name, x in split.items()}])
def test_a_bare_split_and_a_bare_sample_are_test_splits(tmp_path, bare):
    content = {name: x for name, x in sentiment_content()["test"].items() if name in ("text", "audio", "vision")}
    write(tmp_path / "x.pkl", bare(content))
    splits = load(tmp_path / "x.pkl", dataset_spec("x.pkl"), "sentiment", 1, ()).splits
    assert list(splits) == ["test"] and splits["test"].inputs["text"].shape[1:] == (4, 5)


def test_a_split_is_moved_once_however_many_ask_for_it(tmp_path):
    split = load_mosi(tmp_path, sentiment_content()).splits["train"]
    there = torch.device("meta")
    assert split.on(there) is split.on(there) and split.on(torch.device("cpu")) is split


def test_identical_samples_across_splits_are_named(tmp_path):
    content = sentiment_content()
    for key in ("text", "audio", "vision"):
        content["test"][key][2] = content["train"][key][4]
    warnings = [f.text for f in load_mosi(tmp_path, content).findings if f.level == "WARN"]
    assert warnings == ["identical samples across splits: 1 of train also in test; scores on them are optimistic"]


@pytest.mark.parametrize("labels, message", [
    (emotions(np.eye(4)), None),
    (emotions(1 - np.eye(4)), "inverted polarity of LMF's files"),
    (emotions([[1, 1, 0, 0], [0, 0, 0, 0], [1, 0, 0, 0], [0, 1, 0, 0]]), "2 samples without exactly one emotion"),
    (np.ones((4, 4, 2)), "not one-hot pairs"),
    (np.zeros((4, 4)), r"labels have the shape \(4, 4\); expected \(N, 4, 2\)"),
])
def test_iemocap_labels_need_exactly_one_emotion_in_the_right_polarity(tmp_path, labels, message):
    content = {k: v | {"labels": labels} for k, v in sentiment_content(4).items()}
    failed = [f.text for f in inspect(content, "emotion4") if f.level == "FAIL"]
    assert len(failed) == (3 if message else 0)
    if message:
        with pytest.raises(InputError, match=message):
            load(write(tmp_path / "iemocap_data.pkl", content), IEMOCAP, "emotion4", 8)


def test_file_names_follow_dataset_and_alignment(tmp_path):
    assert data_file(tmp_path, MOSI, True).name == "mosi_data.pkl"
    assert data_file(tmp_path, DATASETS["mosei_senti"], False).name == "mosei_senti_data_noalign.pkl"


def test_the_check_command_reports_each_item_histogram_and_hash(tmp_path, capsys):
    content = sentiment_content()
    content["train"]["audio"][0, 1, 0] = -np.inf
    write(tmp_path / "mosi_data.pkl", content)
    assert check.main(["--dataset", "mosi", "--data_path", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "sha256  " in out and "PASS  train finite audio: 1 of 72 values" in out and out.endswith("PASS\n")
    assert "-3 1, -2 1, -1 1, +1 1, +2 1, +3 1" in out  # six labels from -3 to 3 in steps of 1.2, rounded


def test_the_check_command_fails_on_what_it_must(tmp_path, capsys):
    content = sentiment_content()
    content["test"]["labels"] = content["test"]["labels"] + 9
    write(tmp_path / "mosi_data.pkl", content)
    assert check.main(["--dataset", "mosi", "--data_path", str(tmp_path)]) == 1
    assert "FAIL  test labels: test labels hold 6" in capsys.readouterr().out
    assert check.main(["--dataset", "mosi", "--data_path", str(tmp_path / "none")]) == 1


@pytest.mark.parametrize("labels, message", [
    (np.array([0, 2, 1, 1]), None),
    (np.array([[0], [2], [1], [1]]), None),
    (np.eye(3)[[0, 1, 2, 2]], None),
    (np.array([0, 3, 1, 1]), "labels hold 3; expected whole numbers from 0 to 2"),
    (np.array([0, 0.5, 1, 1]), "labels hold 0.5; expected whole numbers"),
    (np.ones((4, 3)), "labels mark several classes in 4 and none in 0 of 4 samples"),
    (np.zeros((4, 2)), r"labels have the shape \(4, 2\); expected one class per sample, \(N,\) or one-hot \(N, 3\)"),
])
def test_class_labels_are_numbers_or_one_hot(labels, message):
    content = {k: v | {"labels": labels} for k, v in sentiment_content(4).items()}
    failed = [f.text for f in inspect(content, "classes:3") if f.level == "FAIL"]
    assert len(failed) == (3 if message else 0)
    assert not message or re.search(message, failed[0])


def mmsa_content(count=6):
    """A file in MMSA's layout: BERT features, strings in object arrays, labels under names of their own."""
    random = np.random.default_rng(0)
    content = {}
    for split in ("train", "valid", "test"):
        content[split] = {
            "raw_text": np.array([f"words {i}" for i in range(count)], dtype=object),
            "audio": random.standard_normal((count, 4, 3)).astype(np.float32),
            "vision": random.standard_normal((count, 4, 2)).astype(np.float32),
            "id": np.array([f"{split}$_${i}" for i in range(count)], dtype=object),
            "text": random.standard_normal((count, 4, 8)).astype(np.float32),
            "text_bert": np.zeros((count, 3, 4), np.float32),
            "annotations": np.array(["Positive"] * count, dtype=object),
            "classification_labels": np.arange(count, dtype=np.float32) % 3,
            "regression_labels": np.linspace(-3, 3, count).astype(np.float32),
            "audio_lengths": [4] * count, "vision_lengths": [4] * count,
        }
        content[split]["audio"][0, 1, 0] = -np.inf
    return content


@pytest.mark.parametrize("task, outputs, labels", [("sentiment7", 7, "regression_labels"),
                                                   ("regression:1", 1, "regression_labels"),
                                                   ("classes:3", 3, "classification_labels")])
def test_a_file_in_mmsas_layout_is_read_as_it_is(tmp_path, task, outputs, labels):
    content = mmsa_content()
    path = write(tmp_path / "aligned_50.pkl", content)
    dataset = load(path, dataset_spec(str(path)), task, outputs)
    assert (dataset.info.dataset, dataset.info.widths["text"]) == ("aligned_50", 8)
    np.testing.assert_array_equal(dataset.splits["train"].labels, content["train"][labels])
    assert dataset.splits["test"].ids[0] == "test$_$0"
    assert sum(f.level == "NOTE" for f in dataset.findings) == 3  # the -inf of each split


def test_a_file_of_ones_own_runs_without_code(tmp_path, capsys):
    path = write(tmp_path / "mine.pkl", mmsa_content())
    small = ["--dim", "8", "--num_heads", "2", "--nlevels", "1", "--num_epochs", "1", "--device", "cpu"]
    branches = [word for name in ("text", "audio", "vision") for word in (f"--{name}_branch", "light")]
    place = ["--dataset", str(path), "--checkpoint_path", str(tmp_path)]
    assert main.main([*place, "--task", "classes:3", *small, *branches]) == 0
    capsys.readouterr()
    assert inference.main(place) == 0
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith("test")]
    folder = f"checkpoint(mine-{file_hash(path)[:8]})"
    scores = (tmp_path / folder / "demo_seed1111" / "mult-causal" / "scores.txt").read_text().splitlines()
    assert rows == [line for line in scores if line.startswith("test")] and len(rows) == 2 * 4
    assert (tmp_path / folder / "demo_seed1111" / "mult-causal" / "results.json").exists()
    assert main.main([*place, *small, *branches]) == 2
    assert "--task has to say what its labels are" in capsys.readouterr().err


def test_names_of_splits_are_printable_from_the_start(tmp_path):
    content = sentiment_content()
    content["test\x1b[31m\n"] = content["test"]
    assert load_mosi(tmp_path, content).test_splits == ["test", "test\\x1b[31m\\n"]
