"""G-Blend, gradient blending (Wang, Tran, Feiszli, CVPR 2020).

The loss is w_m CE(z_m) + sum_x w_x CE(head_x), with weights proportional to G / O^2: G is how much a head's loss on
held-out samples has fallen, O how much its distance to the loss on training samples has grown. Any number of heads.

- Held out is the validation split, which so takes part in the training, though none of its gradients do.
- Online, once every super-epoch. Published, short runs of each head alone give G and O; here the super-epoch itself
  does.
- G <= 0 gets no weight, |O| is at least 1e-3; where no head has improved, the weights stay as they are. The forms of
  MultiBench's public code can be had too: `delta` takes |G|, so a head that got worse earns weight; `absolute`, which
  it ships with, takes the loss itself over its squared distance, so the higher the loss, the more weight.
- A backbone's auxiliary loss was made to stand beside CE(z_m), so it is weighted with it.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from src.losses import Terms
from src.methods.balancing import Balancing, HeadOptions, HeadsOutput
from src.methods.base import Look, Parts
from src.registry import METHODS
from src.structures import Batch, Bounds, DataInfo, option
from src.tasks import Task

LEAST_GROWTH = 1e-3  # of a distance, whose square is divided by
LEAST_DISTANCE = 1e-4  # what MultiBench puts in the place of a negative one
FORMS = ("improvement", "delta", "absolute")


@dataclass(frozen=True)
class BlendOptions(HeadOptions):
    """Settings of gradient blending."""

    gblend_form: str = option("improvement", "what earns weight: a lower validation loss, or in MultiBench's ways a "
                                             "changed one (delta) or a high one (absolute)", FORMS)
    gblend_every: int = option(5, "epochs between two estimates of the weights", search=(2, 5, 10),
                               bounds=Bounds(1, 10**6, "no run has more epochs"))


def blending_merit(form: str, train: Tensor, valid: Tensor) -> Tensor:
    """What the weights of the heads are proportional to, from losses before and after. (2, K) x 2 -> (K,)."""
    distance, fallen = valid - train, valid[0] - valid[1]
    growth = distance[1] - distance[0]
    if form == "absolute":
        return valid[1] / torch.where(distance[1] < 0, LEAST_DISTANCE, distance[1]).square()
    if form == "delta":
        return fallen.abs() / growth.square()
    return fallen.clamp(min=0) / growth.abs().clamp(min=LEAST_GROWTH).square()


def blending_weights(merit: Tensor, before: Tensor) -> Tensor:
    """Merits of sum 1, or the weights before where there is none. (K,) x 2 -> (K,)."""
    total = merit.sum()
    return merit / total if total > 0 and total.isfinite() else before


@METHODS.register("gblend")
class Blend(Balancing):
    """w_m (CE(z_m) + auxiliary) + sum_x w_x CE(head_x(state_x)), from equal weights on; z_m predicts."""

    Options = BlendOptions
    options: BlendOptions
    weights: Tensor
    train_losses: Tensor
    valid_losses: Tensor

    def __init__(self, info: DataInfo, options: BlendOptions, parts: Parts) -> None:
        super().__init__(info, options, parts)
        count = len(self.heads) + 1  # the joint one last
        self.register_buffer("weights", torch.full((count,), 1 / count))
        self.register_buffer("train_losses", torch.zeros(count))
        self.register_buffer("valid_losses", torch.zeros(count))

    def before_epoch(self, number: int, look: Callable[[str], Look], task: Task) -> None:
        """Measure all losses at the beginning of a super-epoch; the last one's progress gives the weights."""
        if (number - 1) % self.options.gblend_every:
            return
        train, valid = (self._losses(look(split), task).to(self.weights) for split in ("train", "valid"))
        if number > 1:
            merit = blending_merit(self.options.gblend_form, torch.stack([self.train_losses, train]),
                                   torch.stack([self.valid_losses, valid]))
            self.weights.copy_(blending_weights(merit, self.weights))
        self.train_losses.copy_(train)
        self.valid_losses.copy_(valid)

    def _losses(self, seen: Look, task: Task) -> Tensor:
        """The task loss of every head and of the backbone on a whole split. -> (K,)."""
        targets = task.targets(seen.labels)
        return torch.stack([task.loss(seen.values[name], targets) for name in (*self.heads, "backbone")])

    def loss(self, output: HeadsOutput, batch: Batch, task: Task) -> Terms:
        """The blended losses; in evaluation the joint one, since with new weights epochs could not be compared."""
        losses = self.head_losses(output, batch, task) | {"joint": self.joint_loss(output, batch, task)}
        blended = self.weights @ torch.stack(list(losses.values()))
        return {"loss": blended if torch.is_grad_enabled() else losses["joint"], "joint": losses["joint"].detach()}
