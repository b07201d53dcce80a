"""Computational sequences of the CMU-MultimodalSDK: HDF5 files of NAME/data/VIDEO/{features, intervals}.

One of them holds labels, whose intervals are the clips; a clip gets the frames whose middle lies in its interval, so
that no frame stands in two. A sequence that is cut already has the clips themselves, VIDEO[NUMBER].
"""

import functools
import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from src.datasets.convert.clips import Clips, Found
from src.datasets.convert.drawing import FOLDS, folded, read_folds
from src.datasets.convert.tables import complete
from src.registry import FORMATS
from src.structures import MODALITIES, Bounds, InputError, UsageError, option, quoted, reason

COLUMNS = Bounds(0, 10**4, "no labels of this field are as wide")


@dataclass(frozen=True)
class Clip:
    """A label's interval in a video."""

    video: str
    begin: float
    end: float
    labels: np.ndarray  # all of them, (C,)


@FORMATS.register("csd")
@dataclass(frozen=True)
class CSD:
    """A .csd of labels as --source, one per modality, and --folds; needs h5py."""

    text: Path | None = option(None, "the .csd of text, such as word vectors")
    audio: Path | None = option(None, "the .csd of audio")
    vision: Path | None = option(None, "the .csd of vision")
    folds: Path | None = option(None, f"JSON of videos by split: {FOLDS}")
    label_columns: tuple[int, ...] = option((0,), "which numbers of the labels count, from 0",
                                            bounds=COLUMNS)
    skip_missing: bool = option(False, "leave out clips that lack a modality, instead of stopping")

    def read(self, source: Path, task: str) -> Found:
        """The clips of all labels whose video stands in the folds."""
        paths: dict[str, Path] = {}
        for name in (*MODALITIES, "folds"):
            paths[name] = getattr(self, name)
            if paths[name] is None:
                raise UsageError(f"--from csd needs --{name}: a file of every modality, and the videos of every split")
        sequences = {name: _opened(paths[name]) for name in MODALITIES}
        clips = _labelled(source)
        splits, notes = folded({name: clip.video for name, clip in clips.items()}, read_folds(paths["folds"]))
        has = {modality: {name for name, clip in clips.items() if name in sequence or clip.video in sequence}
               for modality, sequence in sequences.items()}
        whole, told = complete(splits, has, self.skip_missing)
        return Found({split: Clips({modality: _cutter(sequence, list(names), clips)
                                    for modality, sequence in sequences.items()},
                                   np.array([self._label(clips[name], name, source) for name in names]), list(names))
                      for split, names in whole.items()}, [*notes, *told])

    def _label(self, clip: Clip, name: str, source: Path) -> np.ndarray | float:
        """The numbers that count, or the number."""
        if max(self.label_columns) >= len(clip.labels):
            raise InputError(f"{source}: {quoted(name)} has {len(clip.labels)} labels; --label_columns are numbers "
                             "below that")
        chosen = clip.labels[list(self.label_columns)]
        return chosen if len(chosen) > 1 else chosen[0]


def _opened(path: Path) -> Mapping[str, Any]:
    """video -> group of features and intervals; InputError without h5py, and for another file."""
    try:
        h5py = importlib.import_module("h5py")  # optional: this format alone needs it
    except ImportError:
        raise InputError("--from csd needs the package h5py, which is not installed; pip install h5py") from None
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise InputError(f"{path} cannot be read as HDF5 ({reason(error)}); take a .csd of the "
                         "CMU-MultimodalSDK") from error
    roots = list(file.values())
    if len(roots) != 1 or not isinstance(roots[0], Mapping) or not isinstance(roots[0].get("data"), Mapping):
        raise InputError(f"{path} is no computational sequence; expected NAME/data/VIDEO in it, take a .csd of the "
                         "CMU-MultimodalSDK")
    return roots[0]["data"]


def _part(sequence: Mapping[str, Any], video: str, name: str) -> Any:
    """The features (n, D) or intervals (n, 2) of a video; InputError where they are not there."""
    group = sequence[video]
    if not isinstance(group, Mapping) or name not in group:
        raise InputError(f"the sequence {quoted(getattr(sequence, 'name', None))} has no {name} of {quoted(video)}; "
                         "expected features and intervals of every video")
    return group[name]


def _labelled(source: Path) -> dict[str, Clip]:
    """Identifier -> clip, as the labels have them."""
    sequence, clips = _opened(source), {}
    for video in sequence:
        labels, intervals = (np.asarray(_part(sequence, video, name)) for name in ("features", "intervals"))
        if intervals.shape != (len(labels), 2) or labels.ndim != 2:
            raise InputError(f"{source} has labels of the shape {labels.shape} and intervals of {intervals.shape} for "
                             f"{quoted(video)}; expected a row and a pair for every clip")
        single = video.endswith("]") and len(labels) == 1
        for number, (label, (begin, end)) in enumerate(zip(labels, intervals, strict=True)):
            clips[video if single else f"{video}[{number}]"] = Clip(
                video.rpartition("[")[0] if single else video, float(begin), float(end), label)
    return clips


def _cutter(sequence: Mapping[str, Any], ids: Sequence[str],
            clips: Mapping[str, Clip]) -> Callable[[int], np.ndarray]:
    """Number of a clip -> its frames; none where no frame lies in its interval."""
    @functools.lru_cache(maxsize=1)  # clips of one video follow each other
    def middles(video: str) -> np.ndarray:
        return np.asarray(_part(sequence, video, "intervals"), np.float64).reshape(-1, 2).mean(1)

    def frames(number: int) -> np.ndarray:
        name = ids[number]
        clip = clips[name]
        if name in sequence:
            return np.asarray(_part(sequence, name, "features"))
        rows = np.flatnonzero((middles(clip.video) >= clip.begin) & (middles(clip.video) < clip.end))
        features = _part(sequence, clip.video, "features")
        return features[rows[0]:rows[-1] + 1][rows - rows[0]] if len(rows) else np.asarray(features[:0])

    return frames
