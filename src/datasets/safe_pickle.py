"""Reading pickles that cannot execute anything: numpy arrays and plain containers, nothing else."""

from pathlib import Path
from typing import Any

from src.reading.arrays import plain_data
from src.reading.kinds import HEAD, describe
from src.reading.records import Damaged, Refused
from src.structures import InputError


def read_pickle(path: Path) -> Any:
    """Load plain data from `path`, from Python 3 or Python 2; raises InputError for anything else or broken files.

    Arrays are read-only views of the bytes of the file; arrays of objects come back as lists.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
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


def _name_other_kind(path: Path, data: bytes) -> None:
    """Raise InputError for a file that is known to be something else."""
    known = describe(data[:HEAD])
    if known:
        raise InputError(f"{path} is not a complete pickle but {known}")
