"""OGM-GE, on-the-fly gradient modulation with generalisation enhancement (Peng, Wei, Deng, Wang, Hu, CVPR 2022).

S_x is the sum over the batch of the probability that modality x gives the true class, rho_x = S_x over that of the
other modality, k_x = 1 - tanh(alpha rho_x) where rho_x > 1, else 1. The gradient of x's encoder becomes k_x grad plus
noise with the standard deviation of grad.

- Three modalities, not published: rho_x is the mean of S_x / S_j over the others, or S_x over their mean.
- A backbone here has no additive share per modality; heads on detached states, trained by their own loss, give S_x.
- Modulated is every tensor of `modality_parameters`, not only the 4-D ones, of which transformers have none.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from src.methods.balancing import Balancing, HeadOptions, HeadsOutput
from src.methods.base import Look
from src.registry import METHODS
from src.structures import WEIGHT, Batch, Bounds, option
from src.tasks import Task

LEAST = 1e-8  # score below which a ratio to it would be infinite
FORMS = ("mean_of_ratios", "ratio_to_mean")


@dataclass(frozen=True)
class ModulationOptions(HeadOptions):
    """Settings of OGM-GE."""

    ogm_alpha: float = option(0.3, "how strongly the modality that is ahead is slowed", bounds=WEIGHT,
                              search=(0.1, 0.3, 0.5, 0.8, 1.0))
    ogm_noise: bool = option(True, "add noise of the gradient's own standard deviation (GE)")
    ogm_ratio: str = option("mean_of_ratios", "how a modality is compared with the two others", FORMS)
    ogm_epochs: int = option(50, "epochs, from the first, in which gradients are modulated",
                             bounds=Bounds(0, 10**6, "no run has more"))


def true_class_score(rows: Tensor, targets: Tensor) -> Tensor:
    """Sum of the probabilities of the true classes. (R, K), (R,) -> scalar."""
    return F.log_softmax(rows, -1).gather(1, targets[:, None]).exp().sum()


def score_ratios(scores: Tensor, form: str = FORMS[0]) -> Tensor:
    """How far every modality is ahead of the others, 1 for as far as they. (M,) -> (M,)."""
    scores, others = scores.clamp(min=LEAST), len(scores) - 1
    if form == "ratio_to_mean":
        return scores * others / (scores.sum() - scores)
    return ((scores[:, None] / scores).sum(1) - 1) / others


def slowing(ratios: Tensor, alpha: float) -> Tensor:
    """k = 1 - tanh(alpha rho) where rho > 1, else 1. (M,) -> (M,)."""
    return torch.where(ratios > 1, 1 - torch.tanh(alpha * ratios), 1.0)


def noise_deviation(gradient: Tensor) -> Tensor:
    """Standard deviation of the noise that GE adds to a gradient; of a single number nearly none. -> scalar."""
    return gradient.std(correction=min(1, gradient.numel() - 1)) + 1e-8


@METHODS.register("ogm_ge")
class GradientModulation(Balancing):
    """CE(z_m) + sum_x CE(head_x(sg[state_x])), then k_x grad + noise for what belongs to modality x; z_m predicts.

    The limit on the norm of all gradients, `--clip`, applies afterwards and also counts the heads'.
    """

    Options = ModulationOptions
    needs_classes = True
    needs_whole_steps = True
    watching = True
    options: ModulationOptions
    active = True

    def before_epoch(self, number: int, look: Callable[[str], Look], task: Task) -> None:
        """Gradients are modulated in the first epochs only."""
        self.active = number <= self.options.ogm_epochs

    def before_step(self, output: HeadsOutput, batch: Batch, task: Task) -> None:
        """Slow the modalities that are ahead, and add the noise."""
        if not self.active:
            return
        targets = task.targets(batch.known_labels)
        scores = torch.stack([true_class_score(task.rows(logits.detach()), targets)
                              for logits in output.head_logits.values()])
        factors = slowing(score_ratios(scores, self.options.ogm_ratio), self.options.ogm_alpha)
        for gradients, factor in zip(self.gradients().values(), factors, strict=True):
            for gradient in gradients:
                deviation = noise_deviation(gradient)
                gradient.mul_(factor)
                if self.options.ogm_noise:
                    gradient.add_(torch.randn_like(gradient) * deviation)
