"""How a model fares when modalities are missing at test time; nothing is trained again."""

from collections.abc import Iterable, Mapping

import numpy as np
import torch

from src.analysis.trained import Trained
from src.datasets.absence import at_random, stand_ins, without
from src.engine import EpochResult
from src.structures import LETTER

SETTINGS = ("", "t", "a", "v", "ta", "tv", "av")
REMOVALS = {letters: frozenset(LETTER[letter] for letter in letters) for letters in SETTINGS}
RATES = tuple(round(0.1 * step, 1) for step in range(10))


def removals(trained: Trained, split: str, fill: str, seed: int = 0,
             settings: Iterable[str] = SETTINGS) -> dict[str, EpochResult]:
    """The seven settings, or some of them: letters of what is missing from every sample -> one pass over the split."""
    return {letters: trained.removal(split, REMOVALS[letters], fill, seed) for letters in settings}


def random_removals(trained: Trained, split: str, fill: str, seed: int = 0,
                    rates: Iterable[float] = RATES) -> dict[float, EpochResult]:
    """Every modality of every sample missing with a probability, at least one kept: rate -> one pass over the split.

    What is missing depends on the seed alone, so all models are asked the same.
    """
    whole = trained.dataset.splits[split]
    instead = stand_ins(trained.dataset, whole, fill, seed)
    return {rate: trained.predict(without(whole, at_random(len(whole), rate, seed), instead), f"{split} rate {rate}")
            for rate in rates}


def drops(values: Mapping[str, float]) -> dict[str, float]:
    """What each removal costs: letters -> value of the whole input minus value without them."""
    return {letters: values[""] - value for letters, value in values.items() if letters}


def drop_spread(values: Mapping[str, float]) -> dict[str, float]:
    """Standard deviation, with divisor n, of the drops over the single removals and over all six."""
    found = drops(values)
    return {"single": float(np.std([drop for letters, drop in found.items() if len(letters) == 1])),
            "all": float(np.std(list(found.values())))}


def area(curve: Mapping[float, float]) -> float:
    """Area under a curve by the trapezoid rule, divided by its width: the mean score over all rates."""
    rates = sorted(curve)
    heights = [curve[rate] for rate in rates]
    return float(np.trapezoid(heights, rates) / (rates[-1] - rates[0]))


def realised_rate(count: int, rate: float, seed: int = 0) -> float:
    """Share of modalities that `random_removals` really leaves out, below the rate since every sample keeps one."""
    return torch.stack(list(at_random(count, rate, seed).values())).double().mean().item()
