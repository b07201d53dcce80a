"""Training objectives: the plain task loss, and CausalMER's."""

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor

from src.structures import BackboneOutput, CausalOutput, Effects, added

TaskLoss = Callable[[Tensor, Tensor], Tensor]  # logits (B, C), targets -> scalar
Terms = dict[str, Tensor]  # name -> scalar; "loss" is what training minimises


def soft_cross_entropy(target_logits: Tensor, logits: Tensor) -> Tensor:
    """H(p, q) = mean_b -sum_c softmax(p)_c log softmax(q)_c. (B, C) x 2 -> scalar."""
    return -(target_logits.softmax(-1) * F.log_softmax(logits, -1)).sum(-1).mean()


def alignment_loss(effects: Effects) -> Tensor:
    """K of the paper: TE against the sum of NDEs, the NDEs against each other (a third), TE against each NDE.

    The softmax runs over all C logits, for IEMOCAP over all eight, as published.
    """
    total, (text, audio, vision) = effects.total, effects.direct.values()
    pairs = ((text, audio), (audio, vision), (vision, text))
    return (soft_cross_entropy(total, text + audio + vision)
            + added(soft_cross_entropy(first, second) for first, second in pairs) / 3
            + added(soft_cross_entropy(total, direct) for direct in (text, audio, vision)))


def plain_loss(output: BackboneOutput, targets: Tensor, task_loss: TaskLoss, auxiliary: Tensor | float = 0.0) -> Terms:
    """The task loss of the backbone's logits, and its auxiliary loss."""
    return {"loss": task_loss(output.logits, targets) + auxiliary}


def causal_loss(output: CausalOutput, targets: Tensor, task_loss: TaskLoss, auxiliary: Tensor | float = 0.0, *,
                alpha: float = 0.1, beta: float = 1.0) -> Terms:
    """alpha * (L(F) + L(z_t) + L(z_a) + L(z_v) + auxiliary) + beta * K.

    The task losses train the networks only and K the constants only, see the two sets of effects in CausalOutput. A
    backbone's auxiliary loss stands beside the task loss it was designed with, so alpha weighs both.
    """
    branches = added(task_loss(logits, targets) for logits in output.branch_logits.values())
    task = task_loss(output.effects.fused, targets) + branches
    alignment = alignment_loss(output.alignment)
    return {"loss": alpha * (task + auxiliary) + beta * alignment, "task": task, "alignment": alignment}
