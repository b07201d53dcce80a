"""The splits of a shift: all drawn anew, or a test side cut up beside the train and valid that are there."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from src.datasets.shift.pool import Pool
from src.datasets.shift.sampling import SHARES, Make, cells_of, check_classes, drawn, skewed, tied, with_new_groups
from src.structures import InputError, UsageError

KEPT = ("train", "valid")  # what --keep_train leaves alone
TESTS = {"test": 0.4, "test_shifted": 0.4, "test_reversed": 0.2}  # and into what it cuts the rest
Made = tuple[dict[str, np.ndarray], np.ndarray, dict[str, Any]]  # splits, hints, what to tell of them


def made(pool: Pool, hints: np.ndarray, cue: str, strength: float, least: int, seed: int) -> Made:
    """All splits drawn anew.

    Raises UsageError for a strength that is no more than chance, InputError with the largest one that can be had where
    some split would have fewer than `least` samples.
    """
    check_classes(pool, len(SHARES))
    chance = 1 / (pool.class_count if cue == "prior" else len(pool.side_names))
    if not chance < strength <= 1 or cue == "prior" and strength == 1:
        raise UsageError(f"--strength of the cue {cue} lies between {chance:.2f}, which is chance, and 1, got "
                         f"{strength:g}")
    make: Make = skewed if cue == "prior" else tied
    found = _drawn(pool, hints, make, cue, strength, SHARES, least, seed)
    if found:
        return *found, {"strength": strength}
    lower = (one / 100 for one in range(int(100 * strength), int(100 * chance), -1) if one / 100 < strength)
    best = next((one for one in lower if _drawn(pool, hints, make, cue, one, SHARES, least, seed)), None)
    advice = (f"the largest that can be had is {best:g}; lower --strength or --least" if best else
              "nor can any lower one; lower --least, bring more samples of the rarest class, or say by --group which "
              "samples belong together, if fewer do than was found")
    raise InputError(f"with --strength {strength:g} the cue {cue} cannot be tied to the label while every split keeps "
                     f"{least} samples, {advice}")


def kept(pool: Pool, hints: np.ndarray, cue: str, least: int, seed: int) -> Made:
    """Train and valid as they are; the test side cut into one that is tied as train is, one untied and one turned.

    Test samples of videos or speakers that are trained on are left out. Raises UsageError for the cue `group`.
    """
    if cue == "group":
        raise UsageError("--keep_train does not go with the cue group, since nothing is known of speakers that are not "
                         "trained on; leave it out, or take another cue")
    train, stays = pool.origin == "train", np.isin(pool.origin, KEPT)
    known = np.zeros(len(pool), bool) if pool.groups is None else np.isin(pool.groups, pool.groups[stays])
    indices = np.flatnonzero(np.char.startswith(pool.origin.astype(str), "test") & ~known)
    if not len(indices):
        raise InputError("--keep_train leaves no test sample, since all are of videos or speakers that are trained on")
    first = int(np.bincount(pool.classes[train]).argmax())
    strength = float((pool.classes == first if cue == "prior" else hints == pool.sides)[train].mean())
    part = pool.part(indices)
    check_classes(part, len(TESTS))
    make: Make = partial(skewed, first=first) if cue == "prior" else tied
    found = _drawn(part, hints[indices], make, cue, strength, TESTS, least, seed)
    if not found:
        raise InputError(f"the cue {cue} goes with the label of {strength:.2f} of train, and {len(part)} test samples "
                         f"cannot be cut so that every part keeps {least}; lower --least, or leave --keep_train out")
    splits = {name: np.flatnonzero(pool.origin == name) for name in KEPT}
    return splits | {name: indices[chosen] for name, chosen in found[0].items()}, hints, {"strength": strength}


def _drawn(pool: Pool, hints: np.ndarray, make: Make, cue: str, strength: float, shares: Mapping[str, float],
           least: int, seed: int) -> tuple[dict[str, np.ndarray], np.ndarray] | None:
    """Splits, and hints of which some are unknown (-1); None where a split has fewer than `least` samples."""
    wish = make(pool, strength, shares)
    if wish.size(cells_of(pool, hints)) * min(shares.values()) < least:
        return None
    if cue == "group":
        splits, hints = with_new_groups(pool, hints, wish, seed)
    else:
        splits = drawn(pool, hints, wish, seed, np.arange(len(pool)) if pool.groups is None else pool.groups)
    return (splits, hints) if min(map(len, splits.values())) >= least else None
