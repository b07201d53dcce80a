"""Branches as bias models: each trains by a loss of its own, and the backbone, which predicts alone, against them."""

from abc import abstractmethod
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from src.causal_mer_model import backbone_and_branches
from src.losses import Terms
from src.methods.base import BranchOptions, Method, Parts
from src.structures import BackboneOutput, Batch, DataInfo
from src.tasks import Task


@dataclass
class BiasedOutput:
    """The backbone's answer beside the branches'."""

    logits: Tensor  # (B, C) z_m, or what the method predicts by
    branch_logits: dict[str, Tensor]  # modality -> (B, C)
    backbone: BackboneOutput
    more: dict[str, Tensor] = field(default_factory=dict)  # further values of every sample, (B, C)
    taught: BackboneOutput | None = None  # what a teacher beside the backbone says

    def per_sample(self) -> dict[str, Tensor]:
        """What an evaluation keeps of every sample. -> name -> (B, C), and the joint state (B, H)."""
        return self.backbone.per_sample() | self.branch_logits | self.more | {"logits": self.logits}


class Biased(Method):
    """Base: a backbone and its branches; a subclass writes the loss that trains the backbone."""

    Options = BranchOptions

    def __init__(self, info: DataInfo, options: BranchOptions, parts: Parts) -> None:
        super().__init__()
        self.options, self.backbone, self.branches = options, parts.backbone, nn.ModuleDict(parts.branches)

    def forward(self, batch: Batch) -> BiasedOutput:
        """Predict by the backbone alone."""
        backbone, logits = backbone_and_branches(self.backbone, self.branches, batch)
        return BiasedOutput(backbone.logits, logits, backbone)

    def answers(self, logits: dict[str, Tensor]) -> dict[str, Tensor]:
        """What the branches' own losses see of their logits. modality -> (B, C)."""
        return logits

    @property
    def branch_weight(self) -> float:
        """Weight of the branches' own losses."""
        return 1.0

    @abstractmethod
    def debiased(self, output: BiasedOutput, targets: Tensor, task: Task) -> Tensor:
        """The loss of the backbone, in which the branches have no gradient. -> scalar."""

    def loss(self, output: BiasedOutput, batch: Batch, task: Task) -> Terms:
        """The debiased loss trains the backbone, a weighted loss of its own each branch."""
        targets = task.targets(batch.known_labels)
        branches = self.branch_loss(output.branch_logits, batch, task)
        debiased = self.debiased(output, targets, task)
        auxiliary = self.auxiliary_loss(output.backbone, batch.known_labels, task)
        return {"loss": debiased + self.branch_weight * branches + auxiliary, "debiased": debiased.detach(),
                "branches": branches.detach()}


def joint_opinion(output: BiasedOutput, task: Task) -> Tensor:
    """b = sum_x log softmax sg[z_x], the product of the branches' opinions, not normalised. -> (R, K) rows."""
    return torch.stack([F.log_softmax(task.rows(logits.detach()), -1)
                        for logits in output.branch_logits.values()]).sum(0)


def weighted_loss(rows: Tensor, log_weights: Tensor, targets: Tensor) -> Tensor:
    """sum_i w_i CE_i / sum_i w_i from the logarithms of the weights. (R, K), (R,), (R,) -> scalar."""
    return (log_weights.softmax(0) * F.cross_entropy(rows, targets, reduction="none")).sum()


def not_answered(opinion: Tensor, targets: Tensor) -> Tensor:
    """1 - q_i with q_i the probability that an opinion (R, K), in logarithms, gives the true class. -> (R,)."""
    return -torch.expm1(opinion.gather(1, targets[:, None]).squeeze(1))
