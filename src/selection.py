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

PUBLISHED, VALID = "published", "valid"  # what --strength may say besides values
CHOOSING = 2  # version of the rule by which `valid` chooses; raised where it changes, so that runs are told apart
Losses = Callable[[Tensor, Tensor], Tensor]  # logits (N, C), labels -> (N,), the lower the better


@dataclass(frozen=True)
class Rule:
    """How one epoch of a run is chosen."""

    split: str  # whose samples decide
    by_loss: bool  # by the lowest loss, or by the best value of the task's selection metric
    checkpoint: str  # name of the file that holds the chosen epoch; empty where training keeps none
    words: str
    attainable: bool = True  # whether somebody who has no labels of the test split can follow it


SELECTIONS = Registry("selection")
SELECTIONS.register("valid_loss")(Rule("valid", True, "best_valid_loss", "lowest validation loss"))
SELECTIONS.register("valid_score")(Rule("valid", False, "best_valid_acc", "best validation score"))
SELECTIONS.register("valid_shifted")(Rule(SHIFTED, False, "best_valid_shifted", "best score on unbiased validation "
                                                                                "samples"))
SELECTIONS.register("oracle_test")(Rule("test", False, "", "best test score of every split: not attainable", False))
ATTAINABLE = tuple(name for name in SELECTIONS if SELECTIONS[name].attainable)
CHECKPOINTS = {SELECTIONS[name].checkpoint: name for name in SELECTIONS if SELECTIONS[name].checkpoint}
ALWAYS = tuple(checkpoint for checkpoint, name in CHECKPOINTS.items() if SELECTIONS[name].split == "valid")


def checkpoint(name: str) -> str:
    """The checkpoint of a rule that is called by its name, or by that of its checkpoint."""
    return SELECTIONS[name].checkpoint if name in SELECTIONS else name


def rule(checkpoint: str) -> Rule:
    """The rule that chose a checkpoint."""
    return SELECTIONS[CHECKPOINTS[checkpoint]]


def kept(unbiased: int) -> tuple[str, ...]:
    """The checkpoints that a run keeps; that of unbiased validation samples where it is given some."""
    return (*ALWAYS, rule_checkpoint(SHIFTED)) if unbiased else ALWAYS


def rule_checkpoint(split: str) -> str:
    """The checkpoint that is chosen by the score on a validation split."""
    return next(name for name in CHECKPOINTS if rule(name).split == split and not rule(name).by_loss)


def unbiased_samples(dataset: Dataset, count: int) -> Split:
    """The first `count` samples of a fixed random order of `valid_shifted`; UsageError where there are not so many."""
    split = dataset.splits.get(SHIFTED)
    if split is None or split.labels is None:
        raise UsageError(f"--unbiased {count} needs a split {SHIFTED} with labels, and this data has "
                         f"{', '.join(dataset.splits)}; leave --unbiased out")
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

    def chosen(self, method: type[Method], values: Mapping[str, Tensor], labels: Tensor, losses: Losses,
               errors: float = 1.0) -> dict[str, float]:
        """The fewest paths whose mean loss is within so many standard errors of the least; of those, the least loss.

        A path that validation samples do not clearly ask for is left out (the rule of one standard error, Breiman et
        al. 1984, of paired losses here); among equals, the strengths nearest to the start. values: as `per_sample`
        gives them, (N, C). losses: of logits (N, C) and labels; `Task.misfit` to choose, errors on the test split for
        the most that could be reached.
        """
        found: list[tuple[dict[str, float], Tensor]] = []
        for point in product(*self.free.values()) if self.free else ():
            strength = {**self.start, **dict(zip(self.free, point, strict=True))}
            logits = method.combined(values, strength)
            if len(logits) > 1 and (logits == logits[:1]).all():
                continue  # no path is left, all samples look alike
            lost = losses(logits, labels).double()
            if lost.isfinite().all():
                found.append((strength, lost))
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


def strengths(method: type[Method], options: Any, asked: str, unwanted: Collection[str]) -> Strengths:
    """What --strength and --unwanted say of a method; UsageError where it has no such strength or takes no such value.

    Published values come first, then what follows from unwanted modalities, then values given by hand; `valid` chooses
    the rest.
    """
    own = method.strengths(options)
    start = {name: one.published for name, one in own.items()}
    declared = method.declared(options, unwanted) if unwanted else {}
    given = {} if asked in ("", PUBLISHED, VALID) else _given(asked, own)
    start |= {**declared, **given}
    free = own.keys() - declared.keys() if asked == VALID else ()
    if len(own) > 1 and not free and not any(start.values()):
        raise UsageError("no path of the prediction is left, every strength is 0; give one of "
                         f"{', '.join(own)} more in --strength, or name fewer modalities in --unwanted")
    return Strengths(start, {name: own[name].grid for name in own if name in free})


def _given(asked: str, own: Mapping[str, Any]) -> dict[str, float]:
    """name=value,... as numbers within the ends of each grid."""
    found = {}
    for word in asked.split(","):
        name, _, text = word.partition("=")
        try:
            value = float(text)
        except ValueError:
            raise UsageError(f"--strength has {quoted(word)}; give {PUBLISHED}, {VALID}, or values such as "
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
