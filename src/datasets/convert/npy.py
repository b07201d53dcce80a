"""Folders with one .npy per clip, (T, D) or (D,), or one folder of .npy files per clip, one per frame."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from src.datasets.convert.clips import Clips, Found
from src.datasets.convert.tables import complete
from src.structures import MODALITIES, InputError, option, quoted, reason


@dataclass(frozen=True)
class NpyFolders:
    """Where the features of clips lie."""

    text: Path | None = option(None, "folder of the text features, else text beside the source")
    audio: Path | None = option(None, "folder of the audio features, else audio beside the source")
    vision: Path | None = option(None, "folder of the vision features, else vision beside the source")
    skip_missing: bool = option(False, "leave out clips that lack a modality, instead of stopping")

    def clips(self, source: Path, labels: Mapping[str, Mapping[str, Any]], notes: Sequence[str] = ()) -> Found:
        """Clips of labels, split -> identifier -> label; InputError where folders, files or identifiers cannot be used.

        Files are opened one by one, when their frames are looked at.
        """
        folders = {name: getattr(self, name) or source.parent / name for name in MODALITIES}
        files = {modality: _listed(folder, modality) for modality, folder in folders.items()}
        for clip in (clip for clips in labels.values() for clip in clips):
            if not clip or clip == ".." or set(clip) & set("/\\\0"):
                raise InputError(f"{source} has the identifier {quoted(clip)}, which is no name of a file; expected "
                                 "one without a path in it")
        whole, told = complete(labels, files, self.skip_missing)
        return Found({split: Clips({modality: _loader(folder, list(clips)) for modality, folder in folders.items()},
                                   np.array(list(clips.values())), list(clips)) for split, clips in whole.items()},
                     [*notes, *told])


def _listed(folder: Path, modality: str) -> set[str]:
    """The clips that a folder has files of, or a folder with files of their frames."""
    if not folder.is_dir():
        raise InputError(f"there is no folder {folder} with the features of {modality}; expected one .npy per clip in "
                         f"it, --{modality} names another")
    return {path.name.removesuffix(".npy") for path in folder.iterdir()
            if path.name.endswith(".npy") or path.is_dir() and any(path.glob("*.npy"))}


def _loader(folder: Path, ids: Sequence[str]) -> Callable[[int], np.ndarray]:
    """Number of a clip -> its frames; a file goes before a folder of the same name, as in MERBench."""
    def frames(number: int) -> np.ndarray:
        file = folder / f"{ids[number]}.npy"
        if file.is_file():
            return read_npy(file)
        return np.concatenate([read_npy(one) for one in sorted((folder / ids[number]).glob("*.npy"), key=_order)])

    return frames


def _order(path: Path) -> list[str | int]:
    """What frames are sorted by: as words, but frame_10 after frame_9 also where numbers have no zeros in front."""
    return [int(part) if place % 2 else part for place, part in enumerate(re.split("([0-9]+)", path.stem))]


def read_npy(path: Path) -> np.ndarray:
    """An array that is read when it is looked at, (T, D); one of (D,) is one frame, one of (1, T, D) a clip."""
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # the library raises nearly anything on a damaged file
        raise InputError(f"{path} cannot be read as an array of numbers ({reason(error)}); extract it again") from error
    if not isinstance(array, np.ndarray):
        raise InputError(f"{path} is an archive of several arrays; expected one, as numpy.save writes it")
    return array[np.newaxis] if array.ndim == 1 else array[0] if array.ndim == 3 and len(array) == 1 else array
