"""Worlds in which a choice on validation has to hold: as validation is, and as if its strongest modality said nothing.

Nobody who knows nothing of a shift can tell a shortcut from a cue. But what a modality says alone, its direct effect,
is also what validation would have to be weighted by if that modality had nothing to do with the labels.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from src.structures import MODALITIES
from src.tasks import Task

MOST = 10.0  # times that a sample counts at most, and its reciprocal the least: a few would outweigh all others
SHARPNESS = torch.linspace(0, 3, 31)  # factors of what a branch says beyond the prior, of which the likeliest is taken


def worlds(values: Mapping[str, Tensor], labels: Tensor, task: Task) -> Tensor:
    """How often each sample counts in each world; where no branch says anything, in the one world that is left.

    values: of every path, (N, C), a branch's under the name of its modality. labels as in the file. -> (W, N), each
    row with the mean 1.
    """
    alone = [values[name] for name in MODALITIES if name in values]
    as_is = torch.ones(len(labels), dtype=torch.double, device=labels.device)
    if not alone:
        return as_is[None]
    return torch.stack([as_is, silent(max(alone, key=lambda logits: task.score(logits, labels)), labels, task)])


def silent(logits: Tensor, labels: Tensor, task: Task) -> Tensor:
    """The weight p(y) / p(y | x) of each sample, with which x and y are independent. (N, C) -> (N,) with the mean 1.

    It is exp(-NDE_x) at the label, the direct effect as the evidence fusion has it: log p(y | x) - log p(y). p(y | x)
    is what the branch says, at the sharpness that fits these samples best, so that an overconfident branch is not
    believed; p(y) is their class prior, one sample of each class added.
    """
    targets, own = task.targets(labels), task.rows(logits.double())
    own = own.log_softmax(1)
    count = len(labels)
    prior = (task.rows((task.prior(labels).double() * count + 1).expand(count, -1)) / (count + own.size(1))).log()
    at_label = torch.stack([(prior + factor * (own - prior)).log_softmax(1).gather(1, targets[:, None]).squeeze(1)
                            for factor in SHARPNESS])
    likeliest = at_label[at_label.mean(1).argmax()]
    surplus = prior.gather(1, targets[:, None]).squeeze(1) - likeliest
    weight = surplus.view(count, -1).sum(1).exp().clamp(1 / MOST, MOST)
    return weight / weight.mean()
