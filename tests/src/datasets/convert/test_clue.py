"""CLUE's folders: lists of word-aligned samples, whose word numbers become the vectors beside them."""

import collections
import pickle
import sys
import types

import numpy as np
import pytest
import torch

from src.datasets.convert.clue import FILES, VECTORS
from tests.src.datasets.convert.made import converted, refused


@pytest.fixture
def source(tmp_path, monkeypatch):
    """Two samples per split; the mapping names a function of CLUE's module, as theirs does."""
    folder, random = tmp_path / "split_dataset_2", np.random.default_rng(0)
    folder.mkdir()
    for split, name in FILES.items():
        samples = [((np.array(words), random.standard_normal((len(words), 4)), random.standard_normal((len(words), 3)),
                     ["good"] * len(words)), np.array([[score, 9.0]]), f"{split}[{i}]")
                   for i, (words, score) in enumerate((([2, 3], -1.0), ([4], 2.0)))]
        (folder / name).write_bytes(pickle.dumps(samples))
    module = types.ModuleType("create_dataset")

    def return_unk():
        raise AssertionError("nothing of a file is called")

    return_unk.__module__, return_unk.__qualname__ = "create_dataset", "return_unk"
    module.return_unk = return_unk
    monkeypatch.setitem(sys.modules, "create_dataset", module)
    mapping = collections.defaultdict(return_unk, {"<unk>": 0, "<pad>": 1, "good": 2})
    torch.save((torch.arange(20.0).reshape(5, 4), mapping), folder / VECTORS, _use_new_zipfile_serialization=False)
    monkeypatch.delitem(sys.modules, "create_dataset")
    return folder


def test_words_become_vectors_and_four_files_four_splits(tmp_path, source):
    found = converted(tmp_path, "clue", source, task="sentiment")
    assert list(found) == ["train", "valid", "test", "test_ood"]
    assert found["test_ood"]["text"].tolist() == [[[8, 9, 10, 11], [12, 13, 14, 15]], [[0] * 4, [16, 17, 18, 19]]]
    assert found["train"]["labels"].tolist() == [-1, 2] and found["train"]["id"] == ["train[0]", "train[1]"]
    assert found["train"]["raw_text"] == ["good good", "good"]
    assert found["train"]["audio"].shape == (2, 2, 3) and found["train"]["vision"].shape == (2, 2, 4)


@pytest.mark.parametrize("content", [{}, [1], [((np.array([9]), 1, 1, ["a"]), np.array([[1.0]]), "x")],
                                     [((np.array([1]), 1, 1), np.array([[1.0]]), "x")]])
def test_another_file_is_refused(tmp_path, source, capsys, content):
    (source / "dev.pkl").write_bytes(pickle.dumps(content))
    assert "dev.pkl holds" in refused(tmp_path, capsys, "clue", source, task="sentiment")


def test_a_folder_without_vectors_is_refused(tmp_path, source, capsys):
    (source / VECTORS).unlink()
    assert "CLUE's text are word numbers" in refused(tmp_path, capsys, "clue", source, task="sentiment")
    torch.save({"a": torch.ones(2)}, source / VECTORS)
    assert "does not begin with a table of vectors" in refused(tmp_path, capsys, "clue", source, task="sentiment")
