"""MulDeF (Huan, Zhong, Chen, Liang, IEEE TMM 2024): CLUE with a branch per modality.

Its attention-based intervention on the backbone and its masked words are not part of this.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from src.losses import Terms
from src.methods.base import BranchOptions, ParameterGroup, Parts
from src.methods.bias import BiasedOutput
from src.methods.subtraction import FUSIONS, ConstantRate, Subtraction, fuse
from src.registry import METHODS
from src.structures import WEIGHT, Batch, DataInfo, option
from src.tasks import Task


@dataclass(frozen=True)
class MulDefOptions(ConstantRate, BranchOptions):
    """Settings of MulDeF."""

    muldef_fusion: str = option("hm", "how the paths are fused; fc is a linear layer", (*FUSIONS, "fc"),
                                search=(*FUSIONS, "fc"))
    muldef_constant: float = option(1.0, "starting value of the constant", search=(0.0, 1.0))
    muldef_base: float = option(1.0, "weight of the backbone's own auxiliary loss", bounds=WEIGHT,
                                search=(0.0, 0.3, 0.7, 1.0))
    muldef_task: float = option(1.0, "weight of the task losses", bounds=WEIGHT, search=(0.3, 0.7, 1.0))
    muldef_alignment: float = option(1.0, "weight of the alignment", bounds=WEIGHT, search=(0.3, 0.7, 1.0))


@METHODS.register("muldef")
class MulDef(Subtraction):
    """o1 = F(z_m, z_t, z_a, z_v), o2 = F(c, z_t, z_a, z_v); predicts o1 - alpha o2, without an offset in logarithms.

    w_b L_base + w_ce (CE(o1) + sum_x CE(z_x)) + w_kl KL(softmax sg[o1] || softmax o2), where o2 trains c only. In the
    published code c never moves with the fusion fc, whose KL is built without gradients; here K reaches it through the
    layer, which itself learns by CE(o1) alone. Published alpha is the best of a grid on each split's own labels, test
    included; here it is 1, or chosen on validation by `--strength valid`.
    """

    Options = MulDefOptions

    def __init__(self, info: DataInfo, options: MulDefOptions, parts: Parts) -> None:
        super().__init__(info, options, parts, options.muldef_constant)
        self.layer = nn.Linear(4 * info.outputs, info.outputs) if options.muldef_fusion == "fc" else None

    def factual(self, joint: Tensor, branches: Mapping[str, Tensor]) -> Tensor:
        """F(z_m, z_t, z_a, z_v)."""
        if self.layer is None:
            return fuse(self.options.muldef_fusion, joint, list(branches.values()), floor=0)
        return self.layer(torch.cat([joint, *branches.values()], dim=1))

    def counterfactual(self, constant: Tensor, branches: Mapping[str, Tensor]) -> Tensor:
        """F(c, z_t, z_a, z_v); a layer is used as it stands."""
        if self.layer is None:
            return self.factual(constant, branches)
        fixed = {name: value.detach() for name, value in self.layer.named_parameters()}
        return functional_call(self.layer, fixed, torch.cat([constant, *branches.values()], dim=1))

    def alignment(self, output: BiasedOutput, task: Task) -> Tensor:
        """KL of the factual world and the other one, mean over samples."""
        factual, other = (F.log_softmax(task.rows(output.more[name]), -1) for name in ("fused", "direct"))
        return F.kl_div(other, factual.detach(), reduction="batchmean", log_target=True)

    def loss(self, output: BiasedOutput, batch: Batch, task: Task) -> Terms:
        """The three weighted losses."""
        options, base = self.options, self.auxiliary_loss(output.backbone, batch.known_labels, task)
        own, alignment = self.ahead_loss(output, batch, task)["loss"], self.alignment(output, task)
        fitted = self.debiased(output, task.targets(batch.known_labels), task) + own
        return {"loss": options.muldef_base * base + options.muldef_task * fitted
                + options.muldef_alignment * alignment, "task": fitted.detach(), "alignment": alignment.detach()}

    def parameter_groups(self) -> list[ParameterGroup]:
        """The layer of the fusion fc learns as the backbone does."""
        layer = ParameterGroup("layer", list(self.layer.parameters()) if self.layer else [], self.options.m_lr)
        return super().parameter_groups() + [layer] * bool(layer.parameters)
