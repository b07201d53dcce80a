"""CLUE's folders split_dataset_*: train.pkl, dev.pkl, test_IID.pkl, test_OOD.pkl, and embedding_and_mapping.pt.

A pickle is a list of ((word numbers, vision, audio, words), label, segment), all word-aligned; the last file holds the
vector of every word number, beside a dictionary from words to numbers, which is not needed.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from src.datasets.convert.clips import Clips, Found
from src.datasets.safe_pickle import read_pickle
from src.reading.arrays import NAMES as PLAIN
from src.reading.records import Damaged, Marker, Refused
from src.reading.tensors import NAMES, read_torch
from src.registry import FORMATS
from src.structures import InputError, quoted, reason

FILES = {"train": "train.pkl", "valid": "dev.pkl", "test": "test_IID.pkl", "test_ood": "test_OOD.pkl"}
VECTORS = "embedding_and_mapping.pt"
SAMPLE = "((word numbers, vision, audio, words), label, segment)"
FACTORY = Marker("return_unk")  # what the dictionary would call for an unknown word; it is dropped


@FORMATS.register("clue")
@dataclass(frozen=True)
class CLUE:
    """A folder split_dataset_* of CLUE; its text becomes the word vectors beside it."""

    def read(self, source: Path, task: str) -> Found:
        """Four splits, test in distribution and test_ood out of it; the first number of a label counts."""
        vectors = _vectors(source / VECTORS)
        return Found({split: _clips(source / name, vectors) for split, name in FILES.items()})


def _vectors(path: Path) -> np.ndarray:
    """The vector of every word number. -> (V, D)."""
    def find(name: tuple[str, str]) -> Marker | None:
        return FACTORY if name[1] == "return_unk" else NAMES.get(name) or (
            PLAIN[name] if name == ("collections", "defaultdict") else None)

    try:
        content = read_torch(path, find)
    except (OSError, Refused, Damaged) as error:
        raise InputError(f"{path} cannot be read ({reason(error)}); CLUE's text are word numbers, whose vectors stand "
                         f"in {VECTORS} of the same folder") from error
    vectors = content[0] if isinstance(content, (list, tuple)) and content else None
    if not isinstance(vectors, torch.Tensor) or vectors.ndim != 2:
        raise InputError(f"{path} does not begin with a table of vectors; expected (vectors, dictionary)")
    return vectors.numpy()


def _clips(path: Path, vectors: np.ndarray) -> Clips:
    """The samples of one file."""
    samples = read_pickle(path, mapped=True)
    if not isinstance(samples, list):
        raise InputError(f"{path} holds {quoted(samples)}; expected a list of {SAMPLE}")
    wrong = next((i for i, sample in enumerate(samples) if not _is_sample(sample, len(vectors))), None)
    if wrong is not None:
        raise InputError(f"{path} holds another thing as entry {wrong} of its list; expected {SAMPLE}, with word "
                         f"numbers below {len(vectors)}")
    return Clips({"text": lambda i: vectors[np.asarray(samples[i][0][0], int)], "audio": _part(samples, 2),
                  "vision": _part(samples, 1)},
                 np.array([np.ravel(label)[0] for _, label, _ in samples]), [_segment(sample[2]) for sample in samples],
                 {"raw_text": [" ".join(map(_word, words)) for (_, _, _, words), _, _ in samples]})


def _part(samples: Sequence[Any], place: int) -> Callable[[int], np.ndarray]:
    return lambda i: np.asarray(samples[i][0][place])


def _is_sample(sample: Any, count: int) -> bool:
    """Whether an entry has the parts that it needs, and its word numbers lie below `count`."""
    if not isinstance(sample, tuple) or len(sample) != 3 or not isinstance(sample[0], tuple) or len(sample[0]) != 4:
        return False
    try:
        numbers, label = np.asarray(sample[0][0]), np.asarray(sample[1])
    except ValueError:  # rows of different lengths
        return False
    return (numbers.ndim == 1 and numbers.dtype.kind in "iu" and label.dtype.kind in "fiu" and label.size > 0
            and (not numbers.size or 0 <= numbers.min() and numbers.max() < count)
            and isinstance(sample[0][3], (list, tuple)))


def _word(word: Any) -> str:
    return word.decode("utf-8", "replace") if isinstance(word, bytes) else str(word)


def _segment(segment: Any) -> str:
    """An identifier, perhaps within an array."""
    return _word(np.ravel(segment)[0]) if np.size(segment) == 1 else " ".join(map(_word, np.ravel(segment)))
