"""Opinions that are trained apart and pooled afterwards: `late` without a joint path, `pool` with one and with weights.

Nothing is debiased in training here. What a published method gains has to be more than what these gain.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from src.datasets.base import Split
from src.fusions.evidence import ClassPrior
from src.losses import Terms
from src.methods.base import PATH_WEIGHTS, BranchOptions, Method, ParameterGroup, Parts, Predictor, Strength
from src.registry import METHODS
from src.structures import LETTER, MODALITIES, BackboneOutput, Batch, DataInfo
from src.tasks import Task, task_of


@dataclass
class Opinions:
    """What every path says."""

    logits: Tensor  # (B, C) the prediction
    branch_logits: dict[str, Tensor]  # modality -> (B, C)
    evidence: dict[str, Tensor]  # modality -> (B, C) log p_x - log p(y)
    backbone: BackboneOutput
    prior: Tensor  # (B, C) log p(y)

    def per_sample(self) -> dict[str, Tensor]:
        """What an evaluation keeps of every sample. -> name -> (B, C), and the joint state (B, H)."""
        evidence = {f"evidence_{name}": values for name, values in self.evidence.items()}
        return self.backbone.per_sample() | self.branch_logits | evidence | {"prior": self.prior, "logits": self.logits}


@METHODS.register("pool")
class Pool(Method):
    """L(z_m) + sum_x L(z_x), each path by its own loss.

    It predicts w_m log p_m + (1 - w_m) log p(y) + sum_x w_x (log p_x - log p(y)): what is taken from the joint path the
    class prior gets back. The weights w, from a grid, and the epoch are chosen on validation, nothing else is.
    """

    Options = BranchOptions
    predictors = {"prediction": Predictor("logits", "pooled opinions (the prediction)"),
                  "backbone": Predictor("backbone", "z_m (backbone alone)")}
    needs_classes = True
    version = 2  # before, nothing had the prior that the joint path did not bring

    def __init__(self, info: DataInfo, options: BranchOptions, parts: Parts) -> None:
        super().__init__()
        self.options, self.backbone, self.branches = options, parts.backbone, nn.ModuleDict(parts.branches)
        self.prior = ClassPrior(info)

    def prepare(self, train: Split, task: Task) -> None:
        """Learn the class prior."""
        self.prior.prepare(task.prior(train.known_labels))

    @classmethod
    def strengths(cls, options: BranchOptions) -> dict[str, Strength]:
        """The weight of each path."""
        return {letter: Strength(1.0, PATH_WEIGHTS) for letter in ("m", *LETTER)}

    @classmethod
    def default_strength(cls, options: BranchOptions) -> str:
        """Chosen on validation."""
        return "valid"

    @classmethod
    def declared(cls, options: BranchOptions, unwanted: Collection[str]) -> dict[str, float]:
        """Neither the evidence of an unwanted modality counts nor the joint path, which was trained on it as it is."""
        return {"m": 0.0, **{name[0]: 0.0 for name in unwanted}}

    @classmethod
    def combined(cls, values: Mapping[str, Tensor], strength: Mapping[str, Any]) -> Tensor:
        """The weighted paths (N, C); z_m stands for log p_m, from which it differs by a number per decision."""
        own = strength["m"] * values["backbone"] + (1 - strength["m"]) * values["prior"]
        return own + sum(strength[letter] * values[f"evidence_{name}"] for letter, name in LETTER.items())

    def forward(self, batch: Batch) -> Opinions:
        """Every path, and the paths at their current weights."""
        branches = self.branch_logits(batch)
        evidence = {name: self.prior.evidence(logits) for name, logits in branches.items()}
        joint = self.backbone(batch)
        output = Opinions(torch.empty(0), branches, evidence, joint, self.prior.log_prior.expand_as(joint.logits))
        output.logits = self.combined(output.per_sample(), self.current_strength())
        return output

    def loss(self, output: Opinions, batch: Batch, task: Task) -> Terms:
        """The plain loss of every path."""
        branches = self.branch_loss(output.branch_logits, batch, task)
        joint = task.loss(output.backbone.logits, task.targets(batch.known_labels))
        auxiliary = self.auxiliary_loss(output.backbone, batch.known_labels, task)
        return {"loss": joint + branches + auxiliary, "joint": joint.detach(), "branches": branches.detach()}


class Together(nn.Module):
    """Three branches in the place of a backbone."""

    def __init__(self, branches: Mapping[str, nn.Module], task: Task) -> None:
        super().__init__()
        self.branches, self.task = nn.ModuleDict(branches), task

    def forward(self, batch: Batch) -> BackboneOutput:
        """sum_x log p_x, and the branches' logits, also as the joint state. -> logits (B, C), hidden (B, 3 C)."""
        logits = {name: self.branches[name](batch.inputs[name]) for name in MODALITIES}
        total = torch.stack([self.task.log_probabilities(one) for one in logits.values()]).sum(0)
        return BackboneOutput(total, torch.cat(list(logits.values()), dim=1), logits)


@METHODS.register("late")
class Late(Method):
    """sum_x L(z_x); predicts sum_x log p_x, without a joint path."""

    Options = BranchOptions
    uses_backbone = False
    needs_classes = True
    version = 2  # as `unimodal`

    def __init__(self, info: DataInfo, options: BranchOptions, parts: Parts) -> None:
        super().__init__()
        self.options, self.backbone = options, Together(parts.branches, task_of(info))

    @classmethod
    def epochs_ahead(cls, options: Any) -> int:
        """None: there is nothing that the branches could be ahead of."""
        return 0

    def forward(self, batch: Batch) -> BackboneOutput:
        """The sum of the branches' opinions."""
        return self.backbone(batch)

    def loss(self, output: BackboneOutput, batch: Batch, task: Task) -> Terms:
        """The plain loss of every branch."""
        return {"loss": self.branch_loss(output.aux, batch, task)}

    def parameter_groups(self) -> list[ParameterGroup]:
        """One per branch."""
        return [ParameterGroup(name[0], list(branch.parameters()), getattr(self.options, f"{name[0]}_lr"))
                for name, branch in self.backbone.branches.items()]
