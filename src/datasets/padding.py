"""Padding belongs at the front, since MulT reads the last frame; where a file has it at the back, frames are moved."""

from collections.abc import Mapping

import numpy as np

from src.datasets.disk import Empty
from src.datasets.labels import Finding
from src.structures import MODALITIES

PADDINGS = ("auto", "front", "back")  # what --padding says of a file


def set_padding(raw: dict[str, dict], choice: str, empty: Empty = np.empty) -> Finding:
    """Bring padding to the front, in place, in every modality that has it at the back, or in all by `back`.

    By `auto` a modality has it where more samples end than begin in zero frames, in a file to train on: what few
    samples of another file end in may be anything. MMSA's lengths of a modality, where there are some, tell zero frames
    at the end that are no padding. `empty` makes the room for what is moved.
    """
    moved: list[str] = []
    behind: list[str] = []
    some: list[str] = []
    for modality in MODALITIES:
        counts = _counts(raw, modality)
        for name, split in raw.items():
            here = f"{name} {modality} {counts[name][0]} of {len(split[modality])}"
            if choice == "back" or choice == "auto" and _is_behind(counts):
                split[modality] = _moved(split, modality, empty)
                if counts[name][0]:
                    moved.append(here)
            elif counts[name][0]:
                (behind if counts[name][0] > counts[name][1] else some).append(f"{here} (front {counts[name][1]})")
    told = f"; frames moved to the end, since padding stood behind them: {', '.join(moved)}" if moved else ""
    if behind:
        return Finding("WARN", "padding", f"samples that end in zero frames: {'; '.join(behind)}; MulT reads the last "
                                          f"frame, give --padding back, or move the padding to the front{told}")
    if some or moved:
        return Finding("NOTE", "padding", (f"samples that end in zero frames: {'; '.join(some)}" if some else
                                           "padding is at the front now") + told)
    return Finding("PASS", "padding", "no padding at the end")


def padding_behind(raw: dict[str, dict], modality: str) -> dict[str, np.ndarray]:
    """How many frames at the end of every sample are padding, as `set_padding` would find by `auto`. split -> (N,)."""
    found = _is_behind(_counts(raw, modality))
    return {name: _behind(split, modality) if found else np.zeros(len(split[modality]), int)
            for name, split in raw.items()}


def _counts(raw: dict[str, dict], modality: str) -> dict[str, tuple[int, int]]:
    return {name: _ends(split[modality]) for name, split in raw.items()}


def _is_behind(counts: Mapping[str, tuple[int, int]]) -> bool:
    """Whether more samples end than begin in zero frames, in a file to train on."""
    back, front = (sum(pair[place] for pair in counts.values()) for place in (0, 1))
    return back > front and "train" in counts


def _ends(frames: np.ndarray) -> tuple[int, int]:
    """How many samples (N, T, D) have zero frames at the end alone, and at the beginning alone."""
    first, last = ((frames[:, end] == 0).all(-1) for end in (0, -1))
    return int((last & ~first).sum()), int((first & ~last).sum())


def _moved(split: Mapping[str, np.ndarray], modality: str, empty: Empty) -> np.ndarray:
    """Every sample with its padding in front. (N, T, D) -> (N, T, D)."""
    frames = split[modality]
    made = empty(frames.shape, frames.dtype)
    for i, behind in enumerate(_behind(split, modality)):
        made[i] = np.roll(frames[i], behind, axis=0)
    return made


def _behind(split: Mapping[str, np.ndarray], modality: str) -> np.ndarray:
    """Frames of zeros at the end of every sample that are padding. -> (N,)."""
    frames = split[modality]
    count, length, _ = frames.shape
    behind = (frames[:, ::-1] != 0).any(-1).argmax(1)  # zero frames at the end; 0 where there are others only
    try:
        known = np.asarray(split.get(f"{modality}_lengths", ()), float)
    except (TypeError, ValueError):  # of another form than MMSA's
        known = np.empty(0)
    if known.shape == (count,):
        spare = np.where(np.isfinite(known), length - known, length)
        behind = np.minimum(behind, np.clip(spare, 0, length).astype(int))
    return behind
