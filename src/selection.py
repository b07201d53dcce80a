"""Which epoch a run is judged by: named rules, and what each of them has to know."""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from src.datasets.base import Dataset, Split
from src.datasets.synthetic import VALID_SHIFTED as SHIFTED
from src.registry import Registry
from src.structures import UsageError
from src.tasks import Task

SHOWN = 2.0  # standard errors of a paired difference from which on samples show an epoch to be worse


@dataclass(frozen=True)
class Rule:
    """How one epoch of a run is chosen."""

    split: str  # whose samples decide; empty where none do
    by_loss: bool  # by the lowest loss, or by the best value of the task's selection metric
    checkpoint: str  # name of the file that holds the chosen epoch
    words: str


SELECTIONS = Registry("selection")
SELECTIONS.register("valid_loss")(Rule("valid", True, "best_valid_loss", "lowest validation loss"))
SELECTIONS.register("valid_score")(Rule("valid", False, "best_valid_acc", "best validation score"))
SELECTIONS.register("valid_shifted")(Rule(SHIFTED, True, "best_valid_shifted",
                                          "last epoch that unbiased validation samples do not show to be worse"))
SELECTIONS.register("last_epoch")(Rule("", False, "last_epoch", "the last epoch, which no validation chooses"))
CHECKPOINTS = {SELECTIONS[name].checkpoint: name for name in SELECTIONS}
RULES = tuple(dict.fromkeys((*SELECTIONS, *CHECKPOINTS)))  # what a flag may call a rule
ALWAYS = tuple(checkpoint for checkpoint, name in CHECKPOINTS.items() if SELECTIONS[name].split == "valid")


def checkpoint(name: str) -> str:
    """The checkpoint of a rule that is called by its name, or by that of its checkpoint."""
    return SELECTIONS[name].checkpoint if name in SELECTIONS else name


def rule(checkpoint: str) -> Rule:
    """The rule that chose a checkpoint."""
    return SELECTIONS[CHECKPOINTS[checkpoint]]


def kept(unbiased: int, unwanted: Collection[str]) -> tuple[str, ...]:
    """The checkpoints that a run keeps: one for each state of knowledge that it is in.

    Where modalities are unwanted that is the last epoch, since validation as train rewards epochs that lean on them.
    """
    more = {"valid_shifted": unbiased, "last_epoch": unwanted}
    return (*ALWAYS, *(SELECTIONS[name].checkpoint for name, known in more.items() if known))


def shown(unbiased: int, unwanted: Collection[str]) -> str:
    """The checkpoint that knows most of a shift, which a run shows first."""
    known = kept(unbiased, unwanted)[len(ALWAYS):]
    return known[0] if known else SELECTIONS["valid_score"].checkpoint


@dataclass
class Latest:
    """Takes every epoch that samples do not show to be worse than the best before it; the last one taken counts.

    Shown: losses lie above those of the best epoch by `SHOWN` standard errors of the mean, sample by sample. So few
    samples are not spent on choosing an epoch, all pass and the last is taken; many notice training that does harm.
    """

    least: list[float]  # losses of all samples in the best epoch so far; empty before the first

    def takes(self, losses: Tensor) -> bool:
        """Whether the next epoch, with these losses (N,), is taken."""
        losses = losses.cpu()
        if not self.least or losses.mean() < sum(self.least) / len(self.least):
            self.least = losses.tolist()
        above = losses.double() - torch.tensor(self.least, dtype=torch.double)
        return bool(above.mean() <= SHOWN * above.std(correction=0) / len(above) ** 0.5)


class Selecting:
    """Follows the rules of a run through its epochs: whether each takes the epoch that has just ended.

    Where strengths are chosen, the loss that counts is that of the prediction, as for them, not the objective.
    """

    def __init__(self, task: Task, strengths_chosen: bool) -> None:
        self.task, self.strengths_chosen = task, strengths_chosen
        self.best: dict[str, float] = dict.fromkeys(ALWAYS, -math.inf)  # checkpoint -> score, the higher the better
        self.latest = Latest([])

    def takes(self, checkpoint: str, row: Mapping[str, float], lost: Mapping[str, Tensor]) -> bool:
        """Whether a checkpoint becomes that of this epoch, with this row of the history and losses (N,) by split."""
        split, by_loss = rule(checkpoint).split, rule(checkpoint).by_loss
        if not split:
            return True
        if split == SHIFTED:
            return self.latest.takes(lost[split])
        score = self.task.merit(row[f"{split}_{self.task.selection}"])
        if by_loss:
            score = row[f"{split}_fit"] if self.strengths_chosen else -row[f"{split}_loss"]
        better = score > self.best[checkpoint]
        self.best[checkpoint] = max(score, self.best[checkpoint])
        return better


def unbiased_samples(dataset: Dataset, count: int) -> Split:
    """The first `count` samples of a fixed random order of `valid_shifted`; UsageError where there are not so many."""
    split = dataset.splits.get(SHIFTED)
    if split is None or split.labels is None:
        raise UsageError(f"--unbiased {count} needs a split {SHIFTED} with labels, and this data has "
                         f"{', '.join(dataset.splits)}; put the unbiased samples there, or leave --unbiased out")
    if count > len(split):
        raise UsageError(f"--unbiased {count} asks for more samples than the {len(split)} of {SHIFTED}")
    return split.taken(unbiased_order(len(split))[:count])


def unbiased_order(count: int) -> Tensor:
    """The order in which samples of `valid_shifted` are granted, so that more of them hold the fewer."""
    return torch.randperm(count, generator=torch.Generator().manual_seed(0))


def knowledge(unwanted: Collection[str], unbiased: int, checkpoint: str) -> str:
    """What a choice knows of the shift: one of the three states that every table names."""
    shifted = rule(checkpoint).split == SHIFTED
    words = [f"declared: {', '.join(unwanted)}"] * bool(unwanted)
    words += [f"{unbiased} unbiased validation samples"] * shifted
    return "; ".join(words) or "nothing (validation as train)"
