"""A file's keys, shapes and entries are named as they are, whatever they hold."""

import warnings

import numpy as np
import pytest

import main
from src.datasets import check
from src.datasets.base import dataset_spec, load
from src.datasets.checks import inspect
from src.structures import InputError
from tests.conftest import sentiment_content, write


def message(tmp_path, content) -> str:
    """Why a file cannot be used."""
    path = write(tmp_path / "x.pkl", content)
    with pytest.raises(InputError) as caught:
        load(path, dataset_spec(str(path)), "sentiment7", 7)
    return str(caught.value)


def with_tokens(kind: str) -> dict:
    """A file whose text is what BERT reads."""
    content = sentiment_content()
    mask = (np.arange(9) < 5)[None, None].repeat(6, axis=0)
    for split in content.values():
        split["text"] = np.concatenate([mask * np.arange(100, 109), mask, 0 * mask], axis=1).astype(kind)
    return content


@pytest.mark.parametrize("kind", ["i8", "i4", "f4"])
def test_token_numbers_are_no_features(tmp_path, kind):
    found = message(tmp_path, with_tokens(kind))
    assert "has the shape (6, 3, 9) and holds token numbers, a mask and segments; expected features" in found


def test_what_stands_beside_the_splits_is_named(tmp_path):
    found = message(tmp_path, sentiment_content(word_embeddings=np.zeros((3, 4))))
    assert "'word_embeddings' is an array of float64 beside the splits, remove it" in found


def test_keys_in_bytes_are_named(tmp_path):
    content = sentiment_content()
    assert "its key 'train' is a bytes, where the name of a split" in message(tmp_path, {b"train": content["train"]})
    content["train"] = {name.encode(): array for name, array in content["train"].items()}
    assert "no 'text'; found 'text' (a bytes, where text belongs)" in message(tmp_path, content)


@pytest.mark.parametrize("name", ["a\nb\x1b[31m", "x" * 10**6, "\ud800", "\u202egpj"])
def test_names_of_the_file_are_quoted_on_one_short_line(tmp_path, name):
    for content in (sentiment_content(**{name: []}), sentiment_content(**{name: {}}), {name: {}},
                    sentiment_content(train={name: 1})):
        found = message(tmp_path, content)
        assert found.isprintable() and len(found) <= 1000


def test_check_without_a_task_says_what_main_says(tmp_path, capsys):
    path = str(write(tmp_path / "x.pkl", sentiment_content()))
    assert main.main(["--dataset", path]) == 2
    sentence = capsys.readouterr().err.removeprefix("error: ")
    assert check.main(["--dataset", path]) == 1 and capsys.readouterr().out == f"FAIL  file: {sentence}"


def test_reading_warns_nobody(tmp_path):
    path = write(tmp_path / "x.pkl", sentiment_content())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        split = load(path, dataset_spec(str(path)), "sentiment7", 7).splits["train"]
    split.labels += 1  # nothing of it is a view of the file
    split.inputs["text"] += 1


def pair(tmp_path, **changes):
    """Two files without a common sample, but for what is changed in the second."""
    first = sentiment_content()
    second = {name: {key: value + 1 if key in ("text", "audio", "vision") else value for key, value in split.items()}
              | {"id": np.array([f"other {name}{i}" for i in range(len(split["id"]))])}
              for name, split in sentiment_content().items()}
    second["train"] |= changes
    return [str(write(tmp_path / f"{name}.pkl", content)) for name, content in (("a", first), ("b", second))]


def test_two_files_without_a_common_sample_pass(tmp_path, capsys):
    assert check.main(pair(tmp_path)) == 0
    assert "0 contents of 18 in A and 18 in B are the same" in capsys.readouterr().out


@pytest.mark.parametrize("keys, shown", [(("text", "audio", "vision"), "test             train                       6"
                                                                      "                0"),
                                        (("id",), "test             train                       0                6")])
def test_a_test_split_that_another_file_trains_on_is_named(tmp_path, capsys, keys, shown):
    assert check.main(pair(tmp_path, **{key: sentiment_content()["test"][key] for key in keys})) == 1
    out = capsys.readouterr().out
    assert shown in out and "6 of A's test in B's train" in out


def test_two_copies_of_one_file_are_called_the_same(tmp_path, capsys):
    file = str(write(tmp_path / "a.pkl", sentiment_content()))
    assert check.main([file, file]) == 0
    assert "18 contents of 18 in A and 18 in B are the same" in capsys.readouterr().out


@pytest.mark.parametrize("count", [0, 3])
def test_check_takes_one_data_set_or_two_files(capsys, count):
    assert check.main(["a.pkl"] * count) == 2
    assert f"give one file or --dataset to check, or two files to compare; got {count}" in capsys.readouterr().err


def test_a_file_alone_is_checked_as_a_data_set(tmp_path, capsys):
    path = str(write(tmp_path / "mine.pkl", sentiment_content()))
    assert check.main([path, "--task", "regression:1"]) == check.main(["--dataset", path, "--task", "regression:1"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[:len(lines) // 2] == lines[len(lines) // 2:] and any("splits" in line for line in lines)


def findings(task="sentiment7", **changes):
    """Texts of the report on a file of which some splits are changed, by item."""
    content = sentiment_content()
    for name, change in changes.items():
        content[name] = content[name] | change
    return {found.item: found for found in inspect(content, task)}


def test_identifiers_in_two_splits_are_told_but_for_numbers_that_count():
    named = [f"clip{i}" for i in range(6)]
    found = findings(train={"id": [named[0], *(f"other{i}" for i in range(5))]}, test={"id": named})
    assert "1 of train also in test" in found["identifiers"].text
    counted = {"id": [str(i) for i in range(6)]}
    assert "identifiers" not in findings(train=counted, test=counted)


@pytest.mark.parametrize("change, advice", [({"vision": None}, "give zeros of shape (samples, frames, 1)"),
                                            ({"audio": np.ones((6, 3))}, "one frame, x[:, None]")])
def test_what_to_do_about_a_missing_modality_and_one_vector_per_sample_is_said(change, advice):
    assert any(found.level == "FAIL" and advice in found.text for found in findings(train=change).values())


def test_a_class_without_training_or_validation_samples_is_told(tmp_path, capsys):
    content = sentiment_content()
    for name, split in content.items():
        split["labels"] = np.arange(len(split["labels"])) % (2 if name == "valid" else 3)
    assert check.main([str(write(tmp_path / "mine.pkl", content)), "--task", "classes:3"]) == 0
    assert capsys.readouterr().out.count("no sample of class 2") == 1
