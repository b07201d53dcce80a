"""Reading pickles that cannot execute anything: numpy arrays and plain containers, nothing else."""

import codecs
import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np

from src.structures import InputError

ARRAY_TYPE = object()  # stands for numpy.ndarray: an argument of _reconstruct, never something to call


def _new_array(kind: Any, shape: tuple[int, ...], code: Any) -> np.ndarray:
    """The empty array that a pickled array's state is then put into."""
    if kind is not ARRAY_TYPE:
        raise BlockedObject(f"an array of the type {kind!r}")
    return np.empty(shape, dtype=np.int8)


# Everything that numpy arrays and scalars need to come back; numpy 1 writes numpy.core where numpy 2 has numpy._core.
ALLOWED = {
    ("numpy._core.multiarray", "_reconstruct"): _new_array,
    ("numpy._core.multiarray", "scalar"): np._core.multiarray.scalar,
    ("numpy._core.numeric", "_frombuffer"): np._core.numeric._frombuffer,
    ("numpy", "ndarray"): ARRAY_TYPE,
    ("numpy", "dtype"): np.dtype,
    ("collections", "OrderedDict"): OrderedDict,
    ("_codecs", "encode"): codecs.encode,  # bytes in pickles of protocol 2 and below
}


class BlockedObject(pickle.UnpicklingError):
    """The pickle names an object that is not data."""


class DataUnpickler(pickle.Unpickler):
    """An unpickler that knows numpy arrays and plain containers only."""

    def find_class(self, module: str, name: str) -> Any:
        known = module.replace("numpy.core.", "numpy._core."), name
        if known not in ALLOWED:
            raise BlockedObject(f"{module}.{name}")
        return ALLOWED[known]


def read_pickle(path: Path) -> Any:
    """Load plain data from `path`, from Python 3 or Python 2; raises InputError for anything else or broken files."""
    try:
        with path.open("rb") as file:
            return DataUnpickler(file, encoding="latin1").load()
    except BlockedObject as error:
        raise InputError(f"{path} holds {error}, which is neither a numpy array nor a plain container; nothing of it "
                         "was executed, save the data as arrays in dictionaries") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    except Exception as error:  # a damaged pickle can raise nearly anything
        raise InputError(f"{path} is not a complete pickle ({type(error).__name__}: {error}); it may be truncated, "
                         "download or write it again") from error
