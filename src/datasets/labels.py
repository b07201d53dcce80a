"""Checks and histograms of the label forms, by task."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from src.structures import EMOTIONS, InputError


@dataclass(frozen=True)
class Finding:
    """One item of the report on a data file. FAIL stops the loading, WARN and NOTE are printed."""

    level: str  # PASS, NOTE, WARN, FAIL
    item: str
    text: str


@dataclass(frozen=True)
class LabelForm:
    """What the labels of a task look like."""

    check: Callable[[np.ndarray], Iterator[Finding]]  # labels of one split
    histogram: Callable[[np.ndarray], dict[str, int]]  # labels of one split -> counts


def label_form(task: str) -> LabelForm:
    """The label form of a task: emotion4, sentiment7, sentiment or classes:N; InputError for another."""
    if task == "emotion4":
        return LabelForm(check_emotions, count_emotions)
    if task in ("sentiment7", "sentiment"):
        return LabelForm(check_sentiment, count_sentiment)
    return LabelForm(partial(check_classes, count=class_count(task)), count_classes)


def class_count(task: str) -> int:
    """N of a task classes:N; InputError where it is none."""
    kind, _, count = task.partition(":")
    if kind != "classes" or not count.isdecimal() or int(count) < 2:
        raise InputError(f"unknown task {task!r}; choose from emotion4, sentiment7, sentiment, classes:N with N of at "
                         "least 2")
    return int(count)


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
        yield Finding("FAIL", "labels", f"labels have {int((present != 1).sum())} samples without exactly one emotion "
                                        "present; expected one of " + ", ".join(EMOTIONS))


def count_emotions(labels: np.ndarray) -> dict[str, int]:
    """Samples per emotion."""
    return {name: int(labels[:, i].argmax(-1).sum()) for i, name in enumerate(EMOTIONS)}


def check_sentiment(labels: np.ndarray) -> Iterator[Finding]:
    """MOSEI's and MOSI's scores, one per sample, in [-3, 3]."""
    if labels.size != len(labels):
        yield Finding("FAIL", "labels", f"labels have the shape {labels.shape}; expected one score per sample")
    elif not (np.isfinite(labels).all() and (np.abs(labels) <= 3).all()):
        worst = labels.flat[int(np.argmax(~(np.abs(labels) <= 3)))]
        yield Finding("FAIL", "labels", f"labels hold {worst:g}; expected scores in [-3, 3]")
    else:
        yield Finding("PASS", "labels", "labels are scores in [-3, 3]")


def count_sentiment(labels: np.ndarray) -> dict[str, int]:
    """Samples per rounded score."""
    return {f"{score:+g}": count for score, count in sorted(Counter((labels.round() + 0.0).flatten().tolist()).items())}


def check_classes(labels: np.ndarray, count: int) -> Iterator[Finding]:
    """One class of 0..count-1 per sample, as a number or one-hot over `count` places."""
    one_hot = labels.ndim == 2 and labels.shape[1] == count
    if one_hot and np.isin(labels, (0, 1)).all() and (labels.sum(1) == 1).all():
        yield Finding("PASS", "labels", f"labels are one-hot over {count} classes")
    elif one_hot or labels.size != len(labels):
        yield Finding("FAIL", "labels", f"labels have the shape {labels.shape}; expected one class per sample, (N,) or "
                                        f"one-hot (N, {count})")
    elif not np.isin(labels, range(count)).all():
        worst = labels[~np.isin(labels, range(count))].flat[0]
        yield Finding("FAIL", "labels", f"labels hold {worst:g}; expected whole numbers from 0 to {count - 1}")
    else:
        yield Finding("PASS", "labels", f"labels are classes from 0 to {count - 1}")


def count_classes(labels: np.ndarray) -> dict[str, int]:
    """Samples per class."""
    classes = labels.argmax(1) if labels.ndim == 2 and labels.shape[1] > 1 else labels.flatten()
    return {f"{value:g}": count for value, count in sorted(Counter(classes.tolist()).items())}
