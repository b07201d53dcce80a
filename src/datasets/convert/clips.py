"""What every format yields, clips with their frames and labels, and how these become the content of a data file."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from src.datasets.checks import REQUIRED, kind, names
from src.datasets.disk import on_disk
from src.structures import MODALITIES, InputError, quoted, reason


@dataclass(frozen=True)
class Clips:
    """One split as its source has it."""

    frames: Mapping[str, Callable[[int], np.ndarray]]  # modality -> number of a clip -> (T, D)
    labels: np.ndarray  # (N, ...)
    ids: Sequence[str] | None = None  # each of them once in all splits
    columns: Mapping[str, Any] = field(default_factory=dict)  # what else the file gets, N long

    def __len__(self) -> int:
        return len(self.labels)

    def named(self, number: int) -> str:
        """How a message calls a clip."""
        return f"clip {number}" if self.ids is None else f"clip {quoted(self.ids[number])}"


@dataclass(frozen=True)
class Found:
    """What a format reads from its source."""

    splits: Mapping[str, Clips]
    notes: Sequence[str] = ()  # what a user should know, such as what was left out


def as_labels(values: Any, source: Path) -> np.ndarray:
    """Labels of clips as an array; InputError where their forms differ."""
    try:
        return np.asarray(values)
    except ValueError as error:
        raise InputError(f"{source} has labels of different forms; expected a number, or equally many, for every "
                         "clip") from error


def content(splits: Mapping[str, Clips], frames: Mapping[str, int], near: Path) -> dict[str, dict[str, Any]]:
    """Splits of a data file: padding in front, of equal length, features in files of the disk that `near` lies on.

    `frames` says how many a modality gets, else as many as its longest clip; of longer clips the beginning stays.
    Raises InputError where clips do not fit together.
    """
    _check(splits)
    made: dict[str, dict[str, Any]] = {name: {} for name in splits}
    for modality in MODALITIES:
        longest, width = _measured(splits, modality)
        for name, clips in splits.items():
            made[name][modality] = _filled(clips, modality, (frames.get(modality, longest), width), near)
    for name, clips in splits.items():
        named = {} if clips.ids is None else {"id": list(clips.ids)}
        made[name] |= {"labels": clips.labels, **named, **clips.columns}
    return made


def _check(splits: Mapping[str, Clips]) -> None:
    """Raise InputError for missing, unknown and empty splits, repeated clips, and labels that are no numbers."""
    missing = [name for name in REQUIRED if name not in splits]
    unknown = [name for name in splits if name not in REQUIRED and not name.startswith(("test", "valid_"))]
    if missing or unknown:
        wrong = f"{quoted(missing[0])} is missing" if missing else f"{quoted(unknown[0])} cannot be used"
        raise InputError(f"the split {wrong}; found {names(splits) or 'none'}, expected {', '.join(REQUIRED)}, and "
                         "further ones that begin with test or valid_")
    for name, clips in splits.items():
        if not len(clips):
            raise InputError(f"the split {quoted(name)} has no clip; expected at least one")
        if clips.labels.dtype.kind not in "fiub" or clips.labels.dtype.kind == "f" and np.isnan(clips.labels).any():
            raise InputError(f"labels of {quoted(name)} are {kind(clips.labels)} that are not all numbers; expected a "
                             "number for every clip")
    counts = Counter(name for clips in splits.values() for name in clips.ids or ())
    twice = [name for name, count in counts.items() if count > 1]
    if twice:
        raise InputError(f"identifiers that stand at several clips: {len(twice)}, the first is {quoted(twice[0])}; "
                         "expected each once in all splits together, give every clip its own")


def _measured(splits: Mapping[str, Clips], modality: str) -> tuple[int, int]:
    """Most frames of a clip, and features; raises InputError where clips differ in features or have none."""
    longest, width, first = 1, 0, ""
    for clips in splits.values():
        for i in range(len(clips)):
            try:
                frames = clips.frames[modality](i)
            except (OSError, ValueError) as error:  # rows of different lengths, a damaged piece of a file
                raise InputError(f"{modality} of {clips.named(i)} cannot be read as an array "
                                 f"({reason(error)}); extract it again") from error
            if frames.ndim != 2 or not frames.shape[1] or frames.dtype.kind not in "fiub":
                raise InputError(f"{modality} of {clips.named(i)} is {kind(frames)} of the shape {frames.shape}; "
                                 "expected numbers of the shape (frames, features)")
            if not width:
                width, first = frames.shape[1], clips.named(i)
            if frames.shape[1] != width:
                raise InputError(f"{modality} of {clips.named(i)} has {frames.shape[1]} features, that of {first} has "
                                 f"{width}; expected the same of all clips, take those of one extraction")
            longest = max(longest, len(frames))
    return longest, width


def _filled(clips: Clips, modality: str, shape: tuple[int, int], near: Path) -> np.ndarray:
    """The frames of all clips, each at the end of its place. -> (N, T, D) float32."""
    array = on_disk((len(clips), *shape), np.float32, near)
    length = shape[0]
    with np.errstate(over="ignore", invalid="ignore"):  # the checks count what is no number
        for i in range(len(clips)):
            frames = clips.frames[modality](i)
            if len(frames) > length:
                frames = frames[(frames != 0).any(1).argmax():][:length]  # without the padding that is in front already
            array[i, length - len(frames):] = frames
    return array
