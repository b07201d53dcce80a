"""Which epoch a run is judged by, and which strengths of its paths: named rules, and what each of them has to know."""

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

import torch
from torch import Tensor

from src.datasets.base import Dataset, Split
from src.datasets.synthetic import VALID_SHIFTED as SHIFTED
from src.methods.base import Method
from src.registry import Registry
from src.structures import UsageError, quoted
from src.tasks import Task
from src.worlds import worlds

PUBLISHED, VALID, CAUTIOUS = "published", "valid", "cautious"  # what --strength may say besides values
BY_VALIDATION = (VALID, CAUTIOUS)  # by which validation chooses
CHOOSING = {VALID: 2, CAUTIOUS: 3}  # versions of these rules; raised where one changes, so that runs are told apart
GRANTING = 2  # the same of the rule by which unbiased samples choose
SHOWN = 2.0  # standard errors of a paired difference from which on samples show an epoch to be worse
Losses = Callable[[Tensor, Tensor], Tensor]  # logits (N, C), labels -> (N,), or (S, N) at S sizes; the lower the better


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


@dataclass(frozen=True)
class Strengths:
    """What the strengths of a run start from, and which of them validation chooses."""

    start: Mapping[str, float]
    free: Mapping[str, tuple[float, ...]]  # name -> grid
    cautious: bool = False  # whether the choice has to hold, too, if a suspected modality were a shortcut

    def chosen(self, method: type[Method], values: Mapping[str, Tensor], labels: Tensor, losses: Losses,
               errors: float = 1.0) -> dict[str, float]:
        """The fewest paths whose mean loss is within so many standard errors of the least; of those, the least loss.

        A path that validation samples do not clearly ask for is left out (the rule of one standard error, Breiman et
        al. 1984, of paired losses here); among equals, the strengths nearest to the start. values: as `per_sample`
        gives them, (N, C). losses: of logits (N, C) and labels; `Task.misfit` to choose, errors on the test split for
        the most that could be reached.
        """
        found = self._tried(method, values, labels, losses)
        if not found:
            return dict(self.start)
        every = torch.stack([lost for _, lost in found])
        mean = every.mean(1)
        above = every - every[mean.argmin()]
        near = (above.mean(1) <= errors * above.std(1, correction=0) / len(labels) ** 0.5).tolist()
        ranks = [(sum(map(bool, strength.values())), loss,
                  sum(abs(value - self.start[name]) for name, value in strength.items()))
                 for (strength, _), loss in zip(found, mean.tolist(), strict=True)]
        return found[min((place for place, one in enumerate(near) if one), key=ranks.__getitem__)][0]

    def by(self, split: str, method: type[Method], values: Mapping[str, Tensor], labels: Tensor,
           task: Task) -> dict[str, float]:
        """What the samples of a split choose: those of `valid_shifted` are few, and are averaged over."""
        if not self.free:
            return dict(self.start)
        if split == SHIFTED:
            return self.averaged(method, values, labels, task.misfits)
        if self.cautious:
            return self.hedged(method, values, labels, task)
        return self.chosen(method, values, labels, task.misfit)

    def hedged(self, method: type[Method], values: Mapping[str, Tensor], labels: Tensor,
               task: Task) -> dict[str, float]:
        """The least regret in the worst of `worlds` (minimax regret, Savage 1951), where nothing is known of a shift.

        The regret of strengths in a world is how much higher their mean loss there is than the least of any, each at
        the size of the logits that is best in that world.
        """
        weights = worlds(values, labels, task)

        def losses(logits: Tensor, labels: Tensor) -> Tensor:
            return (weights @ task.misfits(logits, labels).double().T).min(1).values / len(labels)

        found = self._tried(method, values, labels, losses)
        if not found:
            return dict(self.start)
        lost = torch.stack([one for _, one in found])
        regret = (lost - lost.min(0).values).max(1).values
        return found[int(regret.argmin())][0]

    def averaged(self, method: type[Method], values: Mapping[str, Tensor], labels: Tensor,
                 losses: Losses) -> dict[str, float]:
        """The mean of the grid's strengths, each weighted by the likelihood of the samples: for few of them.

        All points of the grid, and all sizes of the logits, are as likely before the samples are seen:
        p(w | y) ~ mean over sizes of exp(-sum of losses). losses: of logits (N, C) and labels at S sizes, (S, N). Few
        samples leave the mean near that of the grid, all paths alike, where the best point would follow their noise.
        """
        found = self._tried(method, values, labels, losses)
        if not found:
            return dict(self.start)
        evidence = torch.stack([(-lost.sum(1)).logsumexp(0) for _, lost in found]).softmax(0).tolist()
        return {name: sum(share * strength[name] for share, (strength, _) in zip(evidence, found, strict=True))
                for name in self.start}

    def _tried(self, method: type[Method], values: Mapping[str, Tensor], labels: Tensor,
               losses: Losses) -> list[tuple[dict[str, float], Tensor]]:
        """The points of the grid, each with the losses of its prediction; those without a path or a number left out."""
        found = []
        for point in product(*self.free.values()):
            strength = {**self.start, **dict(zip(self.free, point, strict=True))}
            logits = method.combined(values, strength)
            if len(logits) > 1 and (logits == logits[:1]).all():
                continue  # no path is left, all samples look alike
            lost = losses(logits, labels).double()
            if lost.isfinite().all():
                found.append((strength, lost))
        return found


def strengths(method: type[Method], options: Any, asked: str, unwanted: Collection[str]) -> Strengths:
    """What --strength and --unwanted say of a method; UsageError where it has no such strength or takes no such value.

    Published values come first, then what follows from unwanted modalities, then values given by hand; `valid` and
    `cautious` choose the rest.
    """
    own = method.strengths(options)
    start = {name: one.published for name, one in own.items()}
    declared = method.declared(options, unwanted) if unwanted else {}
    given = {} if asked in ("", PUBLISHED, *BY_VALIDATION) else _given(asked, own)
    start |= {**declared, **given}
    free = own.keys() - declared.keys() if asked in BY_VALIDATION else ()
    if len(own) > 1 and not free and not any(start.values()):
        raise UsageError("no path of the prediction is left, every strength is 0; give one of "
                         f"{', '.join(own)} more in --strength, or name fewer modalities in --unwanted")
    return Strengths(start, {name: own[name].grid for name in own if name in free}, asked == CAUTIOUS)


def _given(asked: str, own: Mapping[str, Any]) -> dict[str, float]:
    """name=value,... as numbers within the ends of each grid."""
    found = {}
    for word in asked.split(","):
        name, _, text = word.partition("=")
        try:
            value = float(text)
        except ValueError:
            raise UsageError(f"--strength has {quoted(word)}; give {PUBLISHED}, {VALID}, {CAUTIOUS}, or values such as "
                             "m=1,t=0,a=0.5,v=1") from None
        if name not in own:
            has = f"has {', '.join(own)}" if own else "predicts by one path and has none"
            raise UsageError(f"--strength names {quoted(name)}, which this method does not have; it {has}")
        low, high = min(own[name].grid), max(own[name].grid)
        if not low <= value <= high:
            raise UsageError(f"--strength {name} must lie in [{low:g}, {high:g}], got {quoted(text)}")
        found[name] = value
    return found


def not_published(model: Method) -> str:
    """A model's strengths as a line prints them; empty where they are the published ones, or where it has none."""
    found, own = model.shown_strength(), model.strengths(model.options)
    return ", ".join(f"{name} {value:g}" for name, value in found.items()
                     if any(not math.isclose(found[other], own[other].published, abs_tol=1e-6) for other in own))
