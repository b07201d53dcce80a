"""Reading pickles that cannot execute anything: numpy arrays and plain containers, nothing else."""

from pathlib import Path
from typing import Any

from src.reading.arrays import plain_data
from src.reading.kinds import LONGEST, describe
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
        found = plain_data(data)
        if not isinstance(found, dict) and describe(data[:LONGEST]):
            raise Damaged("a pickle with more behind it")  # files of old torch begin with one that holds a number
        return found
    except (Refused, Damaged) as error:
        known = describe(data[:LONGEST])
        if known:
            raise InputError(f"{path} is not a complete pickle: {known}") from error
        if isinstance(error, Damaged):
            raise InputError(f"{path} is not a complete pickle ({error}); it may be truncated, download or write it "
                             "again") from error
        raise InputError(f"{path} holds {error}, which is neither a numpy array nor a plain container; nothing of it "
                         "was executed, save the data as arrays in dictionaries") from error
