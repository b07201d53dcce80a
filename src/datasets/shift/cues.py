"""Cues: what of a sample can be tied to its label. Each gives every sample the side, of the labels, it hints at."""

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment
from sklearn.cluster import KMeans
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.naive_bayes import MultinomialNB
from sklearn.preprocessing import StandardScaler

from src.datasets.shift.pool import Pool
from src.structures import MODALITIES, InputError, UsageError, quoted

KINDS = ("words", *(f"cluster:{name}" for name in MODALITIES), *(f"value:{name}" for name in MODALITIES), "group",
         "prior")
RARE = 3  # training samples that a word needs
PER_VALUE = 10  # samples for each distinct content of a modality, where contents are values and no measurements


def hints(cue: str, pool: Pool, seed: int) -> np.ndarray:
    """The side that the cue of every sample hints at, (N,); fitted on the training samples of the source.

    Raises UsageError for an unknown cue, InputError for one that the file lacks.
    """
    if cue not in KINDS:
        raise UsageError(f"unknown cue {quoted(cue)}; choose from {', '.join(KINDS)}")
    kind, _, modality = cue.partition(":")
    makers: dict[str, Callable[[], np.ndarray]] = {
        "words": lambda: _words(pool), "cluster": lambda: _clusters(pool, modality, seed),
        "value": lambda: _values(pool, modality), "group": lambda: _group(pool),
        "prior": lambda: np.full(len(pool), pool.sides[pool.classes == np.bincount(pool.classes).argmax()][0])}
    return makers[kind]()


def _train(pool: Pool) -> np.ndarray:
    return pool.origin == "train" if (pool.origin == "train").any() else np.ones(len(pool), bool)


def _words(pool: Pool) -> np.ndarray:
    """The side whose words a sample holds most, by naive Bayes on which words occur."""
    texts = pool.columns.get("raw_text")
    if texts is None:
        raise InputError("the cue words needs the words themselves, as raw_text with one text per sample (MMSA's files "
                         "have it); this file has none, take another cue such as cluster:text")
    texts = [_text(row) for row in pool.items(texts)]
    train = _train(pool)
    try:
        counts = CountVectorizer(binary=True, min_df=RARE).fit([texts[i] for i in np.flatnonzero(train)])
    except ValueError:
        raise InputError(f"no word of raw_text stands in {RARE} training samples, so there are no words to tie; take "
                         "another cue") from None
    present = counts.transform(texts)
    return MultinomialNB(fit_prior=False).fit(present[train], pool.sides[train]).predict(present)


def _text(row: Any) -> str:
    """The words of one sample: text, bytes, or a list of words."""
    if isinstance(row, (list, tuple, np.ndarray)):
        return " ".join(map(_text, row))
    return row.decode("utf-8", "replace") if isinstance(row, bytes) else str(row)


def _clusters(pool: Pool, modality: str, seed: int) -> np.ndarray:
    """k-means of the standardised means over time, as many clusters as sides."""
    means, train = pool.means(modality), _train(pool)
    scaled = StandardScaler().fit(means[train]).transform(means)
    count = len(pool.side_names)
    if len(np.unique(scaled[train], axis=0)) < count:
        raise InputError(f"{modality} has fewer than {count} different means over time, so it cannot be cut into "
                         f"{count} clusters; take another cue")
    found = KMeans(count, n_init=10, random_state=seed).fit(scaled[train]).predict(scaled)
    return _matched(found, pool, train)


def _values(pool: Pool, modality: str) -> np.ndarray:
    """What a modality says word for word, such as which of a few sentences."""
    found, first, numbers = np.unique(pool.digests(modality), return_index=True, return_inverse=True)
    sides = len(pool.side_names)
    if not sides <= len(found) <= len(pool) / PER_VALUE:
        raise InputError(f"the cue value:{modality} needs at least {sides} different contents, each in {PER_VALUE} "
                         f"samples or so, and {modality} has {len(found)} in {len(pool)}; take cluster:{modality}")
    # Contents are numbered by their values: which of two that fit a side equally well it gets is decided by that.
    shown = np.stack([one.ravel() for one in pool.part(first).items(pool.features[modality])])
    order = np.unique(shown, axis=0, return_inverse=True)[1].ravel()
    return _matched(order[numbers.ravel()], pool, np.ones(len(pool), bool))


def _group(pool: Pool) -> np.ndarray:
    """The side that a speaker or video has more often than others do."""
    if pool.groups is None:
        raise InputError("the cue group needs identifiers that tell speaker or video, such as video_3; this file has "
                         "none, or --group does not find them")
    return _lift(pool.groups, pool, np.ones(len(pool), bool))[1].argmax(1)[pool.groups]


def _lift(values: np.ndarray, pool: Pool, fitted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Counts of value and side, and p(value, side) / (p(value) p(side)). -> (values, sides) twice."""
    table = np.zeros((int(values.max()) + 1, len(pool.side_names)))
    np.add.at(table, (values[fitted], pool.sides[fitted]), 1)
    return table, table * table.sum() / np.maximum(table.sum(1, keepdims=True) * table.sum(0), 1)


def _matched(values: np.ndarray, pool: Pool, fitted: np.ndarray) -> np.ndarray:
    """Values of a cue, (N,) from 0, to sides: each gets the value of the largest lift, others fill what is missing."""
    table, lift = _lift(values, pool, fitted)
    owner, missing = np.full(len(table), -1), table.sum(0)
    for value, side in zip(*linear_sum_assignment(lift, maximize=True), strict=True):
        owner[value] = side
        missing[side] -= table[value].sum()
    for value in sorted(np.flatnonzero(owner < 0), key=lambda one: (-table[one].sum(), one)):
        owner[value] = int(missing.argmax())
        missing[owner[value]] -= table[value].sum()
    return owner[values]
