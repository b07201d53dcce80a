"""A file's keys, shapes and entries are named as they are, whatever they hold."""

import warnings

import numpy as np
import pytest

import main
from src.datasets import check
from src.datasets.base import dataset_spec, load
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
