"""RUBi (Cadene, Dancette, Ben-younes, Cord, Parikh, NeurIPS 2019): branches mask the backbone while it trains."""

from dataclasses import dataclass

from torch import Tensor, nn

from src.causal_mer_model import backbone_and_branches
from src.methods.base import BranchOptions, ParameterGroup, Parts, Predictor
from src.methods.bias import Biased, BiasedOutput
from src.methods.subtraction import fuse
from src.registry import METHODS
from src.structures import RATE, WEIGHT, Batch, DataInfo, option
from src.tasks import Task


@dataclass(frozen=True)
class EndOptions(BranchOptions):
    """Settings of methods whose branches have a last layer of their own for their own loss."""

    end_layers: bool = option(True, "a further layer between a branch and its own loss, as published")
    end_lr: float = option(1e-3, "learning rate of those layers", bounds=RATE)


@dataclass(frozen=True)
class RubiOptions(EndOptions):
    """Settings of RUBi."""

    rubi_weight: float = option(1.0, "weight of the branches' own losses", bounds=WEIGHT, search=(0.5, 1.0, 2.0))


class Ended(Biased):
    """Base: every branch may have an end layer (C, C); what it answers is behind the layer, what it masks before."""

    def __init__(self, info: DataInfo, options: EndOptions, parts: Parts) -> None:
        super().__init__(info, options, parts)
        self.ends = nn.ModuleDict({name: nn.Linear(info.outputs, info.outputs) for name in self.branches}
                                  if options.end_layers else {})

    def answers(self, logits: dict[str, Tensor]) -> dict[str, Tensor]:
        """o_x = A_x z_x + c_x, or z_x itself. modality -> (B, C)."""
        return {name: self.ends[name](one) if self.ends else one for name, one in logits.items()}

    def parameter_groups(self) -> list[ParameterGroup]:
        """One more for the end layers."""
        ends = ParameterGroup("end", list(self.ends.parameters()), self.options.end_lr)
        return super().parameter_groups() + [ends] * bool(self.ends)


@METHODS.register("rubi")
class Rubi(Ended):
    """CE(z_m sigmoid(z_t + z_a + z_v), y) + w sum_x CE(o_x, y); z_m predicts.

    The mask is not detached: branches learn from both losses, as published. The published mask has one branch; three
    add their logits, as in MulDeF's code.
    """

    Options = RubiOptions
    predictors = {"prediction": Predictor("logits", "z_m (the prediction)"),
                  "fused": Predictor("fused", "z_m masked by the branches")}
    needs_classes = True

    @property
    def branch_weight(self) -> float:
        """w."""
        return self.options.rubi_weight

    def forward(self, batch: Batch) -> BiasedOutput:
        """Predict by the backbone alone."""
        backbone, logits = backbone_and_branches(self.backbone, self.branches, batch)
        fused = fuse("rubi", backbone.logits, list(logits.values()))
        return BiasedOutput(backbone.logits, self.answers(logits), backbone, {"fused": fused})

    def debiased(self, output: BiasedOutput, targets: Tensor, task: Task) -> Tensor:
        """The loss of the masked backbone."""
        return task.loss(output.more["fused"], targets)
