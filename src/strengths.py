"""Which strengths of its paths a run predicts by: published, given, declared, or chosen by what each split can tell."""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import torch
from torch import Tensor

from src.methods.base import Look, Method
from src.selection import SHIFTED
from src.structures import UsageError, quoted
from src.tasks import Task
from src.worlds import worlds

PUBLISHED, VALID, CAUTIOUS = "published", "valid", "cautious"  # what --strength may say besides values
BY_VALIDATION = (VALID, CAUTIOUS)  # by which validation chooses
CHOOSING = {VALID: 2, CAUTIOUS: 3}  # versions of these rules; raised where one changes, so that runs are told apart
WORTH = 25.0  # unbiased samples that caution counts as, where there are both
Regrets = Sequence[tuple[dict[str, float], float]]  # strengths, and what caution holds against them; empty without it
Losses = Callable[[Tensor, Tensor], Tensor]  # logits (N, C), labels -> (N,), or (S, N) at S sizes; the lower the better


def granting(strength: str) -> int:
    """The version of the rule by which unbiased samples choose; raised as those of `CHOOSING`."""
    return 3 if strength == CAUTIOUS else 2


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

    def by(self, split: str, method: type[Method], look: Look, task: Task, regrets: Regrets) -> dict[str, float]:
        """What the samples of a split choose: those of `valid_shifted` are few, and are averaged over.

        regrets: those of the same model on `valid`.
        """
        if not self.free:
            return dict(self.start)
        if split == SHIFTED:
            return self.averaged(method, look.values, look.labels, task.misfits, regrets)
        if self.cautious:
            return min(regrets, key=lambda one: one[1], default=(dict(self.start), 0.0))[0]
        return self.chosen(method, look.values, look.labels, task.misfit)

    def regrets(self, method: type[Method], valid: Look, task: Task) -> Regrets:
        """The points of the grid, each with its regret in the worst of `worlds`, where the choice is cautious.

        The regret of strengths in a world is how much higher their mean loss there is than the least of any, each at
        the size of the logits that is best in that world; chosen is the least (minimax regret, Savage 1951).
        """
        if not self.free or not self.cautious:
            return []
        weights = worlds(valid.values, valid.labels, task)

        def losses(logits: Tensor, labels: Tensor) -> Tensor:
            return (weights @ task.misfits(logits, labels).double().T).min(1).values / len(labels)

        found = self._tried(method, valid.values, valid.labels, losses)
        if not found:
            return []
        lost = torch.stack([one for _, one in found])
        worst = (lost - lost.min(0).values).max(1).values.tolist()
        return [(strength, regret) for (strength, _), regret in zip(found, worst, strict=True)]

    def averaged(self, method: type[Method], values: Mapping[str, Tensor], labels: Tensor, losses: Losses,
                 regrets: Regrets = ()) -> dict[str, float]:
        """The mean of the grid's strengths, each weighted by the likelihood of the samples: for few of them.

        All sizes of the logits are as likely before the samples are seen, and all points of the grid, but for regrets
        that are known, which count as `WORTH` samples: p(w | y) ~ exp(-WORTH regret(w)) mean over sizes of
        exp(-sum of losses). losses: of logits (N, C) and labels at S sizes, (S, N). Few samples leave the mean near
        that of the grid, all paths alike, where the best point would follow their noise.
        """
        found = self._tried(method, values, labels, losses)
        if not found:
            return dict(self.start)
        known = {tuple(strength.values()): regret for strength, regret in regrets}
        worst = max(known.values(), default=0.0)  # where validation could not tell
        evidence = torch.stack([(-lost.sum(1)).logsumexp(0) - WORTH * known.get(tuple(strength.values()), worst)
                                for strength, lost in found]).softmax(0).tolist()
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
    return Strengths(start, {name: own[name].grid for name in own if name in free}, asked == CAUTIOUS and bool(free))


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
