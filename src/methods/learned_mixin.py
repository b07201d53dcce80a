"""Learned mixin (Clark, Yatskar, Zettlemoyer, EMNLP 2019): the backbone decides how much bias goes into a sample."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from src.methods.base import BranchOptions, Parts, Strength, hidden_width
from src.methods.bias import Biased, BiasedOutput, joint_opinion
from src.registry import METHODS
from src.structures import WEIGHT, Batch, DataInfo, option
from src.tasks import Task, make_task


@dataclass(frozen=True)
class MixinOptions(BranchOptions):
    """Settings of the learned mixin."""

    mixin_entropy: float = option(0.03, "weight of the entropy of what is mixed in, which keeps it from vanishing; 0 "
                                        "is the form without (published 0.005 to 2)", bounds=WEIGHT,
                                  search=(0.0, 0.003, 0.03, 0.3, 3.0))


def mixin_loss(rows: Tensor, gate: Tensor, opinion: Tensor, targets: Tensor, entropy_weight: float) -> Tensor:
    """CE(l_m + g b, y) + lambda mean_i H(softmax(g_i b_i)). (R, K), (R, 1), (R, K), (R,) -> scalar."""
    mixed = gate * opinion
    log_share = F.log_softmax(mixed, -1)
    entropy = -(log_share.exp() * log_share).sum(-1).mean()
    return F.cross_entropy(F.log_softmax(rows, -1) + mixed, targets) + entropy_weight * entropy


@METHODS.register("learned_mixin")
class LearnedMixin(Biased):
    """CE(l_m + g sum_x sg[l_x], y) + lambda H + sum_x CE(z_x), with g = softplus(w . h + c) of the joint state h.

    One g for the sum of the three log-probabilities. Published, z_m predicts; the strength `gate` adds g b to it again.
    """

    Options = MixinOptions
    needs_classes = True

    def __init__(self, info: DataInfo, options: MixinOptions, parts: Parts) -> None:
        super().__init__(info, options, parts)
        self.task = make_task(info.task)
        self.gate = nn.Linear(hidden_width(parts.backbone, info), 1)

    @classmethod
    def strengths(cls, options: MixinOptions) -> dict[str, Strength]:
        """How much of what training mixed in stays."""
        return {"gate": Strength(0.0, (0.0, 0.25, 0.5, 1.0), "the bias that training mixed in")}

    @classmethod
    def combined(cls, values: Mapping[str, Tensor], strength: Mapping[str, Any], task: Task | None = None) -> Tensor:
        """z_m + gate g b. -> (N, C)."""
        return values["backbone"] + strength["gate"] * values["mixed"]

    def forward(self, batch: Batch) -> BiasedOutput:
        """Predict by the backbone alone, as far as the strength leaves it alone."""
        output = super().forward(batch)
        opinion = joint_opinion(output, self.task).reshape_as(output.logits)
        output.more = {"mixed": F.softplus(self.gate(output.backbone.hidden)) * opinion}
        output.logits = self.combined(output.per_sample(), self.current_strength())
        return output

    def debiased(self, output: BiasedOutput, targets: Tensor, task: Task) -> Tensor:
        """The loss of the mixture."""
        rows = task.rows(output.backbone.logits)
        gate = F.softplus(self.gate(output.backbone.hidden)).repeat_interleave(len(rows) // len(output.logits), 0)
        return mixin_loss(rows, gate, joint_opinion(output, task), targets, self.options.mixin_entropy)

    def parameter_groups(self) -> list:
        """The gate learns as the backbone does."""
        first, *others = super().parameter_groups()
        first.parameters.extend(self.gate.parameters())
        return [first, *others]
