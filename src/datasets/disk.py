"""Arrays that lie on the disk while they are worked on, for data larger than the memory."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

Empty = Callable[..., np.ndarray]  # how room for an array is made, from its shape and type: np.empty, or `on_disk`


def on_disk(shape: tuple[int, ...], dtype: np.dtype | type, near: Path) -> np.ndarray:
    """Zeros in a file without a name, on the disk that `near` lies on.

    The file is gone as soon as the array is, or the process, however it ends.
    """
    nbytes = int(np.prod(shape, dtype=object)) * np.dtype(dtype).itemsize
    if not nbytes:
        return np.zeros(shape, dtype)
    folder = next(folder for folder in near.absolute().parents if folder.is_dir())
    with tempfile.TemporaryFile(dir=folder) as file:
        if hasattr(os, "posix_fallocate"):  # a disk that is full is an error here; at a mapped page it ends the process
            os.posix_fallocate(file.fileno(), 0, nbytes)
        else:
            file.truncate(nbytes)
        return np.memmap(file, dtype, "r+", shape=shape).view(np.ndarray)


def copied(array: np.ndarray, empty: Empty) -> np.ndarray:
    """A copy in single precision; what is beyond it becomes infinite."""
    made = empty(array.shape, np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        np.copyto(made, array, casting="unsafe")
    return made
