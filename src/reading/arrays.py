"""Numpy arrays in pickles: made by us from a shape, a dtype of ours, an order and bytes that are there."""

import codecs
import math
import mmap
from typing import Any

import numpy as np

from src.reading.finish import finish
from src.reading.records import Damaged, Marker, Raw, Record, Refused, exact, numbers
from src.reading.walk import SHORT, Walk
from src.structures import quoted

MOST_DIMENSIONS = 32
MOST_DEPTH = 32  # of containers in a data file
SIZES = {"b": (1,), "i": (1, 2, 4, 8), "u": (1, 2, 4, 8), "f": (2, 4, 8, 16), "c": (8, 16, 32)}
NAMED = {"O": "objects", "V": "structured or raw records", "M": "dates", "m": "time spans", "T": "variable-width text"}


class DType(Record):
    """numpy.dtype(code, False, True) and its state."""


    def __init__(self, arguments: tuple) -> None:
        code = exact(arguments[0], str) if arguments else ""
        self.kind, digits = code[:1], code[1:]
        if not (digits.isascii() and digits.isdigit()) or len(digits) > 9 or arguments[1:] != (False, True):
            raise Refused(f"an array of the type {quoted(code)}, where plain numbers or text belong")
        self.size = int(digits) * (4 if self.kind == "U" else 1)
        known = self.size in SIZES.get(self.kind, ()) or self.kind in "SUO"
        if not known:
            raise Refused(f"an array of {NAMED.get(self.kind, quoted(code))}, where plain numbers or text belong")
        self.order = ""  # until the state is there

    def build(self, state: Any) -> None:
        """(3, byte order, no fields, their sizes as the code says, flags that numpy itself would set)."""
        own = (self.size, 4 if self.kind == "U" else 1) if self.kind in "SU" else (-1, -1)
        flags = (8, 0) if self.kind == "U" else (63,) if self.kind == "O" else (0,)
        plain = type(state) is tuple and all(type(item) in (int, str, type(None)) for item in state)
        wanted = [(3, order, None, None, None, *own, flag) for order in "<>|=" for flag in flags]
        if self.order or not plain or state not in wanted:
            raise Refused(f"an array type {self.kind}{self.size} with fields, dates or another state that numpy does "
                          "not write for it")
        self.order = state[1]

    @property
    def dtype(self) -> np.dtype:
        """The dtype, made anew; raises Refused for objects and without a state."""
        if not self.order or self.kind == "O":
            raise Refused("an array type without its state" if not self.order else "objects where numbers belong")
        try:
            return np.dtype(f"{self.order}{self.kind}{self.size // (4 if self.kind == 'U' else 1)}")
        except TypeError as error:  # long doubles differ by machine
            raise Refused(f"numbers of {self.size} bytes, which this machine does not have") from error

    def named(self) -> str:
        return "a numpy.dtype itself"


class Array(Record):
    """An array before and after its state (version, shape, dtype, Fortran order, bytes or list)."""


    def __init__(self) -> None:
        self.shape: tuple[int, ...] | None = None

    def build(self, state: Any) -> None:
        if self.shape is not None or len(exact(state, tuple)) != 5 or type(state[0]) is not int or state[0] != 1:
            raise Refused("an array with a state that numpy does not write")
        self.fill(state[1], state[2], state[3], state[4])

    def fill(self, shape: Any, dtype: Any, fortran: Any, content: Any) -> "Array":
        """Take what describes the array; raises Refused or Damaged where it does not fit together."""
        self.dtype, self.fortran = exact(dtype, DType), exact(fortran, bool, int)
        shape = numbers(shape, MOST_DIMENSIONS)
        count = math.prod(shape)
        if self.dtype.kind == "O":
            present, wanted = len(exact(content, list)), count
        else:
            content = raw_bytes(content)
            present, wanted = len(content), count * self.dtype.dtype.itemsize
        if present != wanted or math.prod(n for n in shape if n) * max(1, self.dtype.size) >= 2**62:
            raise Damaged(f"an array of the shape {quoted(str(shape))} needs {wanted} bytes or items, {present} are "
                          "there")
        self.shape, self.content = shape, content
        return self

    def named(self) -> str:
        return "an array without its content"

    def parts(self) -> list[Any]:
        return self.content if self.shape is not None and self.dtype.kind == "O" else []

    def finish(self, parts: list[Any]) -> np.ndarray | list:
        """The array, read-only where it shows bytes of the file; lists within lists in the place of objects."""
        if self.shape is None:
            raise Refused(self.named())
        if self.dtype.kind == "O":
            return nested(parts, self.shape)
        dtype = self.dtype.dtype
        if not len(self.content) or not dtype.itemsize:
            return np.zeros(self.shape, dtype)
        array = np.frombuffer(self.content, dtype)
        if dtype.kind == "b" and array.view(np.uint8).max() > 1:
            raise Damaged("truth values that are neither 0 nor 1")
        if dtype.kind == "U" and array.view(np.dtype("u4").newbyteorder(dtype.byteorder)).max() > 0x10FFFF:
            raise Damaged("characters that do not exist")
        return array.reshape(self.shape, order="F" if self.fortran else "C")


class Wrapped(Array):
    """An array of joblib.dump: its description, and behind that, in the middle of the pickle, its bytes.

    A byte tells how many bytes of padding come first (joblib 1.2 and newer). Arrays of objects are a pickle of their
    own.
    """

    def build(self, state: Any) -> None:
        """What describes the array, by name."""
        known = exact(state, dict).keys() - {"numpy_array_alignment_bytes"}
        if self.shape is not None or known != {"subclass", "shape", "order", "dtype", "allow_mmap"}:
            raise Refused("an array with a state that joblib does not write")
        if state["subclass"] not in ARRAY_TYPES or state["order"] not in ("C", "F"):
            raise Refused("an array of joblib of another type than numpy.ndarray")
        self.state = state

    def follow(self, walk: Walk) -> None:
        """Read the array; raises Refused or Damaged where it is none."""
        shape, dtype = numbers(self.state["shape"], MOST_DIMENSIONS), exact(self.state["dtype"], DType)
        if dtype.kind == "O":
            found = exact(walk.inner(NAMES.get), Array)
            if found.shape != shape:
                raise Damaged("an array of objects of another shape than its description")
            content: Any = found.parts()
        else:
            if self.state.get("numpy_array_alignment_bytes") is not None:
                walk.take(walk.take(1)[0])
            content = Raw(walk.take(math.prod(shape) * dtype.dtype.itemsize), "")
        self.fill(shape, dtype, self.state["order"] == "F", content)


def _wrapped(arguments: tuple) -> Wrapped:
    """joblib's NumpyArrayWrapper() without arguments, which waits for its state."""
    if arguments:
        raise Refused("an array with arguments that joblib does not write")
    return Wrapped()


def nested(items: list[Any], shape: tuple[int, ...]) -> list[Any]:
    """A flat list, which numpy writes row by row whatever the order in memory, as lists within lists."""
    for size in reversed(shape[1:]):
        items = [items[i:i + size] for i in range(0, len(items), size)] if size else []
    return items


def raw_bytes(content: Any) -> memoryview:
    """Bytes of an array: bytes, or text as Python 2 wrote them."""
    if type(content) is str:
        content = encoded((content, "latin1"))
    if type(content) is Raw and content.encoding in ("", "latin1"):
        return content.view
    return memoryview(exact(content, bytes))


def encoded(arguments: tuple) -> bytes | Raw:
    """_codecs.encode(text, "latin1"), which is how protocols 0 to 2 write bytes; no other codec."""
    if len(arguments) != 2 or arguments[1] not in ("latin1", "latin-1") or type(arguments[1]) is not str:
        raise Refused("a codec other than latin1")
    text = arguments[0]
    try:
        if type(text) is not Raw:
            return exact(text, str).encode("latin1")
        decoder = codecs.getincrementaldecoder(exact(text.encoding or None, str))()
        decoded = bytearray()
        for start in range(0, len(text.view), 2**20):  # piece by piece, so that the whole text never exists
            piece = text.view[start:start + 2**20]
            decoded += decoder.decode(piece, start + len(piece) == len(text.view)).encode("latin1")
    except UnicodeError as error:
        raise Damaged("bytes written as text that are no bytes") from error
    return Raw(memoryview(decoded).toreadonly(), "") if len(decoded) > SHORT else bytes(decoded)


def _scalar(arguments: tuple) -> np.generic:
    """numpy's scalar(dtype, bytes)."""
    if len(arguments) != 2:
        raise Refused("a number without its bytes")
    number: Any = Array().fill((), arguments[0], False, arguments[1]).finish([])
    return number[()]


def _frombuffer(arguments: tuple) -> Array:
    """numpy's _frombuffer(bytes, dtype, shape, order), which protocol 5 writes."""
    if len(arguments) != 4 or arguments[3] not in ("C", "F"):
        raise Refused("an array with a state that numpy does not write")
    return Array().fill(arguments[2], arguments[1], arguments[3] == "F", arguments[0])


def _reconstruct(arguments: tuple) -> Array:
    """numpy's _reconstruct(ndarray, (0,), b"b"), an empty array that waits for its state."""
    if len(arguments) != 3 or arguments[0] not in ARRAY_TYPES:
        name = arguments[0].name if arguments and type(arguments[0]) is Marker else "something"
        raise Refused(f"an array of the type {name}")
    return Array()


def _no_bytes(arguments: tuple) -> bytes:
    """bytes(), which is how protocols 0 to 2 write empty bytes."""
    if arguments:
        raise Refused("a call of bytes")
    return b""


def _set(arguments: tuple) -> list[Any]:
    """set(list) and frozenset(list) of protocols 0 to 3; kept as a list, since its order says nothing."""
    if len(arguments) > 1:
        raise Refused("a call of set")
    return exact(arguments[0], list) if arguments else []


def ordered(arguments: tuple) -> dict[Any, Any]:
    """OrderedDict(), or OrderedDict of pairs as Python 2 wrote it."""
    pairs = exact(arguments[0], list) if len(arguments) == 1 else []
    if len(arguments) > 1 or any(type(pair) not in (list, tuple) or len(pair) != 2 or type(pair[0]) is not str
                                 for pair in pairs):
        raise Refused("a call of OrderedDict on something else than pairs")
    return dict(pairs)


def _default_dictionary(arguments: tuple) -> dict[Any, Any]:
    """defaultdict(what makes an entry), as an ordinary dictionary: what makes an entry is dropped, never called."""
    if len(arguments) > 1 or any(argument is not None and type(argument) is not Marker for argument in arguments):
        raise Refused("a call of defaultdict on something else than a name")
    return {}


# An array that was mapped into memory is an ordinary one once it is pickled; matrices and masked arrays are not.
ARRAY_TYPES = [Marker(name) for name in ("numpy.ndarray", "numpy.memmap")]
OTHER_TYPES = ("matrix", "recarray", "chararray")
NAMES = {
    ("numpy", "ndarray"): ARRAY_TYPES[0], ("numpy", "memmap"): ARRAY_TYPES[1],
    ("numpy.core.memmap", "memmap"): ARRAY_TYPES[1],
    ("numpy", "dtype"): Marker("numpy.dtype", DType),
    **{("numpy", name): Marker(f"numpy.{name}") for name in OTHER_TYPES},
    **{(f"numpy.{core}.multiarray", name): Marker(name, call) for core in ("core", "_core")
       for name, call in (("_reconstruct", _reconstruct), ("scalar", _scalar))},
    **{(f"numpy.{core}.numeric", "_frombuffer"): Marker("_frombuffer", _frombuffer) for core in ("core", "_core")},
    ("collections", "OrderedDict"): Marker("OrderedDict", ordered),
    ("collections", "defaultdict"): Marker("defaultdict", _default_dictionary),
    **{(builtins, name): Marker(name) for builtins in ("builtins", "__builtin__")
       for name in ("dict", "float", "int", "list", "long", "str", "unicode")},
    ("_codecs", "encode"): Marker("encode", encoded),
    **{(builtins, name): Marker(name, call) for builtins in ("builtins", "__builtin__")
       for name, call in (("bytes", _no_bytes), ("set", _set), ("frozenset", _set))},
}
# Within the array of a file of joblib.dump there are no further ones of its kind.
JOBLIB_NAMES = NAMES | {("joblib.numpy_pickle", "NumpyArrayWrapper"): Marker("NumpyArrayWrapper", new=_wrapped)}


def plain_data(data: bytes | mmap.mmap) -> Any:
    """The numpy arrays and plain containers of a pickle, or of a file of joblib.dump that is not compressed.

    Raises Refused or Damaged for anything else.
    """
    walk = Walk(data, JOBLIB_NAMES.get)
    return finish(walk, walk.run(), MOST_DEPTH)
