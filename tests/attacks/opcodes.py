"""Pickles written opcode by opcode, as no pickler would."""

import struct

PROTOCOL, END = b"\x80\x04", b"."
NONE, TRUE, FALSE, MARK = b"N", b"\x88", b"\x89", b"("


def name(module: str, word: str) -> bytes:
    """GLOBAL."""
    return f"c{module}\n{word}\n".encode()


def data(content: bytes) -> bytes:
    """BINBYTES."""
    return b"B" + struct.pack("<I", len(content)) + content


def text(content: str) -> bytes:
    """BINUNICODE."""
    return b"X" + struct.pack("<I", len(content.encode())) + content.encode()


def number(value: int) -> bytes:
    """BININT, or INT where that is too small."""
    return b"J" + struct.pack("<i", value) if -2**31 <= value < 2**31 else b"I%d\n" % value


def together(*parts: bytes) -> bytes:
    """TUPLE."""
    return MARK + b"".join(parts) + b"t"


def call(function: bytes, *arguments: bytes) -> bytes:
    """REDUCE."""
    return function + together(*arguments) + b"R"


def file(*parts: bytes) -> bytes:
    """A whole pickle."""
    return PROTOCOL + b"".join(parts) + END


NDARRAY, DTYPE = name("numpy", "ndarray"), name("numpy", "dtype")
RECONSTRUCT = name("numpy._core.multiarray", "_reconstruct")
SCALAR = name("numpy._core.multiarray", "scalar")
FROMBUFFER = name("numpy._core.numeric", "_frombuffer")
ENCODE = name("_codecs", "encode")
ORDERED = name("collections", "OrderedDict")


def dtype(code: str, order: str = "<", names: bytes = NONE, fields: bytes = NONE, subarray: bytes = NONE,
          size: int = -1, alignment: int = -1, flags: int = 0) -> bytes:
    """A numpy.dtype with the state that is asked for."""
    return call(DTYPE, text(code), FALSE, TRUE) + together(
        number(3), text(order), subarray, names, fields, number(size), number(alignment), number(flags)) + b"b"


def array(shape: tuple[int, ...], kind: bytes, content: bytes) -> bytes:
    """An array with the state that is asked for; `content` is opcodes."""
    state = together(number(1), together(*map(number, shape)), kind, FALSE, content)
    return call(RECONSTRUCT, NDARRAY, together(number(0)), data(b"b")) + state + b"b"


def doubled(times: int, form: bytes = b"l") -> bytes:
    """A list or tuple (`form` b"l" or b"t") that refers to one before it twice, and so on: 2**times pieces."""
    steps = [MARK + b"h" + bytes([step]) + b"h" + bytes([step]) + form + b"q" + bytes([step + 1])
             for step in range(times)]
    return MARK + NONE + form + b"q\x00" + b"".join(steps)


def last(content: bytes, form: bytes = b"l") -> bytes:
    """All objects that `content` leaves on the stack as one."""
    return MARK + content + form
