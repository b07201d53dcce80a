"""Arrays come back as they were written, by every protocol, and are views of the file where that is possible."""

import pickle
from collections import OrderedDict, defaultdict

import numpy as np
import pytest

from src.reading.arrays import plain_data
from src.reading.records import Damaged, Refused
from tests.attacks import opcodes as op

ARRAYS = [np.arange(12.0).reshape(3, 4), np.asfortranarray(np.arange(6, dtype="i2").reshape(2, 3)), np.float32(2.5),
          np.array(["aé", "情"]), np.array([b"x", b"yy"]), np.zeros((0, 3)), np.array([True, False]), np.array(3.0),
          np.ones(3000, ">f4"), np.ones(2, complex), np.array(["", ""]), np.str_("a"), np.arange(5, dtype="u8")[::2]]


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("array", ARRAYS, ids=lambda array: f"{array.dtype}{array.shape}")
def test_an_array_comes_back_with_its_type_shape_and_order(array, protocol):
    found = plain_data(pickle.dumps(array, protocol))
    assert type(found) is type(array) and found.dtype == array.dtype and found.shape == array.shape
    assert np.all(found == array)
    if array.ndim == 2 and array.size:
        assert found.flags.f_contiguous == array.flags.f_contiguous


@pytest.mark.parametrize("protocol", range(6))
def test_empty_bytes_an_ordered_dictionary_and_a_set_come_back(protocol):
    content = OrderedDict(a=b"", b=b"x" * 5000, c="y" * 5000, d={1}, e=(1, None, -2.5, True, 2**40))
    found = plain_data(pickle.dumps(content, protocol))
    assert set(found.pop("d")) == content.pop("d") and found == content and type(found) is dict


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("factory", [None, list, dict, int, float, str, set])
def test_a_dictionary_with_defaults_becomes_an_ordinary_one(protocol, factory):
    found = plain_data(pickle.dumps(defaultdict(factory, {"a": [1], 2: np.arange(2)}), protocol))
    assert type(found) is dict and found["a"] == [1] and found[2].tolist() == [0, 1]


def test_what_would_make_a_default_is_a_name_and_never_called():
    for arguments in ("cos\nsystem\n", "(lI1\n", "cbuiltins\nlist\ncbuiltins\nlist\n"):
        with pytest.raises((Refused, Damaged)):
            plain_data(f"ccollections\ndefaultdict\n({arguments}tR.".encode())
    with pytest.raises(Refused, match="a call of list"):
        plain_data(b"cbuiltins\nlist\n(tR.")


def test_an_array_of_objects_becomes_lists_of_its_shape():
    content = np.array([["a", None], [np.arange(2), 3]], dtype=object)
    for order in "CF":
        (a, none), (array, three) = plain_data(pickle.dumps(np.asarray(content, order=order)))
        assert (a, none, three) == ("a", None, 3) and array.tolist() == [0, 1]


def test_a_memory_mapped_array_is_an_ordinary_one(tmp_path):
    np.arange(6.0).tofile(tmp_path / "x")
    mapped = np.memmap(tmp_path / "x", dtype=float, mode="r", shape=(2, 3))
    found = plain_data(pickle.dumps(mapped, 4))
    assert type(found) is np.ndarray and found.tolist() == [[0, 1, 2], [3, 4, 5]]


@pytest.mark.parametrize("content, words", [
    (np.ones((1, 1)).view(np.matrix), "an array of the type numpy.matrix"), (np.zeros(2, "M8[s]"), "dates"),
    (np.zeros(2, [("a", "f8")]), "structured"), (np.ma.masked_array([1.0]), "numpy.ma"),
    (np.dtype("f8"), "dtype itself"),
    (memoryview, "memoryview"), ({(1, (2, 3)): 1}, "a key that is a tuple")])
def test_other_kinds_are_refused_by_name(content, words):
    with pytest.raises(Refused, match=words):
        plain_data(pickle.dumps(content))


@pytest.mark.parametrize("data, words", [
    (op.array((3,), op.dtype("f8"), op.data(b"A" * 16)), "needs 24 bytes or items, 16 are there"),
    (op.array((2,), op.dtype("O8", "|", flags=63), b"]"), "needs 2 bytes or items, 0 are there"),
    (op.array((2,), op.dtype("b1", "|"), op.data(b"\x02\x01")), "neither 0 nor 1"),
    (op.array((1,), op.dtype("U1", size=4, alignment=4, flags=8), op.data(b"\xff" * 4)), "do not exist"),
    (op.call(op.RECONSTRUCT, op.NDARRAY, op.together(op.number(8)), op.data(b"b")), "an array without its content"),
    (op.array((-1,), op.dtype("f8"), op.data(b"")), "whole numbers from 0"),
    (op.array((1,) * 33, op.dtype("f8"), op.data(b"A" * 8)), "at most 32"),
    (op.call(op.SCALAR, op.dtype("f8"), op.data(b"A" * 9)), "needs 8 bytes")])
def test_an_array_that_contradicts_itself_is_named(data, words):
    with pytest.raises((Damaged, Refused), match=words):
        plain_data(op.file(data))


def test_an_array_is_a_view_of_the_file_that_cannot_be_written():
    data = pickle.dumps(np.ones(10**6), 5)
    found = plain_data(data)
    assert np.shares_memory(found, np.frombuffer(data, np.uint8)) and not found.flags.writeable
