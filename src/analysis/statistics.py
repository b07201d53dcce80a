"""Means over seeds and paired differences, with nothing claimed that a few seeds cannot carry."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

RESAMPLES = 10_000


@dataclass(frozen=True)
class Summary:
    """A measure over the seeds of one configuration."""

    mean: float  # NaN where no seed has a value
    std: float  # over seeds, n - 1 in the denominator; NaN for one seed
    n: int  # seeds with a value


@dataclass(frozen=True)
class Difference:
    """A measure minus the same measure of the plain backbone, seed by seed; NaN where one seed allows no statement."""

    mean: float
    low: float  # 95 % bootstrap interval of the mean
    high: float
    p: float  # two-sided paired t-test; NaN also where the differences do not vary
    n: int  # pairs in which both have a value


def summary(values: Sequence[float]) -> Summary:
    """Mean and standard deviation of one value per seed; a seed whose value is undefined does not count."""
    found = _defined(np.asarray(values, dtype=float))
    return Summary(float(found.mean()) if found.size else math.nan,
                   float(found.std(ddof=1)) if found.size > 1 else math.nan, found.size)


def _defined(values: np.ndarray) -> np.ndarray:
    return values[~np.isnan(values)]


def paired_difference(values: Sequence[float], baseline: Sequence[float]) -> Difference:
    """Mean of values - baseline, both in the order of the seeds, with a percentile bootstrap interval and a t-test.

    Seeds are resampled with a fixed generator, so the same numbers give the same interval. With few seeds the interval
    is narrow for its 95 %; the t-test, which assumes normal differences, is the more careful of the two. Pairs with an
    undefined value do not count.
    """
    differences = _defined(np.asarray(values, dtype=float) - np.asarray(baseline, dtype=float))
    n = differences.size
    if n < 2:
        return Difference(float(differences[0]) if n else math.nan, math.nan, math.nan, math.nan, n)
    mean = float(differences.mean())
    rows = np.random.default_rng(0).integers(n, size=(RESAMPLES, n))
    low, high = np.quantile(differences[rows].mean(axis=1), (0.025, 0.975))
    return Difference(mean, float(low), float(high), _p_value(differences), n)


def _p_value(differences: np.ndarray) -> float:
    """Two-sided p of the paired t-test; 1 where all differences are 0, NaN where they are all equal otherwise."""
    from scipy.stats import ttest_1samp

    if np.ptp(differences) < 1e-12:
        return 1.0 if abs(differences[0]) < 1e-12 else math.nan
    return float(ttest_1samp(differences, 0.0).pvalue)


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values adjusted for having been computed together (Holm's step-down); NaN stays and does not count."""
    order = sorted((p, i) for i, p in enumerate(p_values) if not math.isnan(p))
    adjusted, largest = [math.nan] * len(p_values), 0.0
    for rank, (p, i) in enumerate(order):
        largest = max(largest, min(1.0, p * (len(order) - rank)))
        adjusted[i] = largest
    return adjusted
