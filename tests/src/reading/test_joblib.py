"""Files of joblib.dump are read as the arrays that joblib.load gives, and what joblib does not write is refused."""

import io
import pickle

import joblib
import numpy as np
import pytest

from src.datasets.safe_pickle import read_pickle
from src.reading.arrays import plain_data
from src.reading.records import Damaged, Refused
from src.structures import InputError

ARRAYS = {
    "double": np.arange(24.0).reshape(2, 3, 4),
    "fortran": np.asfortranarray(np.arange(6, dtype=np.float32).reshape(2, 3)),
    "other byte order": np.arange(3, dtype=">f8"), "none": np.zeros((0, 3)), "no axis": np.array(5.0),
    "truth": np.array([True, False]), "text": np.array(["one", "two"]), "bytes": np.array([b"one", b"two"])}


def dumped(content, protocol=None):
    file = io.BytesIO()
    joblib.dump(content, file, protocol=protocol)
    return file.getvalue()


@pytest.mark.parametrize("protocol", [2, 3, 4, 5, None])
def test_arrays_are_those_that_were_saved(protocol):
    found = plain_data(dumped({"train": ARRAYS}, protocol))["train"]
    for name, array in ARRAYS.items():
        assert np.array_equal(found[name], array) and found[name].dtype == array.dtype, name


def test_arrays_of_objects_become_lists_and_what_follows_them_is_read():
    found = plain_data(dumped([np.array([["a", "bb"], ["c", None]], object), np.arange(3.0)]))
    assert found[0] == [["a", "bb"], ["c", None]] and found[1].tolist() == [0, 1, 2]


def test_a_file_without_padding_as_joblib_before_1_2_wrote_it_is_read(monkeypatch):
    monkeypatch.setattr(joblib.numpy_pickle.NumpyArrayWrapper, "__init__", old_init)
    assert plain_data(dumped({"a": np.arange(5.0)}))["a"].tolist() == [0, 1, 2, 3, 4]


def old_init(self, subclass, shape, order, dtype, allow_mmap=False, numpy_array_alignment_bytes=None):
    self.__dict__ |= {"subclass": subclass, "shape": shape, "order": order, "dtype": dtype, "allow_mmap": allow_mmap}


@pytest.mark.parametrize("change, expected", [
    ({"subclass": np.matrix}, "another type than numpy.ndarray"), ({"order": "A"}, "another type than numpy.ndarray"),
    ({"more": 1}, "state that joblib does not write"), ({"shape": (2**40,)}, "bytes where"),
    ({"shape": (-1,)}, "shape"), ({"shape": [3]}, "tuple"), ({"dtype": 3}, "DType"),
    ({"shape": (2**31, 2**31)}, "bytes where")])
def test_a_description_that_joblib_does_not_write_is_refused(change, expected):
    wrapper = joblib.numpy_pickle.NumpyArrayWrapper(np.ndarray, (3,), "C", np.dtype("f8"))
    wrapper.__dict__ |= change
    with pytest.raises((Refused, Damaged), match=expected):
        plain_data(pickle.dumps(wrapper)[:-1] + b"\x01\xff" + bytes(24) + b".")


def test_objects_of_another_shape_than_told_are_damaged():
    wrapper = joblib.numpy_pickle.NumpyArrayWrapper(np.ndarray, (5,), "C", np.dtype(object))
    with pytest.raises(Damaged, match="another shape"):
        plain_data(pickle.dumps(wrapper)[:-1] + pickle.dumps(np.array(["a"], object)) + b".")


def test_nothing_of_a_pickle_within_is_executed(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (open, (str(tmp_path / "boom"), "w"))
    content = np.empty(1, object)
    content[0] = Bomb()
    (tmp_path / "x.pkl").write_bytes(dumped({"train": content}))
    with pytest.raises(InputError, match="open, which is neither"):
        read_pickle(tmp_path / "x.pkl")
    assert not (tmp_path / "boom").exists()


def test_a_file_that_ends_early_is_damaged_wherever_it_ends():
    whole = dumped({"a": np.arange(50.0), "b": np.array(["x", None], object)})
    for end in range(1, len(whole)):
        with pytest.raises((Damaged, Refused)):
            plain_data(whole[:end])
