"""Checks and histograms of the label forms, by task."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from src.structures import EMOTIONS, SIMS_BORDERS, SIMS_CLASSES, InputError, printable, quoted

ROUNDING = 1e-6  # what a score may lie outside its range, as 0.1 * 3 * 10 does
MOST_CLASSES = 10_000
FEWEST = {"classes": 2, "labels": 2, "regression": 1}  # kind of a task that has a number behind a colon -> its least
TASK_NAMES = "emotion4, sentiment7, sentiment, sims5, sims, classes:N, labels:N, regression:K"
PAIRS = (len(EMOTIONS), 2)  # form of IEMOCAP's labels of a sample
BINS = 5  # of a histogram of numbers
LARGEST = 1e6  # no scale of emotions is as wide


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
    """The label form of a task, one of TASK_NAMES; InputError for another."""
    if task == "emotion4":
        return LabelForm(check_emotions, count_emotions)
    if limit := score_limit(task):
        return LabelForm(partial(check_scores, limit=limit), count_scores if limit > 1 else count_sims,
                         lambda labels: labels.clip(-limit, limit))
    kind, count = numbered(task)
    check, histogram = {"classes": (check_classes, count_classes), "labels": (check_sets, count_sets),
                        "regression": (check_numbers, count_numbers)}[kind]
    return LabelForm(partial(check, count=count), histogram, _same if kind != "classes" else exclusive)


def score_limit(task: str) -> int:
    """What the one score of a task lies within, 3 for [-3, 3]; 0 where labels are something else."""
    return {"sentiment7": 3, "sentiment": 3, "sims5": 1, "sims": 1}.get(task, 0)


def numbered(task: str) -> tuple[str, int]:
    """Kind and number of a task such as classes:4; InputError where it is none."""
    kind, _, count = task.partition(":")
    number = int(count) if count.isascii() and count.isdecimal() and len(count) < 10 else 0
    if kind not in FEWEST or not FEWEST[kind] <= number <= MOST_CLASSES:
        raise InputError(f"unknown task {quoted(task)}; choose from {TASK_NAMES} with N from 2 to {MOST_CLASSES}, "
                         "since every class is an output of the backbone and of every branch, and K from 1 on")
    return kind, number


def class_numbers(labels: np.ndarray, task: str) -> np.ndarray:
    """The class of every sample of checked labels; a score counts as the nearest of seven, or by MMSA's borders.

    -> (N,) from 0. Raises InputError where samples have no class, or several.
    """
    labels = exclusive(labels)
    if limit := score_limit(task):
        scores = labels.flatten().clip(-limit, limit)
        return scores.round().astype(int) + 3 if limit > 1 else sims_classes(scores)
    if task != "emotion4" and numbered(task)[0] != "classes":
        raise InputError(f"the labels of the task {task} are not one class per sample, which is needed here; take a "
                         "file with classes, or with scores of sentiment")
    return labels.argmax(1) if labels.ndim == 2 and labels.shape[1] > 1 else labels.flatten().astype(int)


def absent_classes(labels: np.ndarray, task: str) -> list[int]:
    """The classes that no sample of checked labels has; nothing for tasks other than classes:N."""
    if not task.startswith("classes:"):
        return []
    return sorted(set(range(numbered(task)[1])) - set(class_numbers(labels, task).tolist()))


def sims_classes(scores: np.ndarray) -> np.ndarray:
    """The class, from 0 to 4, of scores in [-1, 1] by the borders of MMSA, which belong to the class below them."""
    return np.digitize(scores.astype(np.float32), np.asarray(SIMS_BORDERS, np.float32), right=True)


def exclusive(labels: np.ndarray) -> np.ndarray:
    """The class of every sample in the place of IEMOCAP's pairs; other labels stay. (N, 4, 2) -> (N,)."""
    return labels.argmax(-1).argmax(1).astype(labels.dtype) if labels.shape[1:] == PAIRS else labels


def check_emotions(labels: np.ndarray) -> Iterator[Finding]:
    """IEMOCAP's (N, 4, 2) one-hot pairs (absent, present) with exactly one emotion present in every row."""
    if labels.shape[1:] != PAIRS:
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


def check_scores(labels: np.ndarray, limit: int) -> Iterator[Finding]:
    """Scores of sentiment, one per sample, in [-limit, limit]."""
    if labels.size != len(labels):
        yield Finding("FAIL", "labels", f"labels have the shape {labels.shape}; expected one score per sample")
        return
    inside = (labels >= -limit - ROUNDING) & (labels <= limit + ROUNDING)  # False for NaN
    if not inside.all():
        yield Finding("FAIL", "labels", _misfit(labels, inside, f"scores in [-{limit}, {limit}]"))
    else:
        yield Finding("PASS", "labels", f"labels are scores in [-{limit}, {limit}]")


def count_scores(labels: np.ndarray) -> dict[str, int]:
    """Samples per rounded score."""
    return {f"{score:+g}": count for score, count in sorted(Counter((labels.round() + 0.0).flatten().tolist()).items())}


def count_sims(labels: np.ndarray) -> dict[str, int]:
    """Samples per class of CH-SIMS."""
    counts = np.bincount(sims_classes(labels.flatten()), minlength=len(SIMS_CLASSES)).tolist()
    return dict(zip(SIMS_CLASSES, counts, strict=True))


def check_classes(labels: np.ndarray, count: int) -> Iterator[Finding]:
    """One class of 0..count-1 per sample, as a number or one-hot over `count` places; IEMOCAP's pairs are four."""
    if labels.shape[1:] == PAIRS == (count, 2):
        yield from check_emotions(labels)
        return
    if labels.ndim == 2 and labels.shape[1] == count and count > 1:
        yield _check_one_hot(labels, count)
        return
    if labels.size != len(labels):
        yield Finding("FAIL", "labels", f"labels have the shape {labels.shape}; expected one class per sample, (N,) or "
                                        f"one-hot (N, {count})")
        return
    known = np.isin(labels, np.arange(count))
    if not known.all():
        yield Finding("FAIL", "labels", _misfit(labels, known, f"whole numbers from 0 to {count - 1}"))
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


def check_sets(labels: np.ndarray, count: int) -> Iterator[Finding]:
    """(N, count) of 0 and 1: which labels a sample has, several or none among them."""
    if labels.shape[1:] != (count,):
        yield Finding("FAIL", "labels", f"labels have the shape {labels.shape}; expected (N, {count}), 1 for every "
                                        "label that a sample has; for one class per sample take --task "
                                        f"classes:{count}")
        return
    known = np.isin(labels, (0, 1))
    if not known.all():
        wanted = "1 for a label that a sample has and 0 for others"
        yield Finding("FAIL", "labels", f"{_misfit(labels, known, wanted)}: set a threshold first")
        return
    several, none = int((labels.sum(1) > 1).sum()), int((labels.sum(1) == 0).sum())
    yield Finding("PASS", "labels", f"labels are sets over {count}, several in {several} samples and none in {none}")


def count_sets(labels: np.ndarray) -> dict[str, int]:
    """Samples that have each label."""
    return {str(i): int(found) for i, found in enumerate(labels.sum(0))}


def check_numbers(labels: np.ndarray, count: int) -> Iterator[Finding]:
    """`count` finite numbers per sample."""
    if labels.size != count * len(labels):
        wanted = "(N,) or (N, 1), 1 number" if count == 1 else f"(N, {count}), {count} numbers"
        yield Finding("FAIL", "labels", f"labels have the shape {labels.shape}; expected {wanted} per sample; give "
                                        "their count as in --task regression:2")
        return
    fine = np.abs(labels.astype(np.float64)) <= LARGEST  # False for NaN
    if not fine.all():
        yield Finding("FAIL", "labels", _misfit(labels, fine, f"numbers of at most {LARGEST:g}"))
    else:
        yield Finding("PASS", "labels", f"labels are {count} number{'s' * (count > 1)} per sample")


def count_numbers(labels: np.ndarray) -> dict[str, int]:
    """Samples per interval of each number, the intervals of one number equally wide."""
    found: dict[str, int] = {}
    for i, values in enumerate(labels.reshape(len(labels), -1).T.astype(np.float64)):
        counts, edges = np.histogram(values, BINS)
        found |= {f"value {i} in [{low:.3g}, {high:.3g})": int(count)
                  for low, high, count in zip(edges, edges[1:], counts, strict=False)}
    return found


def _misfit(labels: np.ndarray, fine: np.ndarray, wanted: str) -> str:
    """The first label that is not fine, what was expected, and how many do not fit, in words."""
    return (f"labels hold {labels[~fine].flat[0].item()}; expected {wanted} ({int((~fine).sum())} of {fine.size} do "
            "not fit)")


def count_classes(labels: np.ndarray) -> dict[str, int]:
    """Samples per class."""
    labels = exclusive(labels)
    classes = labels.argmax(1) if labels.ndim == 2 and labels.shape[1] > 1 else labels.flatten()
    return {f"{value:g}": count for value, count in sorted(Counter(classes.tolist()).items())}
