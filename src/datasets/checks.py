"""Checks of a data file's content, one finding per item."""

import hashlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from src.datasets.labels import Finding, label_form
from src.structures import MODALITIES

REQUIRED = ("train", "valid", "test")
EXTREME = 100  # times the first split's largest magnitude


def inspect(raw: dict, task: str, required: tuple[str, ...] = REQUIRED) -> Iterator[Finding]:
    """Check a file's content item by item and clean its features in place; ends after a FAIL on its structure."""
    structure = list(_check_structure(raw, required))
    yield from structure
    if any(finding.level == "FAIL" for finding in structure):
        return
    largest: dict[str, float] = {}
    for name, split in raw.items():
        yield from _clean(name, split)
        yield from _check_range(name, split, largest)
        yield from _check_padding(name, split)
        if split.get("labels") is not None:
            for finding in label_form(task).check(split["labels"]):
                yield Finding(finding.level, f"{name} {finding.item}", f"{name} {finding.text}")
    yield _check_overlap(raw)


def _check_structure(raw: dict, required: tuple[str, ...]) -> Iterator[Finding]:
    """Splits, keys, ranks, counts, and equal widths and lengths in all splits."""
    missing = [name for name in required if name not in raw]
    if missing:
        yield Finding("FAIL", "splits", f"split {missing[0]!r} is missing; found {', '.join(map(str, raw))}, "
                                        f"expected {', '.join(required)}")
        return
    yield Finding("PASS", "splits", ", ".join(raw))
    shapes: dict[str, tuple[int, ...]] = {}
    for name, split in raw.items():
        needed = (*MODALITIES, "labels") if name in required else MODALITIES
        problem = _split_problem(name, split, needed, shapes)
        if problem:
            yield Finding("FAIL", f"{name} arrays", problem)
            return
        counts = len(split["text"])
        sizes = ", ".join(f"{m} {split[m].shape[1]}x{split[m].shape[2]}" for m in MODALITIES)
        yield Finding("PASS", f"{name} arrays", f"{counts} samples, {sizes}, {split['text'].dtype}")


def _split_problem(name: str, split: dict, needed: tuple[str, ...], shapes: dict[str, tuple[int, ...]]) -> str | None:
    """What is wrong with a split's arrays, in one sentence, or None; the first split fills `shapes`."""
    missing = [key for key in needed if split.get(key) is None]
    if missing:
        return f"split {name!r} has no {missing[0]!r}; found {', '.join(map(str, split))}, expected {', '.join(needed)}"
    for key in (key for key in (*MODALITIES, "labels") if split.get(key) is not None):
        array = split[key]
        if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiu" or array.ndim == 0:
            return f"{key} of {name!r} is {_kind(array)}; expected an array of real numbers"
        if key in MODALITIES and (array.ndim != 3 or 0 in array.shape[1:]):
            return f"{key} of {name!r} has the shape {array.shape}; expected (samples, frames, features)"
        if len(array) != len(split["text"]):
            return f"{key} of {name!r} has {len(array)} samples, text has {len(split['text'])}; expected equal counts"
        if key in MODALITIES and shapes.setdefault(key, array.shape[1:]) != array.shape[1:]:
            return (f"{key} of {name!r} has frames x features {array.shape[1:]}, an earlier split "
                    f"{shapes[key]}; expected the same in all splits")
    if not len(split["text"]):
        return f"split {name!r} is empty; expected at least one sample"
    ids = split.get("id")
    if ids is not None and (not isinstance(ids, (list, tuple, np.ndarray)) or np.ndim(ids) == 0
                            or len(ids) != len(split["text"])):
        return f"id of {name!r} is {_kind(ids)}; expected one for each of {len(split['text'])} samples, or none"
    return None


def _kind(value: Any) -> str:
    return f"an array of {value.dtype}" if isinstance(value, np.ndarray) else f"a {type(value).__name__}"


def _clean(name: str, split: dict) -> Iterator[Finding]:
    """Cast the features to float32 and set non-finite values to 0, counting them."""
    for modality in MODALITIES:
        with np.errstate(over="ignore", invalid="ignore"):
            values = split[modality].astype(np.float32)  # float64 beyond float32's range becomes infinite
        finite = np.isfinite(values)
        split[modality], count = values, int(values.size - np.count_nonzero(finite))
        if count:
            values[~finite] = 0
            yield Finding("NOTE", f"{name} finite {modality}",
                          f"{count} of {values.size} values of {name} {modality} were -inf, inf or NaN and became 0")
        else:
            yield Finding("PASS", f"{name} finite {modality}", "all values are finite")


def _check_range(name: str, split: dict, largest: dict[str, float]) -> Iterator[Finding]:
    """Values far beyond those of the first split, which fills `largest`, are a failed extraction."""
    for modality in MODALITIES:
        magnitude = float(np.abs(split[modality]).max())
        known = largest.setdefault(modality, magnitude)
        if magnitude > EXTREME * known > 0:
            yield Finding("NOTE", f"{name} range {modality}",
                          f"{name} {modality} reaches {magnitude:.3g}, {magnitude / known:.0f} times the largest value "
                          "of the first split; the samples that hold it cannot be predicted well")


def _check_padding(name: str, split: dict) -> Iterator[Finding]:
    """MulT reads the last frame, so padding belongs at the front."""
    for modality in MODALITIES:
        first, last = ((split[modality][:, end] == 0).all(-1) for end in (0, -1))
        front, back = int((first & ~last).sum()), int((last & ~first).sum())
        text = (f"{name} {modality}: {back} of {len(last)} samples end in zero frames and {front} begin with them")
        if back > front:
            yield Finding("WARN", f"{name} padding {modality}",
                          text + "; MulT reads the last frame, move the padding to the front")
        else:
            yield Finding("NOTE" if back else "PASS", f"{name} padding {modality}", text)


def _check_overlap(raw: dict) -> Finding:
    """Samples whose three modalities are the same in two splits."""
    seen: dict[bytes, str] = {}
    shared: dict[tuple[str, str], int] = {}
    for name, split in raw.items():
        for sample in zip(*(split[m] for m in MODALITIES), strict=True):
            digest = hashlib.blake2b(b"".join(x.tobytes() for x in sample), digest_size=16).digest()
            owner = seen.setdefault(digest, name)
            if owner != name:
                shared[owner, name] = shared.get((owner, name), 0) + 1
    if not shared:
        return Finding("PASS", "overlap", "no sample stands in two splits")
    pairs = ", ".join(f"{count} of {a} also in {b}" for (a, b), count in shared.items())
    return Finding("WARN", "overlap", f"identical samples across splits: {pairs}; scores on them are optimistic")
