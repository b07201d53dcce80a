"""One test for every class of attack on a reader of pickles: what each tries, and that it ends in a refusal."""

import contextlib
import pickle
import struct
import sys
import tracemalloc
import types

import numpy as np
import pytest

from src.reading.arrays import plain_data
from src.reading.records import Damaged, Refused
from tests.attacks import opcodes as op
from tests.attacks.pickles import bombs, calls, forged


def refused(data: bytes, words: str) -> None:
    with pytest.raises((Refused, Damaged), match=words):
        plain_data(data)


@pytest.mark.parametrize("function, words", [
    (op.name("os", "system"), "os.system"), (op.name("builtins", "eval"), "builtins.eval"),
    (op.name("numpy.core.multiarray", "scalar.__class__"), "scalar.__class__"),
    (op.text("os\n\x1b[31m") + op.text("system") + b"\x93", r"os\\n\\x1b\[31m.system")])
def test_a_name_outside_the_table_is_refused_and_named_on_one_line(function, words):
    refused(op.file(op.call(function, op.text("touch executed"))), words)


@pytest.mark.parametrize("function, arguments", [
    (op.NDARRAY, [op.number(4)]), (op.DTYPE, [op.text("O8"), op.TRUE, op.TRUE]), (op.DTYPE, []),
    (op.SCALAR, [op.dtype("O8", "|", flags=63), op.data(b"A" * 8)]), (op.SCALAR, [op.dtype("f8")]),
    (op.FROMBUFFER, [op.data(b"A" * 8), op.dtype("O8", "|", flags=63), op.together(op.number(1)), op.text("C")]),
    (op.ORDERED, [op.array((1,), op.dtype("f8"), op.data(b"A" * 8))]), (op.RECONSTRUCT, [op.DTYPE, op.NONE, op.NONE]),
    (op.name("builtins", "bytes"), [op.number(2**40)])])
def test_a_call_of_an_allowed_name_with_other_arguments_than_its_own_is_refused(function, arguments):
    refused(op.file(op.call(function, *arguments)), ".")


def test_what_a_file_made_is_never_called():
    refused(op.file(op.call(op.text("print"), op.NONE)), "a call of a str")


@pytest.mark.parametrize("kind", [
    op.dtype("V8", "|", op.together(op.text("a")), b"}" + op.text("a") + op.together(op.dtype("f8"), op.number(-4096))
             + b"s", size=8, alignment=1),
    op.dtype("S8", "|", size=2**31 - 1, alignment=1), op.dtype("U2", size=8, alignment=0), op.dtype("f8", flags=63),
    op.dtype("f8", subarray=op.together(op.dtype("f8"), op.together(op.number(10**6)))), op.dtype("f8", "X"),
    op.dtype("f8") + op.together(*[op.NONE] * 8) + b"b"])
def test_a_forged_dtype_state_is_refused(kind):
    refused(op.file(op.array((8,), kind, op.data(b"A" * 64))), "array")


@pytest.mark.parametrize("target", [op.RECONSTRUCT, op.NDARRAY, op.ORDERED, op.FROMBUFFER])
def test_a_state_for_a_function_or_a_type_is_refused(target):
    refused(op.file(target, op.together(op.NONE, b"}" + op.text("__defaults__") + op.together(op.number(1)) + b"s"),
                    b"b"), "a state for")


@pytest.mark.parametrize("form", [b"l", b"t"])
def test_references_that_double_are_refused(form):
    refused(op.file(op.last(op.doubled(25, form))), "repeat its content")


def test_a_nested_tuple_is_no_key():
    # Its hash would be computed from 2**40 pieces.
    refused(op.file(op.last(op.doubled(40, b"t") + b"}h" + bytes([40]) + op.NONE + b"s")), "a key that is a tuple")


def test_a_container_that_holds_itself_is_refused():
    refused(op.file(b"]q\x00h\x00a"), "holds itself")


@pytest.mark.parametrize("target", [b"]", b")", op.NONE, op.array((1,), op.dtype("f8"), op.data(b"A" * 8))])
def test_an_item_set_on_what_is_no_dictionary_is_refused(target):
    refused(op.file(target, op.text("a"), op.NONE, b"s"), "where a dict belongs")


@pytest.mark.parametrize("codec", ["hex_codec", "punycode", "zlib_codec", "antigravity", "utf-8", "latin1\x00"])
def test_a_codec_other_than_latin1_is_refused(codec):
    refused(op.file(op.call(op.ENCODE, op.text("x"), op.text(codec))), "a codec other than latin1")


@pytest.mark.parametrize("count", [40, 1000, 10**6])
@pytest.mark.parametrize("form", [(b"]", b"a"), (b")", b"\x85")])
def test_nesting_without_end_is_refused(count, form):
    opened, closed = form
    nested = opened * count + closed * (count - 1) if opened == b"]" else opened + closed * count
    refused(op.file(nested), "nested more than 32 deep|many times the memory")


BOMBS = {
    "memo": op.file(op.NONE, b"r", struct.pack("<I", 2**25)), "memo in text": b"Np%d\n." % 2**31,
    "announced bytes": op.file(b"\x8e", struct.pack("<Q", 2**40), b"x"),
    "announced number": op.file(b"\x8b", struct.pack("<i", 2**31 - 1), b"x"),
    "announced shape": op.file(op.array((2**40,), op.dtype("f8"), op.data(b"A" * 8))),
    "empty shape": op.file(op.array((0, 2**62), op.dtype("f8"), op.data(b""))),
    "scalar": op.file(op.call(op.SCALAR, op.call(op.DTYPE, op.text("V700000000"), op.FALSE, op.TRUE))),
    "lists": op.file(b"(", b"]" * 10**6, b"l"), "wide text": op.file(op.text("x" * 5 * 10**7 + "\U0001f600")),
}


@pytest.mark.parametrize("name", BOMBS)
def test_memory_is_not_taken_before_it_is_paid_for(name):
    tracemalloc.start()
    refused(BOMBS[name], ".")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2 * len(BOMBS[name]) + 64 * 2**20


def test_keys_that_collide_are_refused():
    # Python hashes whole numbers modulo 2**61 - 1, so all of these share one place in a dictionary.
    keys = b"".join(b"\x8a\x0a" + (n * (2**61 - 1)).to_bytes(10, "little", signed=True) + op.NONE for n in range(5000))
    refused(op.file(b"}(", keys, b"u"), "more than 4096 keys")


@pytest.mark.parametrize("opcode", ["EXT1", "PERSID", "BINPERSID", "NEXT_BUFFER", "INST", "OBJ", "NEWOBJ_EX", "DUP"])
def test_an_opcode_that_no_data_needs_is_refused(opcode):
    refused(op.file(op.NONE, getattr(pickle, opcode), b"a\nb\n"), "opcode|outside the file")


@pytest.mark.parametrize("cut", range(1, 60, 7))
def test_a_file_that_ends_early_is_damaged(cut):
    with pytest.raises(Damaged):
        plain_data(pickle.dumps({"x": np.arange(3.0), "y": "text"}, 4)[:-cut])


def attributes() -> dict[tuple[str, str], object]:
    """Everything that a file could change: attributes of all modules, and what makes up their functions."""
    found: dict[tuple[str, str], object] = {}
    for name, module in list(sys.modules.items()):
        for key, value in list(vars(module).items()):
            found[name, key] = id(value)
            if isinstance(value, types.FunctionType):
                found[name, f"{key}()"] = (value.__defaults__, value.__kwdefaults__, id(value.__code__),
                                           tuple(value.__dict__))
    return found


@pytest.mark.filterwarnings("ignore::FutureWarning")  # torch has attributes that warn of themselves
def test_no_module_is_changed_or_imported_by_any_hostile_file(tmp_path):
    cases = [*calls(tmp_path / "executed"), *bombs(), *forged()]
    before = attributes()
    for _, data in cases:
        with contextlib.suppress(Refused, Damaged):
            plain_data(data)
    after = attributes()
    assert len(cases) > 400 and not (tmp_path / "executed").exists()
    assert {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)} == set()
