"""Only arrays and plain containers come out of a pickle; nothing else runs."""

import os
import pickle
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest

from src.datasets.safe_pickle import read_pickle
from src.structures import InputError
from tests.conftest import write


class Evil:
    """Creates a file when it is unpickled by an ordinary unpickler."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("kind", ["float16", "float32", ">f8", "S5", "U3", "bool", "complex64"])
def test_arrays_of_every_protocol_come_back(tmp_path, protocol, kind):
    content = OrderedDict(x=np.arange(6).reshape(2, 3).astype(kind), y=[(1, "a", b"b", None, 2.5)])
    (tmp_path / "x.pkl").write_bytes(pickle.dumps(content, protocol))
    for mapped in (False, True):
        found = read_pickle(tmp_path / "x.pkl", mapped)
        assert found["x"].dtype == kind and (found["x"] == content["x"]).all() and found["y"] == content["y"]


def test_a_mapped_file_that_is_empty_or_cut_is_refused_like_any(tmp_path):
    for data in (b"", pickle.dumps(np.arange(3000.0))[:-9], b"\x93NUMPY"):
        (tmp_path / "x.pkl").write_bytes(data)
        messages = []
        for mapped in (False, True):
            with pytest.raises(InputError) as error:
                read_pickle(tmp_path / "x.pkl", mapped)
            messages.append(str(error.value))
        assert messages[0] == messages[1]


def test_numpy_1_module_names_come_back(tmp_path):
    data = pickle.dumps(np.arange(3.0), 2).replace(b"numpy._core", b"numpy.core")
    (tmp_path / "x.pkl").write_bytes(data)
    assert read_pickle(tmp_path / "x.pkl").tolist() == [0, 1, 2]


def test_a_python_2_pickle_comes_back(tmp_path):
    # As Python 2 wrote numpy.array([1.0, 2.0]) under a key: byte strings, protocol 0, numpy.core.
    text = (b"(dp0\nS'text'\np1\ncnumpy.core.multiarray\n_reconstruct\np2\n(cnumpy\nndarray\np3\n(I0\ntp4\nS'b'\np5\n"
            b"tp6\nRp7\n(I1\n(I2\ntp8\ncnumpy\ndtype\np9\n(S'f8'\np10\nI0\nI1\ntp11\nRp12\n(I3\nS'<'\np13\nNNNI-1\nI-1\n"
            b"I0\ntp14\nbI00\nS'\\x00\\x00\\x00\\x00\\x00\\x00\\xf0?\\x00\\x00\\x00\\x00\\x00\\x00\\x00@'\np15\ntp16\nbs.")
    (tmp_path / "x.pkl").write_bytes(text)
    assert read_pickle(tmp_path / "x.pkl")["text"].tolist() == [1.0, 2.0]


def test_a_malicious_pickle_is_refused_by_name_and_executes_nothing(tmp_path):
    mark = tmp_path / "executed"
    path = write(tmp_path / "x.pkl", {"train": Evil(mark)})
    with pytest.raises(InputError, match="holds posix.system, which is neither a numpy array"):
        read_pickle(path)
    assert not mark.exists()


@pytest.mark.parametrize("content", [Path("x"), {"f": print}, np.array([print], dtype=object), range(3)])
def test_any_other_object_is_refused(tmp_path, content):
    with pytest.raises(InputError, match="nothing of it was executed"):
        read_pickle(write(tmp_path / "x.pkl", content))


def test_the_array_type_cannot_be_called(tmp_path):
    # GLOBAL numpy.ndarray, arguments (4,), REDUCE: would be an array over memory of its choice.
    (tmp_path / "x.pkl").write_bytes(b"cnumpy\nndarray\n(I4\ntR.")
    with pytest.raises(InputError, match="holds a call of numpy.ndarray, .* nothing of it was executed"):
        read_pickle(tmp_path / "x.pkl")


@pytest.mark.parametrize("damage", [lambda b: b[:-20], lambda b: b"", lambda b: b"not a pickle", lambda b: b[100:]])
def test_a_truncated_or_corrupt_file_is_named(tmp_path, damage):
    path = tmp_path / "x.pkl"
    path.write_bytes(damage(pickle.dumps({"x": np.arange(100.0)})))
    with pytest.raises(InputError, match=r"x\.pkl is not a complete pickle"):
        read_pickle(path)
