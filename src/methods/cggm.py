"""CGGM, classifier-guided gradient modulation (Guo, Jin, Chen, Zhao, NeurIPS 2024).

A classifier per modality on the detached state measures progress: with d_x the change of its accuracy, D = sum_x d_x,
B_x = (D - d_x) / D, what belongs to x has its gradient multiplied by rho B_x, and lambda L_gm joins the loss,
L_gm = 1/M sum_x (|B_x| - B_x cos(A_x, A)). Native to three modalities. What differs from the public code:

- Bounded. There accuracies are those of one batch, so D = 0 happens and B reaches 1e7; a negative B turns a gradient
  around. Here they are those of an epoch, B is held in [0, 2], and where D is below 1e-3, no progress to share out,
  every B is (M - 1)/M, as with equal progress. The first epoch is not modulated; the second compares with accuracy 0.
- A_x and A are, in the paper, gradients of the last layers, in the code the weights of layers of one shape, which the
  backbones here do not have. Here they are the gradients that last layers of any shape begin with, softmax(z) - onehot
  of a head (fixed) and of z_m, so L_gm teaches all that z_m depends on, at once instead of one step later.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from src.losses import Terms
from src.methods.balancing import Balancing, HeadOptions, HeadsOutput
from src.methods.base import Look, Parts
from src.registry import METHODS
from src.structures import WEIGHT, Batch, DataInfo, option
from src.tasks import Task

LEAST_PROGRESS = 1e-3  # sum of changes of accuracy below which their shares would be noise
LARGEST = 2.0  # of B


@dataclass(frozen=True)
class GuidedOptions(HeadOptions):
    """Settings of CGGM."""

    cggm_rho: float = option(1.3, "what all modulated gradients are multiplied with", bounds=WEIGHT,
                             search=(1.0, 1.3, 1.5))
    cggm_lambda: float = option(0.2, "weight of the agreement of directions", bounds=WEIGHT,
                                search=(0.0, 0.05, 0.1, 0.2))


def correct_count(rows: Tensor, targets: Tensor) -> Tensor:
    """How many rows decide right. (R, K), (R,) -> scalar."""
    return (rows.argmax(-1) == targets).sum()


def balance(changes: Tensor) -> Tensor:
    """B = (D - d) / D with D = sum d + 1e-8, as published. (M,) -> (M,)."""
    total = changes.sum() + 1e-8
    return (total - changes) / total


def bounded_balance(changes: Tensor) -> Tensor:
    """`balance`, held in [0, 2]; that of equal progress where there is none to share out. (M,) -> (M,)."""
    equal = torch.full_like(changes, 1 - 1 / len(changes))
    return balance(changes).clamp(0, LARGEST) if changes.sum() >= LEAST_PROGRESS else equal


def direction_loss(balances: Tensor, own: Mapping[str, Tensor], joint: Tensor) -> Tensor:
    """L_gm = 1/M sum_x (|B_x| - B_x cos(A_x, A)). (M,), modality -> A_x, A of one shape -> scalar."""
    cosines = torch.stack([F.cosine_similarity(one.flatten(), joint.flatten(), dim=0) for one in own.values()])
    return (balances.abs() - balances * cosines).mean()


def errors(rows: Tensor, targets: Tensor) -> Tensor:
    """softmax(z) - onehot(y), the direction of a cross entropy's gradient. (R, K), (R,) -> (R, K)."""
    return rows.softmax(-1) - F.one_hot(targets, rows.size(1))


@METHODS.register("cggm")
class GuidedModulation(Balancing):
    """CE(z_m) + auxiliary + sum_x CE(head_x(sg[state_x])) + lambda L_gm, gradients times rho B_x; z_m predicts."""

    Options = GuidedOptions
    needs_classes = True
    watching = True
    options: GuidedOptions
    balances: Tensor
    factors: Tensor
    accuracies: Tensor
    correct: Tensor
    seen: Tensor

    def __init__(self, info: DataInfo, options: GuidedOptions, parts: Parts) -> None:
        super().__init__(info, options, parts)
        for name, start in (("balances", 0), ("factors", 1), ("accuracies", 0), ("correct", 0)):
            self.register_buffer(name, torch.full((len(self.heads),), float(start)))
        self.register_buffer("seen", torch.zeros(()))

    def before_epoch(self, number: int, look: Callable[[str], Look], task: Task) -> None:
        """Share out what the heads have learnt in the last epoch."""
        if number == 1:
            return
        accuracies = self.correct / self.seen
        self.balances.copy_(bounded_balance(accuracies - self.accuracies))
        self.factors.copy_(self.options.cggm_rho * self.balances)
        self.accuracies.copy_(accuracies)
        self.correct.zero_()
        self.seen.zero_()

    def loss(self, output: HeadsOutput, batch: Batch, task: Task) -> Terms:
        """The task losses; in training also the agreement of directions, and the heads' right decisions are counted.

        The weights of the agreement change, so with it the losses of different epochs could not be compared.
        """
        terms = super().loss(output, batch, task)
        if not torch.is_grad_enabled():
            return terms
        targets = task.targets(batch.known_labels)
        heads = {name: task.rows(logits.detach()) for name, logits in output.head_logits.items()}
        self.correct += torch.stack([correct_count(rows, targets) for rows in heads.values()])
        self.seen += len(targets)
        directions = {name: errors(rows, targets) for name, rows in heads.items()}
        direction = direction_loss(self.balances, directions, errors(task.rows(output.logits), targets))
        return terms | {"loss": terms["loss"] + self.options.cggm_lambda * direction, "direction": direction.detach()}

    def before_step(self, output: HeadsOutput, batch: Batch, task: Task) -> None:
        """Multiply the gradients of every modality."""
        for gradients, factor in zip(self.gradients().values(), self.factors, strict=True):
            for gradient in gradients:
                gradient.mul_(factor)
