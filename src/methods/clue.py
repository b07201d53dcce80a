"""CLUE (Sun, Wang, Jing, Cui, Song, Nie, ACM MM 2022): one modality, text in the paper, is the only bias."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from src.losses import Terms
from src.methods.base import BranchOptions, Parts
from src.methods.bias import BiasedOutput
from src.methods.subtraction import FUSIONS, ConstantRate, Subtraction, fuse
from src.registry import METHODS
from src.structures import MODALITIES, WEIGHT, Batch, DataInfo, option
from src.tasks import Task


@dataclass(frozen=True)
class ClueOptions(ConstantRate, BranchOptions):
    """Settings of CLUE."""

    clue_fusion: str = option("sum", "how the backbone and the one branch are fused", FUSIONS, search=FUSIONS)
    clue_modality: str = option("text", "the modality whose direct effect is subtracted", MODALITIES)
    clue_constant: float = option(1.0, "starting value of the constant", search=(0.0, 1.0))
    clue_joint: float = option(1.0, "weight of the losses of the backbone and of the factual world", bounds=WEIGHT,
                               search=(0.5, 1.0, 2.0))
    clue_branch: float = option(1.0, "weight of the branch's own loss", bounds=WEIGHT, search=(0.5, 1.0, 2.0))


@METHODS.register("clue")
class Clue(Subtraction):
    """o1 = F(z_m, z_t), o2 = F(c, z_t); w1 (L_base + CE(o1)) + w2 CE(z_t) + K; predicts o1 - alpha o2.

    L_base is the backbone's own auxiliary loss. Published alpha is the best of a grid on the test split; here it is 1,
    or chosen on validation by `--strength valid`.
    """

    Options = ClueOptions
    version = 2  # before, cautious strengths suspected its one modality whatever the data said

    def __init__(self, info: DataInfo, options: ClueOptions, parts: Parts) -> None:
        super().__init__(info, options, parts, options.clue_constant)

    @classmethod
    def own_branches(cls, options: ClueOptions) -> tuple[str, ...]:
        """The one."""
        return (options.clue_modality,)

    subtracted = own_branches

    def factual(self, joint: Tensor, branches: Mapping[str, Tensor]) -> Tensor:
        """F(z_m, z_t)."""
        return fuse(self.options.clue_fusion, joint, list(branches.values()))

    def counterfactual(self, constant: Tensor, branches: Mapping[str, Tensor]) -> Tensor:
        """F(c, z_t)."""
        return self.factual(constant, branches)

    def loss(self, output: BiasedOutput, batch: Batch, task: Task) -> Terms:
        """The three weighted losses."""
        targets, options = task.targets(batch.known_labels), self.options
        joint = self.debiased(output, targets, task) + self.auxiliary_loss(output.backbone, batch.known_labels, task)
        branch, alignment = self.ahead_loss(output, batch, task)["loss"], self.alignment(output, task)
        return {"loss": options.clue_joint * joint + options.clue_branch * branch + alignment,
                "debiased": joint.detach(), "branches": branch.detach(), "alignment": alignment.detach()}
