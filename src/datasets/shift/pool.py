"""All samples of a data file in one row, each with its label, its group and the split it came from.

Features stay where the splits of the file have them, which may be the disk, and are looked at sample by sample.
"""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import numpy as np

from src.datasets.base import mmsa_labels
from src.datasets.checks import contents, per_sample
from src.datasets.disk import Empty
from src.datasets.identifiers import groups, identifiers
from src.datasets.labels import class_numbers, numbered, score_limit
from src.structures import EMOTIONS, MODALITIES, InputError, quoted


@dataclass(frozen=True)
class Pool:
    """Samples of all splits; N of them, in the order of the file, without repetitions."""

    columns: dict[str, list[Any]]  # key -> the array (n, ...) or list of n of every split, as in the source
    features: dict[str, list[np.ndarray]]  # modality -> (n, T, D) of every split, checked, without what is no number
    places: list[tuple[int, int]]  # N, the number of a sample's split, and its own in it
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

    def items(self, parts: Sequence[Any]) -> list[Any]:
        """What every sample has in a column, given by its splits."""
        return [parts[split][number] for split, number in self.places]

    def taken(self, indices: np.ndarray, empty: Empty) -> dict[str, Any]:
        """Some samples as the split of a data file; `empty` makes the room for arrays."""
        part = self.part(indices)
        return {key: _joined(part.items(column), column, empty) for key, column in self.columns.items()}

    def part(self, indices: np.ndarray) -> "Pool":
        """Some samples as a pool."""
        return replace(self, places=[self.places[i] for i in indices], ids=[self.ids[i] for i in indices],
                       origin=self.origin[indices], classes=self.classes[indices], sides=self.sides[indices],
                       groups=None if self.groups is None else self.groups[indices])

    def means(self, modality: str) -> np.ndarray:
        """Mean over the frames that are no padding. -> (N, D)."""
        frames = self.items(self.features[modality])
        return np.stack([one.sum(0, dtype=np.float64) / max(1, one.any(-1).sum()) for one in frames])

    def digests(self, modality: str) -> list[bytes]:
        """What tells contents of a modality apart. -> N."""
        return self.items([list(contents({modality: part}, (modality,))) for part in self.features[modality]])


def pooled(source: dict[str, dict], raw: dict[str, dict], task: str, group: str | None,
           whole: Collection[str] = ()) -> Pool:
    """Samples of a file, as it is and as it was checked; repetitions count once, but for those within splits `whole`.

    `group` is a regular expression that every identifier must match, or nothing, for the usual forms. Raises InputError
    where two different samples have one identifier.
    """
    splits = sorted(raw, key=lambda name: name not in ("train", "valid"))  # of equal samples, one to learn from stays
    raw, source = ({name: content[name] for name in splits} for content in (raw, source))
    origin = np.repeat(splits, [len(split["text"]) for split in raw.values()])
    named = all(split.get("id") is not None for split in raw.values())
    ids = [text if named else f"{name} {text}" for name, split in raw.items() for text in identifiers(split)]
    kept = _first_of_each(raw, np.isin(origin, list(whole)))
    first = next(iter(source.values()))
    # MMSA's labels of one task, which stand there a second time for whoever reads the file, are no labels of another.
    again = {"labels"} if first["labels"] is first.get(mmsa_labels(task)) else set()
    columns = {key: [split[key] for split in source.values()]
               for key in first if key not in again and all(per_sample(split, key) for split in source.values())}
    places = [(number, i) for number, split in enumerate(raw.values()) for i in range(len(split["text"]))]
    scores = np.concatenate([class_numbers(split["labels"], task) for split in raw.values()])
    labels = [split["labels"] for split in raw.values()]
    classes, sides, side_names = _sides(scores, labels, task)
    repeated, ids = len(ids) - len(kept), [ids[i] for i in kept]
    twice = next((name for name, count in Counter(ids).items() if count > 1), None)
    if twice is not None and not len(whole):
        raise InputError(f"two different samples have the identifier {quoted(twice)}; identifiers must tell samples "
                         "apart, give each its own")
    rows = any(np.ndim(split["id"][0]) == 1 for split in raw.values()) if named else False
    return Pool(columns, {name: [split[name] for split in raw.values()] for name in MODALITIES},
                [places[i] for i in kept], ids, origin[kept], classes[kept], sides[kept], side_names,
                int(classes.max()) + 1, _groups(ids, group, rows) if named else None, repeated)


def _sides(classes: np.ndarray, labels: Sequence[np.ndarray],
           task: str) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Classes (N,), what a cue is tied to (N,), and the names of that: of scores the sign, which divides a class."""
    if score_limit(task):
        sides = np.concatenate([array.flatten() >= 0 for array in labels]).astype(int)
        return np.unique(2 * classes + sides, return_inverse=True)[1], sides, ("negative", "not negative")
    present, sides = np.unique(classes, return_inverse=True)
    names = EMOTIONS if task == "emotion4" else tuple(map(str, range(numbered(task)[1])))
    return sides, sides, tuple(names[number] for number in present)


def _joined(items: list[Any], parts: Sequence[Any], empty: Empty) -> Any:
    """Items of a column as one array, or as they are where the forms of its splits differ."""
    forms = {(part.shape[1:], part.dtype.kind) if isinstance(part, np.ndarray) else None for part in parts}
    if len(forms) > 1 or None in forms:
        return items
    made = empty((len(items), *parts[0].shape[1:]), np.result_type(*parts))
    for i, item in enumerate(items):
        made[i] = item
    return made


def _first_of_each(raw: dict[str, dict], always: np.ndarray) -> np.ndarray:
    """Indices of the samples whose content stands nowhere before them, and of those that are kept `always` (N,)."""
    seen: set[bytes] = set()
    kept = []
    for i, digest in enumerate(chain.from_iterable(map(contents, raw.values()))):
        if digest not in seen or always[i]:
            kept.append(i)
        seen.add(digest)
    return np.array(kept)


def _groups(ids: Sequence[str], pattern: str | None, rows: bool) -> np.ndarray | None:
    """Numbers of the groups that identifiers tell, or None where they tell none.

    Of identifiers that are rows, such as (video_3, start, end) or (video, start, end), the first part counts.
    """
    parts = [name.split(" ")[0] for name in ids] if rows else list(ids)
    found = parts if rows and pattern is None and len(set(parts)) < len(parts) else groups(parts, pattern)
    if found is None:
        return None
    names, numbers = np.unique([f"{i} alone" if name is None else f"group {name}" for i, name in enumerate(found)],
                               return_inverse=True)
    return numbers if 1 < len(names) < len(ids) else None
