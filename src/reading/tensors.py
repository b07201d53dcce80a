"""Files of torch.save: the pickle through the walk, the tensors made by us from storages whose sizes were checked."""

import io
import math
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, cast

import torch
from torch import Tensor

from src.reading.arrays import NAMES as PLAIN
from src.reading.arrays import ordered
from src.reading.finish import finish
from src.reading.records import Damaged, Marker, Record, Refused, exact, numbers
from src.reading.walk import Walk
from src.structures import quoted

Find = Callable[[tuple[str, str]], Marker | None]
MOST_DIMENSIONS = 32
MOST_DEPTH = 100  # of containers; a module is three, and ALBERT nests eight
MOST_ENTRIES = 4 * 2**20  # bytes of an archive's table of contents, some ten thousand tensors
MAGIC, PROTOCOL = 0x1950A86A20F9469CFC6C, 1001  # what torch before 1.6 begins a file with
DTYPES = {"FloatStorage": torch.float32, "DoubleStorage": torch.float64, "HalfStorage": torch.float16,
          "LongStorage": torch.int64, "IntStorage": torch.int32, "ShortStorage": torch.int16,
          "CharStorage": torch.int8, "ByteStorage": torch.uint8, "BoolStorage": torch.bool,
          "BFloat16Storage": torch.bfloat16}


class Storage(Record):
    """Values that lie beside the pickle, under a key."""

    def __init__(self, dtype: torch.dtype, count: int) -> None:
        self.dtype, self.count = dtype, count
        self.values: Tensor | None = None

    @property
    def nbytes(self) -> int:
        """Bytes that the file must have for it."""
        return self.count * self.dtype.itemsize

    def fill(self, content: bytearray) -> None:
        """Take the bytes; raises Damaged where they are more or fewer than announced, or no truth values."""
        if len(content) != self.nbytes:
            raise Damaged(f"a storage has {len(content)} bytes, {self.nbytes} were announced")
        raw = torch.frombuffer(content, dtype=torch.uint8) if content else torch.empty(0, dtype=torch.uint8)
        if self.dtype == torch.bool and (raw > 1).any():
            raise Damaged("truth values that are neither 0 nor 1")
        self.values = raw.view(self.dtype)

    def named(self) -> str:
        return "a storage itself"


class TensorRecord(Record):
    """A view of a storage."""

    def __init__(self, storage: Any, offset: Any, size: Any, stride: Any) -> None:
        self.storage, self.offset = exact(storage, Storage), exact(offset, int)
        self.size, self.stride = numbers(size, MOST_DIMENSIONS), numbers(stride, MOST_DIMENSIONS)
        count = math.prod(self.size)
        last = self.offset + sum((n - 1) * step for n, step in zip(self.size, self.stride, strict=False))
        if self.offset < 0 or len(self.size) != len(self.stride) or count and last >= self.storage.count \
                or count > self.storage.count or any(n >= 2**48 for n in (*self.size, *self.stride)):
            raise Damaged(f"a tensor of the shape {quoted(str(self.size))} does not lie in its storage of "
                          f"{self.storage.count} values")

    def finish(self, parts: list[Any]) -> Tensor:
        if self.storage.values is None:
            raise Damaged("a tensor without its storage")
        if not math.prod(self.size):
            return torch.zeros(self.size, dtype=self.storage.dtype)
        return self.storage.values.as_strided(self.size, self.stride, self.offset)


def _tensor(arguments: tuple) -> TensorRecord:
    """torch's _rebuild_tensor and _rebuild_tensor_v2(storage, offset, size, stride, needs gradient, hooks, more)."""
    if not 4 <= len(arguments) <= 7:
        raise Refused("a tensor with arguments that torch does not write")
    return TensorRecord(*arguments[:4])


def _parameter(arguments: tuple) -> TensorRecord:
    """torch's _rebuild_parameter(tensor, needs gradient, hooks)."""
    return exact(arguments[0] if arguments else None, TensorRecord)


def _of_type(arguments: tuple) -> TensorRecord:
    """torch's _rebuild_from_type_v2(function, type, arguments, state): a tensor that was given attributes."""
    if len(arguments) != 4 or not any(arguments[0] is known for known in (TENSOR, PARAMETER)):
        raise Refused("a tensor of a type of its own")
    return arguments[0].call(exact(arguments[2], tuple))


def _size(arguments: tuple) -> tuple:
    """torch.Size(numbers)."""
    return numbers(arguments[0] if len(arguments) == 1 else None, MOST_DIMENSIONS)


TENSOR, PARAMETER = Marker("_rebuild_tensor_v2", _tensor), Marker("_rebuild_parameter", _parameter)
NAMES = {
    ("collections", "OrderedDict"): Marker("OrderedDict", ordered),
    ("torch._utils", "_rebuild_tensor"): TENSOR, ("torch._utils", "_rebuild_tensor_v2"): TENSOR,
    ("torch._utils", "_rebuild_parameter"): PARAMETER,
    ("torch._tensor", "_rebuild_from_type_v2"): Marker("_rebuild_from_type_v2", _of_type),
    ("torch", "Tensor"): Marker("torch.Tensor"), ("torch.nn.parameter", "Parameter"): Marker("Parameter"),
    ("torch", "Size"): Marker("torch.Size", _size),
    **{name: PLAIN[name] for name in (("builtins", "set"), ("__builtin__", "set"))},
    **{("torch", name): Marker(name) for name in DTYPES},
}


class Storages:
    """The storages that a pickle refers to, each once."""

    def __init__(self, most: int) -> None:
        self.by_key: dict[str, Storage] = {}
        self.left = most

    def refer(self, token: tuple) -> Storage | Marker:
        """The storage of a reference («storage», type, key, device, count); raises Refused, or Damaged if too large.

        Before 1.6 torch also refers so to the classes of a model, with their source, which says nothing here.
        """
        if len(token) == 4 and token[0] == "module" and isinstance(token[1], Marker):
            return token[1]
        if not 5 <= len(token) <= 6 or token[0] != "storage" or token[5:] not in ((), (None,)):
            raise Refused("a reference to something that is no storage")
        kind, key, count = exact(token[1], Marker), exact(token[2], str), exact(token[4], int)
        if kind.name not in DTYPES or count < 0:
            raise Refused("a storage of a type that no checkpoint needs")
        storage = self.by_key.get(key)
        if storage is None:
            storage = self.by_key[key] = Storage(DTYPES[kind.name], count)
            self.left -= storage.nbytes
            if self.left < 0:
                raise Damaged("it announces more values than the file holds")
        elif (storage.dtype, storage.count) != (DTYPES[kind.name], count):
            raise Damaged(f"it announces the storage {quoted(key)} twice, in two forms")
        return storage


def read_torch(path: Path, find: Find = NAMES.get) -> Any:
    """What torch.save wrote, as tensors and plain containers; `find` knows further names.

    Raises Refused or Damaged for anything else, OSError where the file cannot be read.
    """
    with path.open("rb") as file:
        if file.read(4) == b"PK\x03\x04":
            return _read_archive(file, find)
        file.seek(0)
        return _read_stream(file.read(), find)


def read_note(path: Path, name: str, most: int) -> bytes:
    """An entry of at most `most` bytes that was put beside the content of a file; Damaged where there is none."""
    with path.open("rb") as file:
        archive, entries, folder, _ = _open_archive(file)
        return bytes(_entry(archive, entries, f"{folder}{name}", most))


def _read_archive(file: BinaryIO, find: Find) -> Any:
    """The zip container of torch since 1.6."""
    archive, entries, folder, size = _open_archive(file)
    if entries.get(f"{folder}byteorder") and _entry(archive, entries, f"{folder}byteorder", 16) != b"little":
        raise Refused("numbers in big-endian order")
    storages = Storages(size)
    walk = Walk(bytes(_entry(archive, entries, f"{folder}data.pkl", size)), find, storages.refer)
    root = walk.run()
    for key, storage in storages.by_key.items():
        storage.fill(_entry(archive, entries, f"{folder}data/{key}", storage.nbytes))
    return finish(walk, root, MOST_DEPTH)


def _open_archive(file: BinaryIO) -> tuple[zipfile.ZipFile, dict[str, zipfile.ZipInfo], str, int]:
    """A zip file of torch, its entries by name, the folder in it, and its size; raises Damaged for any other."""
    size = file.seek(0, 2)
    file.seek(-min(size, 2**16 + 22), 2)
    tail = file.read()
    table = tail.rfind(b"PK\x05\x06")
    if table < 0 or len(tail) < table + 16 or struct.unpack_from("<I", tail, table + 12)[0] > MOST_ENTRIES:
        raise Damaged("its table of contents is missing or too long")
    try:
        archive = zipfile.ZipFile(file)
        entries = {entry.filename: entry for entry in archive.infolist()}
    except Exception as error:  # the library raises nearly anything on a damaged archive
        raise Damaged(f"its table of contents is damaged, {error}") from error
    names = [name for name in entries if name.endswith("/data.pkl")]
    if len(names) != 1:
        raise Damaged(f"it holds {len(names)} entries data.pkl")
    return archive, entries, names[0].removesuffix("data.pkl"), size


def _entry(archive: zipfile.ZipFile, entries: dict[str, zipfile.ZipInfo], name: str, most: int) -> bytearray:
    """The bytes of an entry, its checksum verified; raises Damaged, also for more than `most` bytes."""
    entry = entries.get(name)
    if entry is None:
        raise Damaged(f"the entry {quoted(name)} is missing")
    if entry.compress_type != zipfile.ZIP_STORED or entry.file_size > most:
        raise Damaged(f"the entry {quoted(name)} is compressed or larger than announced")
    content = bytearray(entry.file_size)
    try:
        with archive.open(entry) as stream:
            if cast(io.BufferedIOBase, stream).readinto(content) != len(content) or stream.read(1):
                raise Damaged(f"the entry {quoted(name)} ends early")
    except Damaged:
        raise
    except Exception as error:  # a wrong checksum, and whatever else the library raises
        raise Damaged(f"the entry {quoted(name)} is damaged, {error}") from error
    return content


def _read_stream(data: bytes, find: Find) -> Any:
    """The container of torch before 1.6: five pickles, then the storages one after another."""
    storages, at = Storages(len(data)), 0
    parts = []
    for number in range(5):
        walk = Walk(data, find, storages.refer, at)
        parts.append(walk.run())
        at = walk.at
        if number < 2 and parts[number] != (MAGIC, PROTOCOL)[number]:
            raise Damaged("it does not begin as a file of torch.save does")
        if number == 3:
            content = walk
    if type(parts[2]) is not dict or parts[2].get("little_endian") is not True:
        raise Refused("numbers in big-endian order")
    for key in exact(parts[4], list):
        storage = storages.by_key.get(exact(key, str))
        head = data[at:at + 8]
        if storage is None or len(head) < 8 or struct.unpack("<q", head)[0] != storage.count:
            raise Damaged("a storage that the pickle announces otherwise")
        storage.fill(bytearray(data[at + 8:at + 8 + storage.nbytes]))
        at += 8 + storage.nbytes
    return finish(content, parts[3], MOST_DEPTH)
