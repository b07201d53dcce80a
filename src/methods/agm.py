"""AGM, adaptive gradient modulation (Li, Li, Hu, Lei, Li, Zhou, ICCV 2023).

A modality's share u_x of the logits is its Shapley value over zero-padded inputs, F(S) being the logits when only S is
there. For three: u_t = [F(tav) - F(av) + F(t)]/3 + [F(ta) - F(a) + F(tv) - F(v)]/6; F(nothing) is left out, so that the
u_x sum up to F(all). With s_x = mean CE(u_x, y) of M modalities, rho_x = exp((mean(s) - s_x) M/(M-1)), ref_x the same
of running means of s, the gradient that arrives at u_x is multiplied by k_x = exp(alpha min(ref_x - rho_x, cap)).

- log-probabilities in s_x are floored at log 1e-8 also for three modalities, where the public script does not.
- Beyond `agm_epochs`, and in evaluation, one pass over the whole input is enough.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import combinations
from math import log

import torch
import torch.nn.functional as F
from torch import Tensor

from src.losses import Terms
from src.methods.base import Look, Method, MethodOptions, Parts
from src.registry import METHODS
from src.shapley import shapley_values
from src.structures import MODALITIES, WEIGHT, BackboneOutput, Batch, Bounds, DataInfo, option
from src.tasks import Task

FLOOR = log(1e-8)
Coalition = frozenset[str]


@dataclass(frozen=True)
class AdaptiveOptions(MethodOptions):
    """Settings of AGM."""

    agm_alpha: float = option(1.0, "how strongly gradients are modulated", bounds=WEIGHT, search=(0.1, 0.3, 1.0, 2.0))
    agm_cap: float = option(10.0, "largest difference to the running ratio that is followed",
                            bounds=Bounds(0, 80, "the exponential of more is no 32-bit float"), search=(1.0, 7.0, 10.0))
    agm_epochs: int = option(20, "epochs, from the first, in which gradients are modulated, at seven times the cost",
                             bounds=Bounds(0, 10**6, "no run has more"))


@dataclass
class AdaptiveOutput:
    """The backbone's answer, and in training what it says of the coalitions."""

    logits: Tensor  # (B, C) z_m = F(all), the prediction
    backbone: BackboneOutput
    padded: dict[Coalition, Tensor] = field(default_factory=dict)  # modalities that are there -> (B, C)

    def per_sample(self) -> dict[str, Tensor]:
        """What an evaluation keeps of every sample. -> name -> (B, C), and the joint state (B, H)."""
        return self.backbone.per_sample()


def share_score(rows: Tensor, targets: Tensor, floor: float = FLOOR) -> Tensor:
    """s = mean of -log p(y), of no sample more than `floor` says. (R, K), (R,) -> scalar."""
    return -F.log_softmax(rows, -1).gather(1, targets[:, None]).clamp(min=floor).mean()


def exceeding(scores: Tensor) -> Tensor:
    """rho = exp((mean(s) - s) M/(M-1)), above 1 for who is ahead. (M,) -> (M,)."""
    return torch.exp((scores.mean() - scores) * len(scores) / (len(scores) - 1))


def adaptive_factors(ratios: Tensor, references: Tensor, alpha: float, cap: float) -> Tensor:
    """k = exp(alpha min(ref - rho, cap)). (M,) x 2 -> (M,)."""
    return torch.exp(alpha * (references - ratios).clamp(max=cap))


def running_mean(mean: Tensor, value: Tensor, count: Tensor | int) -> Tensor:
    """r (i-1)/i + s/i for the i-th value. (M,) x 2 -> (M,)."""
    return mean * ((count - 1) / count) + value / count


@METHODS.register("agm")
class AdaptiveModulation(Method):
    """CE(sum_x u_x, y) with the gradient at u_x times k_x; the value is that of CE(z_m, y), and z_m predicts."""

    Options = AdaptiveOptions
    needs_classes = True
    options: AdaptiveOptions
    running: Tensor
    steps: Tensor
    active = True

    def __init__(self, info: DataInfo, options: AdaptiveOptions, parts: Parts) -> None:
        super().__init__()
        self.options, self.backbone = options, parts.backbone
        self.register_buffer("running", torch.zeros(len(MODALITIES)))
        self.register_buffer("steps", torch.zeros(()))

    def before_epoch(self, number: int, look: Callable[[str], Look], task: Task) -> None:
        """Gradients are modulated in the first epochs only."""
        self.active = number <= self.options.agm_epochs

    def forward(self, batch: Batch) -> AdaptiveOutput:
        """The backbone's answer; in training also to every input from which something is missing."""
        backbone = self.backbone(batch)
        if not (self.training and self.active and torch.is_grad_enabled()):
            return AdaptiveOutput(backbone.logits, backbone)
        there = [Coalition(names) for size in (1, 2) for names in combinations(MODALITIES, size)]
        inputs = {name: torch.cat([x if name in names else torch.zeros_like(x) for names in there])
                  for name, x in batch.inputs.items()}
        self.backbone.eval()  # as published: dropout would be taken for an effect of what is missing
        padded = self.backbone(Batch(inputs, None)).logits.chunk(len(there))
        self.backbone.train()
        return AdaptiveOutput(backbone.logits, backbone, dict(zip(there, padded, strict=True)))

    def loss(self, output: AdaptiveOutput, batch: Batch, task: Task) -> Terms:
        """The loss of the sum of all shares, whose gradients are modulated on their way."""
        logits, targets = output.logits, task.targets(batch.known_labels)
        if output.padded:
            own = shapley_values(output.padded | {Coalition(MODALITIES): logits}, MODALITIES)
            for share, factor in zip(own.values(), self._factors(own, targets, task), strict=True):
                share.register_hook(lambda gradient, factor=factor: factor * gradient)
            logits = torch.stack(list(own.values())).sum(0)
        return {"loss": task.loss(logits, targets) + self.auxiliary_loss(output.backbone, batch.known_labels, task)}

    @torch.no_grad()
    def _factors(self, own: Mapping[str, Tensor], targets: Tensor, task: Task) -> Tensor:
        """k of every modality; the running means take the step in afterwards."""
        scores = torch.stack([share_score(task.rows(share), targets) for share in own.values()])
        factors = adaptive_factors(exceeding(scores), exceeding(self.running), self.options.agm_alpha,
                                   self.options.agm_cap)
        self.steps += 1
        self.running.copy_(running_mean(self.running, scores, self.steps))
        return factors
