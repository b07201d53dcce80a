"""All samples of a data file in one row, each with its label, its group and the split it came from."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from src.datasets.checks import contents
from src.datasets.identifiers import identifiers
from src.datasets.labels import class_count, class_numbers
from src.structures import EMOTIONS, MODALITIES, InputError, quoted


@dataclass(frozen=True)
class Pool:
    """Samples of all splits; N of them, in the order of the file, without repetitions."""

    columns: dict[str, Any]  # key -> array (N, ...) or list of N, as in the source
    features: dict[str, np.ndarray]  # modality -> (N, T, D), checked and without what is no number
    ids: list[str]
    origin: np.ndarray  # (N,) split of the source file
    classes: np.ndarray  # (N,) class of the task
    sides: np.ndarray  # (N,) what a cue is tied to: the class, of sentiment its sign
    side_names: tuple[str, ...]
    class_count: int
    groups: np.ndarray | None  # (N,) number of the video or speaker, where identifiers tell it
    repeated: int  # samples of the source that are copies of earlier ones

    def __len__(self) -> int:
        return len(self.classes)

    def taken(self, indices: np.ndarray) -> dict[str, Any]:
        """Some samples as the split of a data file."""
        return {key: _taken(column, indices) for key, column in self.columns.items()}

    def part(self, indices: np.ndarray) -> "Pool":
        """Some samples as a pool."""
        return replace(self, columns=self.taken(indices),
                       features={name: array[indices] for name, array in self.features.items()},
                       ids=[self.ids[i] for i in indices],
                       origin=self.origin[indices], classes=self.classes[indices], sides=self.sides[indices],
                       groups=None if self.groups is None else self.groups[indices])

    def means(self, modality: str) -> np.ndarray:
        """Mean over the frames that are no padding. -> (N, D)."""
        frames = self.features[modality].astype(np.float64)
        seen = frames.any(-1).sum(1, keepdims=True)
        return frames.sum(1) / np.maximum(seen, 1)


def pooled(source: dict[str, dict], raw: dict[str, dict], task: str, group: str) -> Pool:
    """Samples of a file, as it is and as it was checked; InputError where two different samples have one identifier."""
    ids = [text.split(" ")[0] for split in raw.values() for text in identifiers(split)]
    named = all(split.get("id") is not None for split in raw.values())
    origin = np.repeat(list(raw), [len(split["text"]) for split in raw.values()])
    if not named:
        ids = [f"{name} {text}" for name, text in zip(origin, ids, strict=True)]
    features = {name: np.concatenate([split[name] for split in raw.values()]) for name in MODALITIES}
    kept = _first_of_each(features)
    features = {name: array[kept] for name, array in features.items()}
    columns = {key: _taken(_joined([split[key] for split in source.values()]), kept)
               for key in next(iter(source.values())) if all(_per_sample(split, key) for split in source.values())}
    ids, origin, repeated = [ids[i] for i in kept], origin[kept], len(ids) - len(kept)
    twice = next((name for name, count in zip(*np.unique(ids, return_counts=True), strict=True) if count > 1), None)
    if twice is not None:
        raise InputError(f"two different samples have the identifier {quoted(str(twice))}; identifiers must tell "
                         "samples apart, give each its own")
    classes = class_numbers(columns["labels"], task)
    sides, side_names = _sides(classes, task)
    return Pool(columns, features, ids, origin, classes, sides, side_names, int(classes.max()) + 1,
                _groups(ids, group) if named else None, repeated)


def _sides(classes: np.ndarray, task: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """What a cue is tied to, (N,), and its names."""
    if task in ("sentiment7", "sentiment"):
        return (classes >= 3).astype(int), ("negative", "not negative")
    return classes, EMOTIONS if task == "emotion4" else tuple(map(str, range(class_count(task))))


def _per_sample(split: dict, key: str) -> bool:
    value = split.get(key)
    return isinstance(value, (list, tuple, np.ndarray)) and np.ndim(value) > 0 and len(value) == len(split["text"])


def _joined(parts: Sequence[Any]) -> Any:
    """Arrays one after the other, or lists where shapes differ."""
    arrays = all(isinstance(part, np.ndarray) for part in parts)
    if arrays and len({part.shape[1:] for part in parts}) == 1:
        return np.concatenate(parts)
    return [item for part in parts for item in part]


def _taken(column: Any, indices: np.ndarray) -> Any:
    return column[indices] if isinstance(column, np.ndarray) else [column[i] for i in indices]


def _first_of_each(features: dict[str, np.ndarray]) -> np.ndarray:
    """Indices of the samples whose content stands nowhere before them, identifiers left aside."""
    places: dict[bytes, int] = {}
    for i, digest in enumerate(contents(features)):
        places.setdefault(digest, i)
    return np.array(list(places.values()))


def _groups(ids: Sequence[str], pattern: str) -> np.ndarray | None:
    """Numbers of the groups that a pattern's first bracket finds in every identifier, or None."""
    found = [re.match(pattern, name) for name in ids]
    if not all(found):
        return None
    names, numbers = np.unique([match.group(1) for match in found if match], return_inverse=True)
    return numbers if 1 < len(names) < len(ids) else None
