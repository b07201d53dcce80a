"""Checks and histograms of the label forms, by task."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from src.structures import EMOTIONS, InputError, printable, quoted

ROUNDING = 1e-6  # what a score may lie outside [-3, 3], as 0.1 * 3 * 10 does
MOST_CLASSES = 10_000


@dataclass(frozen=True)
class Finding:
    """One item of the report on a data file. FAIL stops the loading, WARN and NOTE are printed."""

    level: str  # PASS, NOTE, WARN, FAIL
    item: str
    text: str

    def __post_init__(self) -> None:
        for name in ("item", "text"):  # names of splits are the file's
            object.__setattr__(self, name, printable(getattr(self, name)))


def _same(labels: np.ndarray) -> np.ndarray:
    return labels


@dataclass(frozen=True)
class LabelForm:
    """What the labels of a task look like."""

    check: Callable[[np.ndarray], Iterator[Finding]]  # labels of one split
    histogram: Callable[[np.ndarray], dict[str, int]]  # labels of one split -> counts
    clean: Callable[[np.ndarray], np.ndarray] = _same  # checked labels -> without rounding errors


def label_form(task: str) -> LabelForm:
    """The label form of a task: emotion4, sentiment7, sentiment or classes:N; InputError for another."""
    if task == "emotion4":
        return LabelForm(check_emotions, count_emotions)
    if task in ("sentiment7", "sentiment"):
        return LabelForm(check_sentiment, count_sentiment, lambda labels: labels.clip(-3, 3))
    return LabelForm(partial(check_classes, count=class_count(task)), count_classes)


def class_count(task: str) -> int:
    """N of a task classes:N; InputError where it is none."""
    kind, _, count = task.partition(":")
    number = int(count) if count.isascii() and count.isdecimal() and len(count) < 10 else 0
    if kind != "classes" or number < 2 or number > MOST_CLASSES:
        raise InputError(f"unknown task {quoted(task)}; choose from emotion4, sentiment7, sentiment, classes:N with N "
                         f"from 2 to {MOST_CLASSES}, since every class is an output of the backbone and of every "
                         "branch")
    return number


def class_numbers(labels: np.ndarray, task: str) -> np.ndarray:
    """The class of every sample of checked labels; a score counts as the nearest of seven. -> (N,) from 0."""
    if task == "emotion4":
        return labels.argmax(-1).argmax(1)
    if task in ("sentiment7", "sentiment"):
        return labels.flatten().clip(-3, 3).round().astype(int) + 3
    return labels.argmax(1) if labels.ndim == 2 and labels.shape[1] > 1 else labels.flatten().astype(int)


def check_emotions(labels: np.ndarray) -> Iterator[Finding]:
    """IEMOCAP's (N, 4, 2) one-hot pairs (absent, present) with exactly one emotion present in every row."""
    if labels.shape[1:] != (4, 2):
        yield Finding("FAIL", "labels", f"labels have the shape {labels.shape}; expected (N, 4, 2), pairs of absent "
                                        f"and present for {', '.join(EMOTIONS)}")
        return
    if not (np.isin(labels, (0, 1)).all() and (labels.sum(-1) == 1).all()):
        yield Finding("FAIL", "labels", "labels are not one-hot pairs; expected [1, 0] for absent, [0, 1] for present")
        return
    present = labels.argmax(-1).sum(1)
    if (present == 1).all():
        yield Finding("PASS", "labels", "labels have exactly one emotion per sample")
    elif (present == 3).all():
        yield Finding("FAIL", "labels", "labels have the inverted polarity of LMF's files ([1, 0] = present): three "
                                        "emotions per sample; swap the last axis, labels[..., ::-1]")
    else:
        several, none = int((present > 1).sum()), int((present == 0).sum())
        yield Finding("FAIL", "labels", f"labels have {several + none} samples without exactly one emotion present, "
                                        f"several in {several} and none in {none}; expected one of "
                                        f"{', '.join(EMOTIONS)}: choose one, and leave out samples without one")


def count_emotions(labels: np.ndarray) -> dict[str, int]:
    """Samples per emotion."""
    return {name: int(labels[:, i].argmax(-1).sum()) for i, name in enumerate(EMOTIONS)}


def check_sentiment(labels: np.ndarray) -> Iterator[Finding]:
    """MOSEI's and MOSI's scores, one per sample, in [-3, 3]."""
    if labels.size != len(labels):
        yield Finding("FAIL", "labels", f"labels have the shape {labels.shape}; expected one score per sample")
        return
    inside = (labels >= -3 - ROUNDING) & (labels <= 3 + ROUNDING)  # False for NaN
    if not inside.all():
        yield Finding("FAIL", "labels", f"labels hold {labels[~inside].flat[0].item()}; expected scores in [-3, 3] "
                                        f"({_share(~inside)})")
    else:
        yield Finding("PASS", "labels", "labels are scores in [-3, 3]")


def count_sentiment(labels: np.ndarray) -> dict[str, int]:
    """Samples per rounded score."""
    return {f"{score:+g}": count for score, count in sorted(Counter((labels.round() + 0.0).flatten().tolist()).items())}


def check_classes(labels: np.ndarray, count: int) -> Iterator[Finding]:
    """One class of 0..count-1 per sample, as a number or one-hot over `count` places."""
    if labels.ndim == 2 and labels.shape[1] == count and count > 1:
        yield _check_one_hot(labels, count)
        return
    if labels.size != len(labels):
        yield Finding("FAIL", "labels", f"labels have the shape {labels.shape}; expected one class per sample, (N,) or "
                                        f"one-hot (N, {count})")
        return
    known = np.isin(labels, np.arange(count))
    if not known.all():
        yield Finding("FAIL", "labels", f"labels hold {labels[~known].flat[0].item()}; expected whole numbers from 0 "
                                        f"to {count - 1} ({_share(~known)})")
    else:
        yield Finding("PASS", "labels", f"labels are classes from 0 to {count - 1}")


def _check_one_hot(labels: np.ndarray, count: int) -> Finding:
    """Whether every row marks exactly one class."""
    if not np.isin(labels, (0, 1)).all():
        return Finding("FAIL", "labels", f"labels of the shape {labels.shape} hold other numbers than 0 and 1; "
                                         f"expected one class per sample, (N,) or one-hot (N, {count})")
    marked = (labels != 0).sum(1)
    if (marked == 1).all():
        return Finding("PASS", "labels", f"labels are one-hot over {count} classes")
    several, none = int((marked > 1).sum()), int((marked == 0).sum())
    return Finding("FAIL", "labels", f"labels mark several classes in {several} and none in {none} of {len(labels)} "
                                     "samples; expected exactly one each: choose the strongest, and leave out samples "
                                     "without one")


def _share(wrong: np.ndarray) -> str:
    """How many labels are wrong, in words."""
    return f"{int(wrong.sum())} of {wrong.size} do not fit"


def count_classes(labels: np.ndarray) -> dict[str, int]:
    """Samples per class."""
    classes = labels.argmax(1) if labels.ndim == 2 and labels.shape[1] > 1 else labels.flatten()
    return {f"{value:g}": count for value, count in sorted(Counter(classes.tolist()).items())}
