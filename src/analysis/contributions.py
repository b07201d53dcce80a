"""What each modality contributes to right answers: sample-level Shapley values, and the perceptual score.

Shapley values after Wei et al. (CVPR 2024): a coalition S of modalities, the others filled as missing, is worth
v(S) = |S| if the sample is then decided rightly, else 0, and v({}) = 0. Perceptual score: what the accuracy loses when
one modality is exchanged between samples.
"""

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from src.analysis.missing import REMOVALS
from src.analysis.trained import Trained
from src.engine import EpochResult
from src.shapley import shapley_values
from src.structures import MODALITIES
from src.tasks import Task

PERMUTATIONS = 3  # of the perceptual score


def contributions(task: Task, results: Mapping[str, EpochResult], values: str) -> dict[str, Tensor]:
    """Shapley values of every sample from the seven passes of `removals`, decided by the logits called `values`."""
    game = {}
    for letters, removed in REMOVALS.items():
        present = frozenset(MODALITIES) - removed
        result = results[letters]
        game[present] = len(present) * task.correct(result.values[values], result.known_labels).double()
    return shapley_values(game)


def shares(found: Mapping[str, Tensor]) -> dict[str, float]:
    """Each modality's part of the mean contributions; NaN where they add up to nothing, as when nothing is right."""
    means = {name: values.mean().item() for name, values in found.items()}
    total = sum(means.values())
    return {name: mean / total if total > 0 else math.nan for name, mean in means.items()}


def imbalance(parts: Mapping[str, float]) -> float:
    """Largest share minus smallest: 0 where all contribute alike, 1 where one does it all."""
    return max(parts.values()) - min(parts.values())


def perceptual_scores(trained: Trained, split: str, permutations: int, seed: int = 0) -> dict[str, list[EpochResult]]:
    """Passes in which one modality is exchanged between samples: modality -> one result per permutation."""
    return {name: [trained.removal(split, (name,), "shuffle", seed + number) for number in range(permutations)]
            for name in MODALITIES}


def accuracy(task: Task, result: EpochResult, values: str) -> float:
    """Share of samples decided rightly by the logits called `values`."""
    return task.correct(result.values[values], result.known_labels).double().mean().item()


def spread(values: list[float]) -> tuple[float, float]:
    """Mean and standard deviation over permutations."""
    found = torch.tensor(values, dtype=torch.float64)
    return found.mean().item(), found.std(correction=int(len(values) > 1)).item()
