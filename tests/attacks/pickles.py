"""Hostile, wrong and damaged data files: a corpus made by code, and mutations of healthy files."""

import pickle
import pickletools
import random
import struct
from collections import OrderedDict
from collections.abc import Iterator
from itertools import islice, product
from pathlib import Path
from typing import Any

import numpy as np

from tests.attacks import opcodes as op
from tests.attacks.tally import Tally, ask
from tests.attacks.worker import Worker

Case = tuple[str, bytes]  # name, content of the file
SIZES = {"train": 8, "valid": 4, "test": 4}
NAMES = [("os", "system"), ("posix", "system"), ("subprocess", "Popen"), ("builtins", "eval"), ("builtins", "getattr"),
         ("__builtin__", "eval"), ("operator", "attrgetter"), ("importlib", "import_module"), ("numpy", "load"),
         ("numpy", "fromfile"), ("numpy.testing._private.utils", "runstring"), ("numpy.core.multiarray", "fromfile"),
         ("numpy.core.multiarray", "_reconstruct.__globals__"), ("numpy", "ndarray.__class__"), ("numpy", ""), ("", ""),
         ("collections", "OrderedDict.__init__"), ("_codecs", "lookup"), ("_codecs", "decode"), ("torch", "load"),
         ("torch.storage", "_load_from_bytes"), ("pickle", "loads"), ("types", "FunctionType"), ("functools", "reduce"),
         ("ctypes", "CDLL"), ("pathlib", "Path"), ("builtins", "range"), ("os\x00", "system"), ("os\n\x1b[31m", "x")]


def content(seed: int = 0) -> dict[str, dict[str, Any]]:
    """A healthy file with three classes."""
    rng = np.random.default_rng(seed)
    return {split: {"text": rng.standard_normal((n, 4, 5)), "audio": rng.standard_normal((n, 3, 3)).astype("f4"),
                    "vision": rng.standard_normal((n, 2, 2)), "labels": rng.integers(3, size=n),
                    "id": [f"clip {i}" for i in range(n)]} for split, n in SIZES.items()}


def within(key: str, value: bytes) -> bytes:
    """A healthy file whose train[key] is made by opcodes."""
    out = op.PROTOCOL + b"}("
    for name, split in content().items():
        kept = {word: part for word, part in split.items() if name != "train" or word != key}
        out += op.text(name) + pickle.dumps(kept, 3)[2:-1]  # its opcodes alone; they write their memo anew
        out += op.text(key) + value + b"s" if name == "train" else b""
    return out + b"u" + op.END


def calls(mark: Path) -> Iterator[Case]:
    """Files that want a command to be run, which would make the file `mark`."""
    command = op.text(f"touch {mark}")
    for module, word in NAMES:
        named = op.text(module) + op.text(word) + b"\x93"
        yield f"REDUCE {module}.{word}", op.file(named, op.together(command), b"R")
        if "\n" not in module:
            yield f"REDUCE by GLOBAL {module}.{word}", op.file(op.call(op.name(module, word), command))
            yield f"INST {module}.{word}", op.file(op.MARK, command, f"i{module}\n{word}\n".encode())
            yield f"OBJ {module}.{word}", op.file(op.MARK, op.name(module, word), command, b"o")
        yield f"NEWOBJ {module}.{word}", op.file(named, op.together(command), b"\x81")
    for allowed in (op.RECONSTRUCT, op.SCALAR, op.FROMBUFFER, op.DTYPE, op.NDARRAY, op.ENCODE, op.ORDERED):
        for state in (b"}" + op.text("__defaults__") + op.together(op.number(1)) + b"s", op.NONE):
            yield f"BUILD {allowed}", op.file(allowed, op.together(op.NONE, state), b"b")
        for arguments in ((), (op.NONE,) * 2, (op.NDARRAY,), (op.number(2**31),), (op.text("O8"), op.TRUE, op.TRUE)):
            yield f"call {allowed} {len(arguments)}", op.file(op.call(allowed, *arguments))


def bombs() -> Iterator[Case]:
    """Files that want time or memory."""
    for n in (2**20, 2**25, 2**29, 2**32 - 1):
        yield f"memo {n}", op.file(op.NONE, b"r", struct.pack("<I", n))
        yield f"memo in text {n}", b"Np%d\n." % n
    for n, code in product((2**31, 2**62), (b"\x95", b"\x8e", b"\x8d", b"\x96")):
        yield f"announced {code} {n}", op.file(code, struct.pack("<Q", n), b"x")
    for shape in product((0, 1, 2**31, 2**62, -1), repeat=2):
        yield f"shape {shape}", op.file(op.array(shape, op.dtype("f8"), op.data(bytes(8))))
    for codec, n in product(("hex_codec", "punycode", "idna", "zlib_codec", "utf_32", "antigravity"), (16, 10**5)):
        yield f"codec {codec} {n}", op.file(op.call(op.ENCODE, op.text("\u4e00" * n), op.text(codec)))
    for times, form in product((8, 20, 30), (b"l", b"t")):
        doubled = op.last(op.doubled(times, form), form)
        yield f"doubled {times} {form}", op.file(doubled)
        for key in ("id", "labels", "text", "other"):
            yield f"doubled {times} {form} as {key}", within(key, doubled)
    for n in (30, 100, 10**5, 3 * 10**6):
        lists, tuples = b"]" * n + b"a" * (n - 1), b")" + b"\x85" * n
        yield from ((f"deep {n} {name}", op.file(deep)) for name, deep in (
            ("lists", lists), ("tuples", tuples), ("key", b"}" + tuples + op.NONE + b"s")))
        yield f"deep {n} id", within("id", lists)


def forged() -> Iterator[Case]:
    """Arrays whose type or state numpy would never write."""
    raw, many = op.data(b"A" * 64), op.together(op.text("a"))
    fields = {f"{code} at {at}": b"}" + op.text("a") + op.together(op.dtype(code), op.number(at)) + b"s"
              for code, at in product(("f8", "O8", "S64"), (0, -4096, 4096, 2**30))}
    kinds = {f"fields {name}": op.dtype("V8", "|", many, field, size=8, alignment=1) for name, field in fields.items()}
    kinds |= {f"{code} size {size}": op.dtype(code, "|", size=size, alignment=1)
              for code, size in product(("S8", "U2", "V8", "f8", "O8"), (-1, 0, 1, 2**31 - 1, -2**31))}
    kinds |= {f"{code} flags {flags}": op.dtype(code, flags=flags)
              for code, flags in product(("f8", "i8", "M8", "O8"), (1, 4, 16, 63, 255, -1))}
    kinds |= {f"order {order!r}": op.dtype("f8", order) for order in ("X", "", ">", "=", "<<", "\u1234")}
    kinds |= {"text for bytes": op.dtype("f8", alignment=0), "state twice": op.dtype("f8") * 1 + op.together() + b"b"}
    for (name, kind), key in product(kinds.items(), ("id", "labels")):
        yield f"{name} as {key}", within(key, op.array((8,), kind, raw))
    for key in ("id", "labels", "text"):
        for name, value in {
                "objects without list": op.array((8,), op.dtype("O8", "|", flags=63), raw),
                "objects, short": op.array((8,), op.dtype("O8", "|", flags=63), b"]"),
                "frombuffer of objects": op.call(op.FROMBUFFER, raw, op.dtype("O8", "|", flags=63),
                                                 op.together(op.number(8)), op.text("C")),
                "scalars of objects": op.MARK + op.call(op.SCALAR, op.dtype("O8", "|"), op.data(b"A" * 8)) * 8 + b"l",
                "no state": op.call(op.RECONSTRUCT, op.NDARRAY, op.together(op.number(8)), op.data(b"b")),
                "a dtype": op.dtype("f8"), "a function": op.SCALAR, "a type": op.NDARRAY}.items():
            yield f"{name} as {key}", within(key, value)


def values() -> dict[str, Any]:
    """Readable objects that are no features, labels or ids, or odd ones."""
    found: dict[str, Any] = {
        "none": None, "list": [1] * 8, "string": "x" * 8, "bytes": b"x" * 8, "dict": {}, "nan": float("nan"),
        "set": {1, 2}, "ragged": [["a"], "b", ["c", ["d"]], 1, 2, 3, 4, 5], "arrays": [np.zeros(i) for i in range(8)],
        "dicts": [{}] * 8, "deep": [[[[[["x"]]]]]] * 8, "control": ["\x1b[2J\n\r\0"] * 8, "half": ["\ud800"] * 8,
        "long": ["x" * 10**6] * 8, "huge numbers": [10**30] * 8, "larger numbers": [10**5000] * 8,
        "objects": np.array(["a", None, 1, {}, [], (), b"", 2.5], dtype=object), "masked": np.ma.masked_array([1.0]),
        "structured": np.zeros(8, [("a", "f8")]), "dates": np.zeros(8, "M8[s]"), "zero dimensions": np.array(1.0),
        "bool": np.ones(8, bool), "complex": np.ones((8, 4, 5), complex), "texts": np.array(["x"] * 8)}
    for code in ("i1", "i2", "i4", "i8"):
        found[f"least {code}"] = np.full(8, np.iinfo(code).min, code)
    for name, value in {"NaN": np.nan, "inf": np.inf, "1e300": 1e300, "1e38": 1e38, "zero": 0, "tiny": 1e-320}.items():
        found[f"{name} features"] = np.full((8, 4, 5), value)
    for shape in ((0, 4, 5), (8, 0, 5), (8, 4, 0), (8,), (8, 1), (8, 1, 1), (8, 3), (7, 4, 5), (8, 4, 6), (8, 4, 5, 1),
                  (8,) + (1,) * 31, (8, 1, 10**5)):
        found[f"ones {shape}"] = np.ones(shape)
    for dtype in ("f2", "g", ">f8", "u8", "i1"):
        found[f"ones {dtype}"] = np.ones((8, 4, 5), dtype)
    for label in (-1, 3, 0.5, 2.0**53, 3.0000000000000004):
        found[f"label {label}"] = np.full(8, label)
    return found


def wrong() -> Iterator[tuple[str, Any]]:
    """Readable files with something wrong in them, or something odd."""
    keys = ("text", "vision", "labels", "id", "regression_labels", "other")
    for key, (name, value) in product(keys, values().items()):
        changed = content()
        changed["train"][key] = value
        yield f"{key}: {name}", changed
    for key in (5, ("a",), None, b"text", 2**70):
        changed = content()
        changed["train"][key] = changed["train"]["text"]
        yield f"key {key!r}", changed
    healthy = content()
    for top in (None, [], {}, {"train": None}, {1: {}}, {"train": {}}, "x", 1, [healthy], OrderedDict(healthy),
                healthy | {"x": 1}, healthy | {"extra": {}}, healthy | {"words": np.ones((3, 4))}, {b"train": {}},
                healthy | {"test_\n\x1b[31m": healthy["test"]}, {"x" * 10**5: {}}, {"test": healthy["test"]}):
        yield f"top {type(top).__name__} of {len(top) if hasattr(top, '__len__') else 0}", top


def corpus(mark: Path) -> Iterator[Case]:
    """All files that are not drawn at random."""
    yield from calls(mark)
    yield from bombs()
    yield from forged()
    for number, (name, value) in enumerate(wrong()):
        yield name, pickle.dumps(value, 2 + number % 4)


def mutations(rng: random.Random) -> Iterator[Case]:
    """Healthy files with something changed, without end."""
    healthy = [pickle.dumps(content(1), protocol) for protocol in range(6)]
    spots = [[position for _, _, position in pickletools.genops(data)] for data in healthy]
    while True:
        number = rng.randrange(len(healthy))
        data, kind = bytearray(healthy[number]), rng.choice(MUTATIONS)
        for _ in range(rng.choice((1, 1, 1, rng.randint(2, 40)))):
            kind(rng, data, rng.choice(spots[number]) % max(1, len(data)), rng.choice(healthy))
        yield f"mutation {kind.__name__}", bytes(data)


def _flip(rng: random.Random, data: bytearray, opcode: int, other: bytes) -> None:
    if data:
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def _cut(rng: random.Random, data: bytearray, opcode: int, other: bytes) -> None:
    at = rng.randrange(len(data) + 1)
    del data[at:at + rng.choice((rng.randint(1, 50), len(data)))]


def _insert(rng: random.Random, data: bytearray, opcode: int, other: bytes) -> None:
    at = rng.randrange(len(data) + 1)
    data[at:at] = rng.randbytes(rng.randint(1, 30))


def _opcode(rng: random.Random, data: bytearray, opcode: int, other: bytes) -> None:
    data[opcode:opcode + 1] = rng.choice(pickletools.opcodes).code.encode("latin1")


def _head(rng: random.Random, data: bytearray, opcode: int, other: bytes) -> None:
    at = rng.randrange(400)
    data[at:at + 1] = rng.randbytes(1)


def _number(rng: random.Random, data: bytearray, opcode: int, other: bytes) -> None:
    at = rng.randrange(len(data) + 1)
    data[at:at + 4] = struct.pack("<i", rng.choice((-1, 0, 1, 2**31 - 1, -2**31, 255, 65536, 2**28)))


def _swap(rng: random.Random, data: bytearray, opcode: int, other: bytes) -> None:
    data[:] = bytes(data).replace(*rng.choice(SWAPS), rng.choice((1, 3, -1)))


def _splice(rng: random.Random, data: bytearray, opcode: int, other: bytes) -> None:
    data[rng.randrange(len(data) + 1):] = other[rng.randrange(len(other)):]


BYTES = (_flip, _cut, _insert, _head, _number)  # what can be done to any file
MUTATIONS = (*BYTES, _opcode, _swap, _splice)
SWAPS = ((b"f8", b"O8"), (b"f8", b"S8"), (b"<", b">"), (b"_reconstruct", b"scalar"), (b"ndarray", b"dtype"),
         (b"i8", b"M8"), (b"labels", b"text"), (b"train", b"valid"), (b"_frombuffer", b"fromstring"))


def attack(folder: Path, count: int, seed: int, stride: int = 1) -> Tally:
    """Read the corpus (every `stride`-th of it) and `count` mutations, in a child process each as training does.

    Peak memory may be three times the file and 64 MiB, of which a child shows the part above what it had before.
    """
    rng, tally, mark, path = random.Random(seed), Tally(), folder / "executed", folder / "x.pkl"
    worker = Worker(folder, 10)
    cases = [("corpus", islice(corpus(mark), 0, None, stride)), ("mutations", islice(mutations(rng), count))]
    for group, found in cases:
        for name, data in found:
            path.write_bytes(data)
            task = rng.choice(("classes:3", "sentiment7"))
            questions = [(name, "load", [str(path), task]), (name, "check", ["--dataset", str(path), "--task", task])]
            for _ in ask(tally, worker, group, questions, gib=3 * len(data) / 2**30 + 1 / 16):
                if mark.exists():
                    tally.add(group, name, "EXECUTED")
                    mark.unlink()
    worker.close()
    return tally
