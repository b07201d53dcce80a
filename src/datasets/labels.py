"""Checks and histograms of the two label forms."""

from collections import Counter
from collections.abc import Iterator

import numpy as np

from src.datasets.base import Finding
from src.structures import EMOTIONS


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
