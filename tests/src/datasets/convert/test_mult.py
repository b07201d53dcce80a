"""MulT's layout passes through; padding comes to the front, and what cannot be used is refused."""

import pickle

import numpy as np
import pytest

from tests.conftest import sentiment_content, write
from tests.src.datasets.convert.made import converted, refused


def test_a_file_in_our_layout_stays_as_it_is(tmp_path):
    content = sentiment_content()
    found = converted(tmp_path, "mult", write(tmp_path / "source.pkl", content), task="sentiment7")
    for name, split in content.items():
        for modality in ("text", "audio", "vision"):
            assert (found[name][modality] == split[modality].astype(np.float32)).all()
        assert (found[name]["labels"] == split["labels"]).all() and (found[name]["id"] == split["id"]).all()


def test_padding_behind_comes_to_the_front(tmp_path):
    content = sentiment_content()
    turned = {name: split | {key: split[key][:, ::-1] for key in ("text", "audio", "vision")}
              for name, split in content.items()}
    found = converted(tmp_path, "mult", write(tmp_path / "source.pkl", turned), task="sentiment7")
    assert not found["train"]["text"][0, 0].any() and (
        found["train"]["text"][0, 1:] == content["train"]["text"][0, :0:-1].astype(np.float32)).all()


def test_a_cut_drops_padding_in_front_before_frames(tmp_path):
    content = sentiment_content()
    found = converted(tmp_path, "mult", write(tmp_path / "source.pkl", content), "--frames", "text=3",
                      task="sentiment7")
    assert (found["train"]["text"][0] == content["train"]["text"][0, 1:].astype(np.float32)).all()


@pytest.mark.parametrize("change, expected", [
    ({"text": None}, "has no 'text'"), ({"audio": np.ones((6, 4))}, "expected (samples, frames, features)"),
    ({"vision": np.ones((5, 4, 2))}, "expected equal counts"), ({"labels": np.array(["x"] * 6)}, "real numbers"),
    ({"labels": np.full(6, np.nan)}, "not all numbers"), ({"id": [1, 2]}, "id of 'train' is a list of 2")])
def test_arrays_that_do_not_fit_are_refused(tmp_path, capsys, change, expected):
    content = sentiment_content()
    content["train"] |= change
    source = write(tmp_path / "source.pkl", content)
    assert expected in refused(tmp_path, capsys, "mult", source, task="sentiment7")


def test_other_splits_and_missing_ones_are_refused(tmp_path, capsys):
    content = sentiment_content()
    source = write(tmp_path / "source.pkl", content | {"dev": content["valid"]})
    assert "the split 'dev' cannot be used" in refused(tmp_path, capsys, "mult", source, task="sentiment7")
    write(source, {key: value for key, value in content.items() if key != "valid"})
    assert "the split 'valid' is missing" in refused(tmp_path, capsys, "mult", source, task="sentiment7")


@pytest.mark.parametrize("content", [b"", b"no pickle", pickle.dumps([1, 2])])
def test_another_file_is_refused(tmp_path, capsys, content):
    (tmp_path / "source.pkl").write_bytes(content)
    refused(tmp_path, capsys, "mult", tmp_path / "source.pkl", task="sentiment7")
    assert "no data file at" in refused(tmp_path, capsys, "mult", tmp_path / "none.pkl", task="sentiment7")
