"""Learned mixin (Clark, Yatskar, Zettlemoyer, EMNLP 2019): the backbone decides how much bias goes into a sample."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from src.methods.base import PATH_WEIGHTS, BranchOptions, ParameterGroup, Parts, Predictor, Strength, hidden_width
from src.methods.bias import Biased, BiasedOutput, joint_opinion
from src.registry import METHODS
from src.structures import WEIGHT, Batch, DataInfo, option
from src.tasks import Task, task_of


@dataclass(frozen=True)
class MixinOptions(BranchOptions):
    """Settings of the learned mixin."""

    mixin_entropy: float = option(0.03, "weight of the entropy of what is mixed in, which keeps it from vanishing; 0 "
                                        "is the form without (published 0.005 to 2)", bounds=WEIGHT,
                                  search=(0.0, 0.003, 0.03, 0.3, 3.0))


def mixin_loss(rows: Tensor, mixed: Tensor, targets: Tensor, entropy_weight: float) -> Tensor:
    """CE(l_m + g b, y) + lambda mean_i H(softmax(g_i b_i)), with g b `mixed`. (R, K) x 2, (R,) -> scalar."""
    log_share = F.log_softmax(mixed, -1)
    entropy = -(log_share.exp() * log_share).sum(-1).mean()
    return F.cross_entropy(F.log_softmax(rows, -1) + mixed, targets) + entropy_weight * entropy


@METHODS.register("learned_mixin")
class LearnedMixin(Biased):
    """CE(l_m + g sum_x sg[l_x], y) + lambda H + sum_x CE(z_x), with g = softplus(w . h + c) of the joint state h.

    One g for the sum of the three log-probabilities. Published, z_m predicts; the strength `gate` adds g b to it again.
    """

    Options = MixinOptions
    predictors = {"prediction": Predictor("logits", "z_m + gate g b (the prediction)"),
                  "fused": Predictor("fused", "z_m + g b (the mixture)"),
                  "backbone": Predictor("backbone", "z_m (backbone alone)")}
    needs_classes = True

    def __init__(self, info: DataInfo, options: MixinOptions, parts: Parts) -> None:
        super().__init__(info, options, parts)
        self.task = task_of(info)
        self.gate = nn.Linear(hidden_width(parts.backbone, info), 1)

    @classmethod
    def strengths(cls, options: MixinOptions) -> dict[str, Strength]:
        """How much of what training mixed in stays."""
        return {"gate": Strength(0.0, PATH_WEIGHTS)}

    @classmethod
    def declared(cls, options: MixinOptions, unwanted: Collection[str]) -> dict[str, float]:
        """What was mixed in holds every modality, the unwanted ones, too: none of it stays."""
        return {"gate": 0.0}

    @classmethod
    def combined(cls, values: Mapping[str, Tensor], strength: Mapping[str, Any]) -> Tensor:
        """z_m + gate g b. -> (N, C)."""
        return values["backbone"] + strength["gate"] * values["mixed"]

    def forward(self, batch: Batch) -> BiasedOutput:
        """Predict by the backbone alone, as far as the strength leaves it alone."""
        output = super().forward(batch)
        opinion = joint_opinion(output, self.task).reshape_as(output.logits)
        mixed = F.softplus(self.gate(output.backbone.hidden)) * opinion
        output.more = {"mixed": mixed, "fused": output.backbone.logits + mixed}
        output.logits = self.combined(output.per_sample(), self.current_strength())
        return output

    def debiased(self, output: BiasedOutput, targets: Tensor, task: Task) -> Tensor:
        """The loss of the mixture."""
        rows, mixed = task.rows(output.backbone.logits), task.rows(output.more["mixed"])
        return mixin_loss(rows, mixed, targets, self.options.mixin_entropy)

    def parameter_groups(self) -> list[ParameterGroup]:
        """The gate learns as the backbone does."""
        first, *others = super().parameter_groups()
        first.parameters.extend(self.gate.parameters())
        return [first, *others]
