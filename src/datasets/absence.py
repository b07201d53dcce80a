"""Missing modalities: what stands in for them, and which samples they are missing from."""

from collections.abc import Collection, Mapping
from dataclasses import replace

import torch
from torch import Tensor

from src.datasets.base import Dataset, Split
from src.structures import MODALITIES, InputError, begun

FILLS = ("zero", "mean", "shuffle")


def generator(*numbers: int) -> torch.Generator:
    """A generator of its own for every combination of numbers."""
    seed = 0
    for number in numbers:
        seed = (seed * 1_000_003 + number) % 2**63
    return torch.Generator().manual_seed(seed)


def stand_ins(dataset: Dataset, split: Split, fill: str, seed: int = 0) -> dict[str, Tensor]:
    """What takes a missing modality's place: modality -> (N, T, D), or (1, T, D) for all samples alike.

    zero: the published form. mean: the average training sample, frame by frame, where padding does not count.
    shuffle: the same modality of another sample of the split, drawn for each modality by itself. Raises InputError
    where there is nothing to draw from.
    """
    if fill == "mean":
        if "train" not in dataset.splits:
            raise InputError("--fill mean needs a train split to average over, and this file has none; choose zero or "
                             "shuffle")
        return {name: _mean_sample(x) for name, x in dataset.splits["train"].inputs.items()}
    if fill == "shuffle":
        if len(split) < 2:
            raise InputError("--fill shuffle needs a second sample to take a modality from, and the split has one; "
                             "choose zero or mean")
        return {name: x[_others(len(split), generator(seed, i))] for i, (name, x) in enumerate(split.inputs.items())}
    return {name: torch.zeros_like(x[:1]) for name, x in split.inputs.items()}


def _mean_sample(x: Tensor) -> Tensor:
    """The mean over samples whose padding, leading frames of zeros, has ended. (N, T, D) -> (1, T, D)."""
    true = begun(x).unsqueeze(-1)  # (N, T, 1); padding adds zeros to the sum
    return x.sum(dim=0, keepdim=True) / true.sum(dim=0, keepdim=True).clamp(min=1)


def without(split: Split, missing: Mapping[str, Tensor], instead: Mapping[str, Tensor]) -> Split:
    """A split whose missing modalities are replaced. missing: modality -> boolean (N,), instead: see `stand_ins`."""
    inputs = {name: torch.where(missing[name][:, None, None], instead[name], x) if name in missing else x
              for name, x in split.inputs.items()}
    return replace(split, inputs=inputs)


def everywhere(split: Split, removed: Collection[str]) -> dict[str, Tensor]:
    """The named modalities, missing from all samples."""
    return {name: torch.ones(len(split), dtype=torch.bool) for name in removed}


def at_random(count: int, rate: float, seed: int) -> dict[str, Tensor]:
    """Every modality of every sample missing with probability `rate`; where all would be, one drawn at random stays.

    The same seed draws the same numbers for every rate, so what is missing at one rate is missing at all higher ones.
    -> modality -> boolean (count,).
    """
    stream = generator(seed, len(MODALITIES))  # one of its own, beside those of the three shuffles
    drawn = torch.rand(count, len(MODALITIES), generator=stream)
    missing = drawn < rate
    missing.scatter_(1, drawn.argmax(dim=1, keepdim=True), False)
    return dict(zip(MODALITIES, missing.unbind(1), strict=True))


def _others(count: int, random: torch.Generator) -> Tensor:
    """A permutation that leaves nothing in place: each sample gets the next one of a random circle. -> (count,)."""
    circle = torch.randperm(count, generator=random)
    others = torch.empty_like(circle)
    others[circle] = circle.roll(1)
    return others
