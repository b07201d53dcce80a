"""Means over seeds and paired differences, with nothing claimed that a few seeds or a few samples cannot carry."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

FEWEST_SEEDS = 3  # that an interval is given for
FEWEST_SAMPLES = 30
Seeds = Mapping[int, tuple[float, str]]  # seed -> value, and which samples are right, `packed`, where that is known
CORRECT = "correct"  # the measure that is one bit per sample, `packed`, in place of a value


@dataclass(frozen=True)
class Summary:
    """A measure over the seeds of one configuration."""

    mean: float  # NaN where no seed has a value
    std: float  # over seeds, n - 1 in the denominator; NaN for one seed
    n: int  # seeds with a value


@dataclass(frozen=True)
class Difference:
    """A measure minus the same measure of the baseline, seed by seed; NaN where nothing can be said."""

    mean: float
    low: float  # 95 % t-interval of the mean over seeds
    high: float
    p: float  # two-sided paired t-test
    n: int  # pairs in which both have a value
    samples: tuple[float, float] = (math.nan, math.nan)  # 95 % bootstrap interval over test samples

    @property
    def intervals(self) -> dict[str, tuple[float, float]]:
        """What is resampled or repeated -> the interval of the mean over it, where there is one."""
        both = {"seeds": (self.low, self.high), "samples": self.samples}
        return {name: ends for name, ends in both.items() if math.isfinite(ends[0])}


def summary(values: Sequence[float]) -> Summary:
    """Mean and standard deviation of one value per seed; a seed whose value is undefined does not count."""
    found = _defined(values)
    return Summary(float(found.mean()) if found.size else math.nan,
                   float(found.std(ddof=1)) if found.size > 1 else math.nan, found.size)


def _defined(values: Sequence[float]) -> np.ndarray:
    found = np.asarray(values, dtype=float)
    return found[~np.isnan(found)]


def paired_difference(differences: Sequence[float]) -> Difference:
    """Mean of one difference per seed with the interval and the p of the t-test; undefined differences do not count.

    Fewer than FEWEST_SEEDS have neither. Differences that are all equal say nothing about their spread, so they have no
    interval; where all are 0 there is no evidence of a difference, and p is 1.
    """
    from scipy.special import stdtr, stdtrit

    found = _defined(differences)
    mean = float(found.mean()) if found.size else math.nan
    if found.size < FEWEST_SEEDS:
        return Difference(mean, math.nan, math.nan, math.nan, found.size)
    if np.ptp(found) < 1e-12:
        return Difference(mean, math.nan, math.nan, 1.0 if abs(mean) < 1e-12 else math.nan, found.size)
    error, freedom = float(found.std(ddof=1)) / math.sqrt(found.size), found.size - 1
    half = error * float(stdtrit(freedom, 0.975))
    return Difference(mean, mean - half, mean + half, 2 * float(stdtr(freedom, -abs(mean) / error)), found.size)


def sample_interval(differences: np.ndarray, seeds: int = 1) -> tuple[float, float]:
    """95 % bootstrap interval of the mean of one difference per sample; NaN for fewer than FEWEST_SAMPLES. (N,) -> two.

    The differences are means over seeds of -1, 0 and 1, so the sum of N draws has a distribution over whole numbers,
    the N-fold convolution of that of one draw: the interval is that of infinitely many resamples.
    """
    count = differences.size
    if count < FEWEST_SAMPLES:
        return math.nan, math.nan
    whole = np.rint(differences * seeds).astype(int)
    least = int(whole.min())
    one = np.bincount(whole - least) / count
    sums = count * (one.size - 1) + 1
    length = 1 << sums.bit_length()
    shares = np.fft.irfft(np.fft.rfft(one, length) ** count, length)[:sums].cumsum()
    low, high = (np.searchsorted(shares, (0.025, 0.975)) / count + least) / seeds
    return float(low), float(high)


def compared(own: Seeds, baseline: Seeds) -> Difference:
    """Both differences of a measure to its baseline, over the seeds that both have."""
    pairs = [(own[seed], baseline[seed]) for seed in own if seed in baseline]
    found = paired_difference([one - base for (one, _), (base, _) in pairs])
    known = [(unpacked(one), unpacked(base)) for (_, one), (_, base) in pairs if one and base]
    if len({correct.size for pair in known for correct in pair}) != 1:  # of other data, or unknown
        return found
    return replace(found, samples=sample_interval(np.subtract(*np.mean(known, axis=0)), len(known)))


def packed(correct: Sequence[bool]) -> str:
    """Which samples were decided rightly, as text: their number, x, and the bits in hexadecimal digits."""
    return f"{len(correct)}x{np.packbits(np.asarray(correct, dtype=bool)).tobytes().hex()}"


def unpacked(text: str) -> np.ndarray:
    """The inverse of `packed`: 0 or 1 per sample; ValueError for text that is none of it. -> (N,)."""
    count, _, digits = text.partition("x")
    found = np.frombuffer(bytes.fromhex(digits), np.uint8)
    if found.size != math.ceil(int(count) / 8):
        raise ValueError(f"{count} samples do not fill {found.size} bytes")
    return np.unpackbits(found, count=int(count))


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values adjusted for having been computed together (Holm's step-down); NaN stays and does not count."""
    order = sorted((p, i) for i, p in enumerate(p_values) if not math.isnan(p))
    adjusted, largest = [math.nan] * len(p_values), 0.0
    for rank, (p, i) in enumerate(order):
        largest = max(largest, min(1.0, p * (len(order) - rank)))
        adjusted[i] = largest
    return adjusted
