"""Checks of a data file's content, one finding per item."""

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import combinations, islice
from typing import Any

import numpy as np

from src.datasets.disk import Empty
from src.datasets.features import check_features, is_tokens
from src.datasets.identifiers import identifiers, ids_problem
from src.datasets.labels import Finding, label_form
from src.datasets.padding import set_padding
from src.structures import MODALITIES, quoted

REQUIRED = ("train", "valid", "test")
MOST_NAMES = 12  # shown of what a file holds


def inspect(raw: dict, task: str, required: tuple[str, ...] = REQUIRED, padding: str = "auto",
            empty: Empty = np.empty) -> Iterator[Finding]:
    """Check a file's content item by item and clean its features in place; ends after a FAIL on its structure.

    `empty` makes the room for features that have to be copied.
    """
    structure = list(_check_structure(raw, required))
    yield from structure
    if any(finding.level == "FAIL" for finding in structure):
        return
    for modality in MODALITIES:
        yield from check_features(raw, modality, empty)
    yield set_padding(raw, padding, empty)
    for name, split in raw.items():
        if split.get("labels") is not None:
            for finding in label_form(task).check(split["labels"]):
                yield Finding(finding.level, f"{name} {finding.item}", f"{name} {finding.text}")
    yield _check_overlap(raw)
    yield from _check_identifiers(raw)


def _check_structure(raw: dict, required: tuple[str, ...]) -> Iterator[Finding]:
    """Splits, keys, ranks, counts, and equal widths and lengths in all splits."""
    missing = [name for name in required if name not in raw]
    if missing:
        yield Finding("FAIL", "splits", f"split {missing[0]!r} is missing; found {names(raw)}, expected "
                                        f"{', '.join(required)}")
        return
    yield Finding("PASS", "splits", names(raw))
    shapes: dict[str, tuple[int, ...]] = {}
    for name, split in raw.items():
        needed = (*MODALITIES, "labels") if name in required else MODALITIES
        problem = split_problem(name, split, needed, shapes) or ids_problem(name, split)
        if problem:
            yield Finding("FAIL", f"{name} arrays", problem)
            return
        counts = len(split["text"])
        sizes = ", ".join(f"{m} {split[m].shape[1]}x{split[m].shape[2]}" for m in MODALITIES)
        yield Finding("PASS", f"{name} arrays", f"{counts} samples, {sizes}, {split['text'].dtype}")


def names(keys: Collection[Any]) -> str:
    """The names that a file has, a dozen at most."""
    shown = [key[:40] if isinstance(key, str) else f"{quoted(key)} ({kind(key)}, where text belongs)"
             for key in islice(keys, MOST_NAMES)]
    return ", ".join(shown) + (f" and {len(keys) - MOST_NAMES} more" if len(keys) > MOST_NAMES else "")


def kind(value: Any) -> str:
    """What a value is, for a message."""
    return f"an array of {value.dtype}" if isinstance(value, np.ndarray) else f"a {type(value).__name__}"


def split_problem(name: str, split: dict, needed: tuple[str, ...], shapes: dict[str, tuple[int, ...]]) -> str | None:
    """What is wrong with a split's arrays, in one sentence, or None; the first split fills `shapes`."""
    shown = quoted(name)
    missing = [key for key in needed if split.get(key) is None]
    if missing:
        instead = (f"; where there is no {missing[0]} at all, give zeros of shape (samples, frames, 1)"
                   if missing[0] in MODALITIES else "")
        return f"split {shown} has no {missing[0]!r}; found {names(split)}, expected {', '.join(needed)}{instead}"
    for key in (key for key in (*MODALITIES, "labels") if split.get(key) is not None):
        array = split[key]
        if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiu" or array.ndim == 0:
            instead = {"labels": ", classes as numbers from 0 whose names --class_names gives"}.get(
                key, ", short sequences padded with zero frames in front")
            return f"{key} of {shown} is {kind(array)}; expected an array of real numbers{instead}"
        if key in MODALITIES and (array.ndim != 3 or 0 in array.shape[1:]):
            instead = "; one vector per sample is one frame, x[:, None]" if array.ndim == 2 else ""
            return f"{key} of {shown} has the shape {array.shape}; expected (samples, frames, features){instead}"
        if len(array) != len(split["text"]):
            return f"{key} of {shown} has {len(array)} samples, text has {len(split['text'])}; expected equal counts"
        if key in MODALITIES and shapes.setdefault(key, array.shape[1:]) != array.shape[1:]:
            return (f"{key} of {shown} has frames x features {array.shape[1:]}, an earlier split "
                    f"{shapes[key]}; expected the same in all splits")
    if not len(split["text"]):
        return f"split {shown} is empty; expected at least one sample"
    if is_tokens(split["text"]):
        return (f"text of {shown} has the shape {split['text'].shape} and holds token numbers, a mask and segments; "
                "expected features (samples, frames, features): let a text encoder such as BERT make them first")
    return None


def per_sample(split: Mapping[str, Any], key: str) -> bool:
    """Whether a split has something for each of its samples under a key."""
    value = split.get(key)
    return isinstance(value, (list, tuple)) and len(value) == len(split["text"]) or (
        isinstance(value, np.ndarray) and value.ndim > 0 and len(value) == len(split["text"]))


def contents(split: Mapping[str, np.ndarray], modalities: Sequence[str] = MODALITIES) -> Iterator[bytes]:
    """A digest of what each sample has in some modalities."""
    for sample in zip(*(split[m] for m in modalities), strict=True):
        yield hashlib.blake2b(b"".join(x.tobytes() for x in sample), digest_size=16).digest()


def _check_overlap(raw: dict) -> Finding:
    """Samples whose three modalities are the same in two splits."""
    seen: dict[bytes, str] = {}
    shared: dict[tuple[str, str], int] = {}
    for name, split in raw.items():
        for digest in contents(split):
            owner = seen.setdefault(digest, name)
            if owner != name:
                shared[owner, name] = shared.get((owner, name), 0) + 1
    if not shared:
        return Finding("PASS", "overlap", "no sample stands in two splits")
    pairs = ", ".join(f"{count} of {a} also in {b}" for (a, b), count in shared.items())
    return Finding("WARN", "overlap", f"identical samples across splits: {pairs}; scores on them are optimistic")


def _check_identifiers(raw: dict) -> Iterator[Finding]:
    """Identifiers that stand in two splits, but for numbers, which count the samples of each."""
    named = {name: {one for one in identifiers(split) if not one.isdecimal()}
             for name, split in raw.items() if split.get("id") is not None}
    shared = [f"{len(both)} of {one} also in {other}" for one, other in combinations(named, 2)
              if (both := named[one] & named[other])]
    if shared:
        yield Finding("NOTE", "identifiers", f"identifiers that stand in two splits: {', '.join(shared)}; where they "
                                             "name the same clips, scores on these are optimistic")
