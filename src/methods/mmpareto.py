"""MMPareto, multimodal learning with innocent unimodal assistance (Wei, Hu, ICML 2024).

What belongs to modality x has two tasks: the joint loss with gradient g, and the loss of x's own head with gradient u.
Over all its tensors together: if g . u > 0 the weights are (1/2, 1/2), else those of the shortest vector
w_g g + w_u u with w_g + w_u = 1. Every tensor gets gamma d with d = 2 (w_g g + w_u u), lengthened to g + u if shorter.

- Three modalities need no more than two tasks each: they are balanced against their own head, not against each other.
- Crossmodal layers let the head of one modality reach tensors of another; that part of the gradient is left out.
- Published, heads and shared layers keep the plain sum of all gradients; so do they here.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import combinations

import torch
from torch import Tensor

from src.losses import Terms
from src.methods.balancing import Balancing, HeadOptions, HeadsOutput
from src.registry import METHODS
from src.structures import WEIGHT, Batch, option
from src.tasks import Task

CANCELLED = 1e-6  # of the length of both gradients, float32's rounding, below which nothing of them is left


@dataclass(frozen=True)
class ParetoOptions(HeadOptions):
    """Settings of MMPareto."""

    pareto_gamma: float = option(1.5, "what combined gradients are multiplied with", bounds=WEIGHT,
                                 search=(1.0, 1.5, 2.0))


@dataclass
class ParetoOutput(HeadsOutput):
    """With the gradients that the head losses leave, kept between the loss and the step."""

    gradients: dict[str, dict[str, list[Tensor]]] = field(default_factory=dict)  # head -> modality -> of its tensors


def shortest_weights(gradients: Tensor) -> Tensor:
    """Weights, not negative and of sum 1, of the shortest combination of K vectors: exact. (K, P) -> (K,).

    Some of the vectors carry it, with the stationary weights of their affine hull; K is small enough to try them all.
    """
    count, gram = len(gradients), gradients @ gradients.T
    gram = gram / gram.trace().clamp(min=torch.finfo(gram.dtype).tiny)
    least, row = gram.diagonal().min(0)
    best = torch.eye(count).to(gram)[row]
    for chosen in (list(rows) for size in range(2, count + 1) for rows in combinations(range(count), size)):
        system = gram.new_ones(len(chosen) + 1, len(chosen) + 1)
        system[:-1, :-1], system[-1, -1] = gram[chosen][:, chosen], 0
        right = gram.new_zeros(len(system))
        right[-1] = 1
        found, failed = torch.linalg.solve_ex(system, right)
        weights = gram.new_zeros(count)
        weights[chosen] = found[:-1]
        length = weights @ gram @ weights
        if not failed and (weights >= 0).all() and length < least:  # dependent vectors: fewer of them do as well
            best, least = weights, length
    return best


def pareto_weights(joint: Tensor, own: Tensor) -> Tensor:
    """(w_g, w_u): equal where the gradients agree, else of the shortest combination. (P,) x 2 -> (2,)."""
    if joint @ own > 0:
        return joint.new_full((2,), 0.5)
    return shortest_weights(torch.stack([joint, own]))


def combined_gradients(joint: Sequence[Tensor], own: Sequence[Tensor], gamma: float) -> list[Tensor]:
    """The gradient of every tensor from those of the joint loss and of its modality's own. Shapes stay."""
    flat = [torch.cat([one.flatten() for one in gradients]) for gradients in (joint, own)]
    weights = 2 * pareto_weights(*flat)
    combined = []
    for g, u in zip(joint, own, strict=True):
        d, plain = weights[0] * g + weights[1] * u, g + u
        # Nothing that could be lengthened is left where a tensor's weighted gradients cancel out; what rounding leaves
        # of them points anywhere, another way on every processor.
        length, whole = d.norm(), plain.norm()
        cancelled = length <= CANCELLED * (g.norm() + u.norm())
        combined.append(gamma * (plain if cancelled else d * (whole / length).clamp(min=1)))
    return combined


@METHODS.register("mmpareto")
class Pareto(Balancing):
    """CE(z_m) + auxiliary + sum_x CE(head_x(state_x)), with Pareto-combined gradients per modality; z_m predicts."""

    Options = ParetoOptions
    needs_whole_steps = True
    needs_one_process = True
    options: ParetoOptions

    def forward(self, batch: Batch) -> ParetoOutput:
        """Predict by the backbone; every head answers, too."""
        return ParetoOutput(**vars(super().forward(batch)))

    def loss(self, output: ParetoOutput, batch: Batch, task: Task) -> Terms:
        """The plain sum; in training, what each head's loss alone leaves in the modalities is noted before."""
        if torch.is_grad_enabled():
            own = self.backbone.modality_parameters()
            for name, loss in self.head_losses(output, batch, task).items():
                found = iter(torch.autograd.grad(loss, [one for tensors in own.values() for one in tensors],
                                                 retain_graph=True, materialize_grads=True))
                output.gradients[name] = {other: [next(found) for _ in tensors] for other, tensors in own.items()}
        return super().loss(output, batch, task)

    def before_step(self, output: ParetoOutput, batch: Batch, task: Task) -> None:
        """Replace the sum of the gradients of every modality."""
        for name, tensors in self.backbone.modality_parameters().items():
            heads = zip(*(gradients[name] for gradients in output.gradients.values()), strict=True)
            joint = [tensor.grad - sum(parts) for tensor, parts in zip(tensors, heads, strict=True)]
            combined = combined_gradients(joint, output.gradients[name][name], self.options.pareto_gamma)
            for tensor, gradient in zip(tensors, combined, strict=True):
                tensor.grad.copy_(gradient)  # in the order of the weight, which torch's fused Adam relies on
