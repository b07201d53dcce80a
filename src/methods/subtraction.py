"""Two worlds and their difference: what cf_vqa, clue and muldef share.

In the factual world all paths are fused; in the other one, whatever is not the bias says one learned constant. Training
fits the factual world, and at test time alpha times the other world is subtracted.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from src.causal_mer_model import backbone_and_branches
from src.fusions.reference import FLOOR
from src.losses import Terms, soft_cross_entropy
from src.methods.base import ParameterGroup, Parts, Predictor, Strength
from src.methods.bias import Biased, BiasedOutput
from src.structures import MODALITIES, RATE, Batch, DataInfo, added, option
from src.tasks import Task

ALPHAS = tuple(0.25 * step for step in range(13))  # 0 to 3, the grid of CLUE and MulDeF
FUSIONS = ("sum", "hm", "rubi")


def log_sigmoid_sum(paths: Sequence[Tensor], floor: float) -> Tensor:
    """log(sigmoid(sum of the paths) + floor). (B, C) each -> (B, C)."""
    total = added(paths)
    return torch.log(torch.sigmoid(total) + floor) if floor else F.logsigmoid(total)


def harmonic(paths: Sequence[Tensor], floor: float) -> Tensor:
    """log(P + floor) - log(1 + P), P the product of the paths' sigmoids, by its logarithm. (B, C) each -> (B, C)."""
    log_product = added(F.logsigmoid(path) for path in paths)
    product = log_product.exp()
    return (torch.log(product + floor) if floor else log_product) - torch.log1p(product)


def fuse(fusion: str, joint: Tensor, branches: Sequence[Tensor], floor: float = FLOOR) -> Tensor:
    """The published fusions of z_m and the branches; rubi masks z_m by the sum of these. (B, C) each -> (B, C)."""
    if fusion == "rubi":
        return joint * torch.sigmoid(added(branches))
    return {"sum": log_sigmoid_sum, "hm": harmonic}[fusion]((joint, *branches), floor)


@dataclass(frozen=True)
class ConstantRate:
    """Settings of a method with one learned constant; mixed into its options."""

    constant_lr: float = option(1e-3, "learning rate of the one constant of cf_vqa, clue and muldef", bounds=RATE)


class Subtraction(Biased):
    """Base: a subclass says what `factual` and `counterfactual` worlds are, and names its constant's start."""

    predictors = {"prediction": Predictor("logits", "factual - alpha counterfactual (the prediction)"),
                  "fused": Predictor("fused", "factual world"),
                  "backbone": Predictor("backbone", "z_m (backbone alone)")}
    effects = {"factual": "fused", "counterfactual": "direct"}
    needs_classes = True  # K compares distributions over classes

    def __init__(self, info: DataInfo, options: Any, parts: Parts, start: float) -> None:
        super().__init__(info, options, parts)
        self.constant = nn.Parameter(torch.tensor(start))

    def factual(self, joint: Tensor, branches: Mapping[str, Tensor]) -> Tensor:
        """All paths fused. (B, C) each -> (B, C)."""
        raise NotImplementedError

    def counterfactual(self, constant: Tensor, branches: Mapping[str, Tensor]) -> Tensor:
        """The bias alone, the constant (B, C) in the place of the rest. (B, C) each -> (B, C)."""
        raise NotImplementedError

    @classmethod
    def strengths(cls, options: Any) -> dict[str, Strength]:
        """How much of the counterfactual world is subtracted."""
        return {"alpha": Strength(1.0, ALPHAS)}

    @classmethod
    def subtracted(cls, options: Any) -> tuple[str, ...]:
        """The modalities whose direct effect the counterfactual world holds."""
        return MODALITIES

    @classmethod
    def declared(cls, options: Any, unwanted: Collection[str]) -> dict[str, float]:
        """Alpha is 1 where all that it subtracts is unwanted and 0 where nothing of it is; it has no part for some."""
        held = set(cls.subtracted(options))
        if held <= set(unwanted):
            return {"alpha": 1.0}
        return {} if held & set(unwanted) else {"alpha": 0.0}

    @classmethod
    def combined(cls, values: Mapping[str, Tensor], strength: Mapping[str, Any]) -> Tensor:
        """factual - alpha counterfactual. -> (N, C)."""
        return values["fused"] - strength["alpha"] * values["direct"]

    def forward(self, batch: Batch) -> BiasedOutput:
        """Predict by the difference of the worlds; only the constant learns from the counterfactual one."""
        backbone, logits = backbone_and_branches(self.backbone, self.branches, batch)
        fixed = {name: one.detach() for name, one in logits.items()}
        worlds = {"fused": self.factual(backbone.logits, logits),
                  "direct": self.counterfactual(self.constant.expand_as(backbone.logits), fixed)}
        prediction = self.combined(worlds, self.current_strength())
        return BiasedOutput(prediction, self.answers(logits), backbone, worlds)

    def debiased(self, output: BiasedOutput, targets: Tensor, task: Task) -> Tensor:
        """The loss of the factual world."""
        return task.loss(output.more["fused"], targets)

    def alignment(self, output: BiasedOutput, task: Task) -> Tensor:
        """K = H(softmax sg[factual], softmax counterfactual), called KL by the papers: the loss of the constant."""
        return soft_cross_entropy(task.rows(output.more["fused"].detach()), task.rows(output.more["direct"]))

    def loss(self, output: BiasedOutput, batch: Batch, task: Task) -> Terms:
        """The losses of the factual world, of the branches, and of the constant."""
        terms, alignment = super().loss(output, batch, task), self.alignment(output, task)
        return terms | {"loss": terms["loss"] + alignment, "alignment": alignment.detach()}

    def parameter_groups(self) -> list[ParameterGroup]:
        """One more for the constant."""
        return [*super().parameter_groups(), ParameterGroup("constant", [self.constant], self.options.constant_lr)]
