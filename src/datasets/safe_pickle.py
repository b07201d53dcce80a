"""Reading pickles that cannot execute anything: numpy arrays and plain containers, nothing else."""

import mmap
from pathlib import Path
from typing import Any

from src.reading.arrays import plain_data
from src.reading.kinds import HEAD, describe
from src.reading.records import Damaged, Refused
from src.structures import InputError


def read_pickle(path: Path, mapped: bool = False) -> Any:
    """Load plain data from `path`, from Python 3 or Python 2; raises InputError for anything else or broken files.

    Arrays are read-only views of the bytes of the file; arrays of objects come back as lists. `mapped` leaves those
    bytes on the disk, for files larger than the memory: whoever shortens such a file ends the process that reads it.
    """
    try:
        data = _mapped(path) if mapped else path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    return parsed(data, path)


def _mapped(path: Path) -> bytes | mmap.mmap:
    """The bytes of a file, which come from the disk where they are looked at."""
    with path.open("rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if path.stat().st_size else b""


def parsed(data: bytes | mmap.mmap, path: Path | str) -> Any:
    """The plain data of a pickle's bytes; raises InputError, which names `path`, for anything else."""
    try:
        content = plain_data(data)
    except (Refused, Damaged) as error:
        _name_other_kind(path, data)
        if isinstance(error, Refused):
            raise InputError(f"{path} holds {error}, which is neither a numpy array nor a plain container; nothing of "
                             "it was executed, save the data as arrays in dictionaries") from error
        raise InputError(f"{path} is not a complete pickle ({error}); it may be truncated, download or write it "
                         "again") from error
    if isinstance(content, int):  # old files of torch.save begin with a number
        _name_other_kind(path, data)
    return content


def _name_other_kind(path: Path | str, data: bytes | mmap.mmap) -> None:
    """Raise InputError for a file that is known to be something else."""
    known = describe(data[:HEAD])
    if known:
        raise InputError(f"{path} is not a complete pickle but {known}")
