"""What the numbers of a modality tell: broken, missing and far-out values, by statistics that these cannot move."""

from collections.abc import Iterator

import numpy as np

from src.datasets.disk import Empty, copied
from src.datasets.labels import Finding

MOST_BROKEN = 0.2  # share of values that may be no numbers before a modality is of no use
NOTABLE = 0.1  # share of samples without a modality that is more than an accident
OVERFLOW = 1e18  # products of two such values still are float32 numbers
FAR = 1000  # times the usual spread of a feature
FRAMES = 5000  # drawn at random, from which medians and quartiles are taken
ENOUGH = 50  # frames of a split that tell its own spread
SPARSE, FEW = 0.01, 5  # share and number of frames from which on the rare values of a feature are usual ones


def check_features(raw: dict, modality: str, empty: Empty = np.empty) -> Iterator[Finding]:
    """Check one modality in all splits, cast it to float32 and set what is no number to 0, in place.

    `empty` makes the room for copies.
    """
    broken = {name: _clean(split, modality, empty) for name, split in raw.items()}
    sizes = {name: split[modality].size for name, split in raw.items()}
    for name, count in broken.items():
        if count:
            yield Finding("WARN" if count > MOST_BROKEN * sizes[name] else "NOTE", f"{name} finite {modality}",
                          f"{count} of {sizes[name]} values of {name} {modality} were -inf, inf or NaN and "
                          "became 0")
        else:
            yield Finding("PASS", f"{name} finite {modality}", "all values are finite")
    lost, total = sum(broken.values()), sum(sizes.values())
    if lost > MOST_BROKEN * total:
        yield Finding("FAIL", f"finite {modality}",
                      f"{lost} of {total} values of {modality} are -inf, inf or NaN; at most {MOST_BROKEN:.0%} can be "
                      "taken for 0, extract the features again")
    yield from _check_absence(raw, modality)
    yield from _check_range(raw, modality)


def is_tokens(text: np.ndarray) -> bool:
    """Whether text is what BERT reads, token numbers, mask and segments, instead of what it writes.

    (N, 3, L), or with the last two axes exchanged, or without the segments.
    """
    return any(2 <= text.shape[axis] <= 3 and text.shape[3 - axis] > 1
               and _are_tokens(*np.moveaxis(text[:1000], axis, 0)) for axis in (1, 2))


def _are_tokens(numbers: np.ndarray, mask: np.ndarray, segments: np.ndarray | None = None) -> bool:
    """Whether whole numbers stand where a mask of 0 and 1 is 1. All (N, L)."""
    others = [mask] if segments is None else [mask, segments]
    return bool((np.isfinite(numbers) & (numbers >= 0)).all() and (numbers == np.floor(numbers)).all()
                and numbers.max() > 1 and all(np.isin(other, (0, 1)).all() for other in others)
                and mask[numbers > 0].all())


def _clean(split: dict, modality: str, empty: Empty) -> int:
    """Cast to float32 and set non-finite values to 0; -> how many."""
    came = split[modality]
    values = came if came.dtype == np.float32 else copied(came, empty)
    finite = np.isfinite(values)
    count = int(values.size - np.count_nonzero(finite))
    if count:
        values = copied(came, empty) if values is came else values  # what came is never written to
        values[~finite] = 0
    split[modality] = values
    return count


def _check_absence(raw: dict, modality: str) -> Iterator[Finding]:
    """Samples in which a modality is zero throughout have nothing to learn from."""
    for name, split in raw.items():
        empty = int((~split[modality].any(axis=(1, 2))).sum())
        text = f"{name} {modality} is zero or no number in every frame of {empty} of {len(split[modality])} samples"
        level = "WARN" if empty > NOTABLE * len(split[modality]) else "NOTE" if empty else "PASS"
        yield Finding(level, f"{name} presence {modality}",
                      text + "; they say nothing in this modality, check the extraction" if empty else text)


def _check_range(raw: dict, modality: str) -> Iterator[Finding]:
    """Values far beyond what their feature usually is are a failed extraction; they decide the training."""
    largest = max(max(float(split[modality].max()), -float(split[modality].min())) for split in raw.values())
    if largest > OVERFLOW:
        yield Finding("FAIL", f"range {modality}",
                      f"{modality} reaches {largest:.3g}, values beyond {OVERFLOW:g}: "
                      f"{_beyond(raw, modality, -OVERFLOW, OVERFLOW)}; no finite loss comes of them, extract "
                      "the features again, or clip them")
        return
    median, spread = _usual(raw, modality)
    where = _beyond(raw, modality, median - FAR * spread, median + FAR * spread)
    if where:
        yield Finding("WARN", f"range {modality}",
                      f"{modality} reaches {largest:.3g}; values more than {FAR} times the usual spread from the "
                      f"median of their feature: {where}; they will dominate the training, check the extraction or "
                      "clip them")
    else:
        yield Finding("PASS", f"range {modality}", f"{modality} reaches {largest:.3g}")


def _beyond(raw: dict, modality: str, low: np.ndarray | float, high: np.ndarray | float) -> str:
    """How many values lie outside of bounds that may differ by feature, in words; empty where none does."""
    places = []
    for name, split in raw.items():
        values = split[modality]
        if (values.min(axis=(0, 1)) < low).any() or (values.max(axis=(0, 1)) > high).any():
            far = (values < low) | (values > high)
            places.append(f"{int(far.sum())} in {int(far.any(axis=(1, 2)).sum())} samples of {name}")
    return ", ".join(places)


def _usual(raw: dict, modality: str) -> tuple[np.ndarray, np.ndarray]:
    """Median and spread of every feature, from frames of all splits that are not padding. -> (D,), (D,).

    The spread is the smallest that a split has, so that one in other units stands out, however large it is.
    """
    random, kept = np.random.default_rng(0), []
    total = sum(len(split[modality]) * split[modality].shape[1] for split in raw.values())
    for split in raw.values():
        frames = split[modality].reshape(-1, split[modality].shape[2])
        if total > FRAMES:  # at random: every n-th could always be the same place of the sequence, such as padding
            frames = frames[random.integers(len(frames), size=1000 + FRAMES * len(frames) // total)]
        kept.append(frames[frames.any(axis=1)].astype(np.float64))
    frames = np.concatenate(kept)
    if not len(frames):
        return np.zeros(1), np.ones(1)
    spread, constant = _spread(frames)
    median = np.median(frames, axis=0)
    for i in np.flatnonzero(constant):  # such as a pitch that is 0 without a voice: what the other values usually are
        others = np.abs(frames[:, i] - median[i])
        others = others[others > 0]
        if len(others) > max(FEW, SPARSE * len(frames)):
            spread[i] = max(spread[i], np.median(others))
    for part in kept:
        if len(part) >= ENOUGH:
            own, constant = _spread(part)
            spread = np.where(constant, spread, np.minimum(spread, own))
    return median, spread


def _spread(frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distance of the quartiles of every feature, at least that of the whole modality, and where these are the same.

    (N, D) -> (D,) above 0, (D,).
    """
    low, high = np.percentile(frames, (25, 75), axis=0)
    whole = np.subtract(*np.percentile(frames, (75, 25))) or np.median(np.abs(frames[frames != 0]))
    return np.maximum(high - low, whole), low == high
