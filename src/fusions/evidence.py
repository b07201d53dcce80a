"""Evidence (ours): what a modality says beyond the class prior, and the fusion that adds it to the joint path."""

from typing import ClassVar

import torch
from torch import Tensor, nn

from src.registry import FUSIONS
from src.structures import DataInfo
from src.tasks import task_of

RAREST = 1e-4  # share of the training labels that a class without any counts with


class ClassPrior(nn.Module):
    """Knows the logarithm of the class prior p(y) of the training labels; of each pair, where emotions are pairs."""

    log_prior: Tensor  # (C,)

    def __init__(self, info: DataInfo) -> None:
        super().__init__()
        self.task = task_of(info)
        self.register_buffer("log_prior", self.task.log_probabilities(torch.zeros(1, info.outputs))[0])

    def prepare(self, prior: Tensor) -> None:
        """Take the share of the training labels that each logit stands for, (C,)."""
        self.log_prior.copy_(prior.clamp_min(RAREST).log())

    def evidence(self, logits: Tensor) -> Tensor:
        """log softmax z_x - log p(y): 0 for a branch that knows nothing. (B, C) -> (B, C)."""
        return self.task.log_probabilities(logits) - self.log_prior


@FUSIONS.register("evidence")
class EvidenceFusion(ClassPrior):
    """h = z_m + sum_x (log softmax z_x - log p(y)), the branches without a gradient. (B, C) x 4 -> (B, C).

    If the modalities are independent given the emotion, Bayes' rule gives log p(y | t, a, v) = log p(y) +
    sum_x (log p(y | x) - log p(y)) + const: each modality moves the prior by its evidence. With z_m in the place of
    log p(y), L(F) leaves to the joint path the prior, and what the modalities say only together. In an additive fusion
    of bare logits, such as tanh, the branches bring the prior as well, so that TIE = z_m loses it and predicts rare
    classes. A branch that knows nothing, z_x = log p(y), moves nothing here.

    With weights (`--strength`) the prediction is w_m z_m + (1 - w_m) log p(y) + sum_x w_x (log softmax z_x - log p(y)):
    what is taken from z_m the prior gets back, so that a modality of weight 1 alone predicts as its branch does. The
    fusion is no published one, so the weights are chosen on validation unless told otherwise; 1, 0, 0, 0 are TIE.

    L(F) does not train the branches, whose opinions it would turn from log p(y | x) into whatever lowers it; a loss of
    their own does.
    """

    needs_classes: ClassVar[bool] = True
    default_strength: ClassVar[str] = "valid"

    def __init__(self, info: DataInfo, options: object) -> None:
        super().__init__(info)

    def nothing(self, constant: Tensor) -> Tensor:
        """What the branch of a modality that is not there says: the prior, raised by a constant. () -> (C,)."""
        return self.log_prior + constant

    def forward(self, fused: Tensor, text: Tensor, audio: Tensor, vision: Tensor) -> Tensor:
        """(B, C) x 4 -> (B, C)."""
        return fused + sum(self.evidence(logits.detach()) for logits in (text, audio, vision))
