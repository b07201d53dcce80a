"""One modality alone: its branch, trained by its own loss. What a fused model has to be better than."""

from dataclasses import dataclass

from torch import nn

from src.losses import Terms, plain_loss
from src.methods.base import BranchOptions, Method, ParameterGroup, Parts
from src.registry import METHODS
from src.structures import MODALITIES, BackboneOutput, Batch, DataInfo, option
from src.tasks import Task


@dataclass(frozen=True)
class UnimodalOptions(BranchOptions):
    """Which modality is read."""

    modality: str = option("text", "the modality that the method unimodal reads", MODALITIES)


class Alone(nn.Module):
    """A branch in the place of a backbone."""

    def __init__(self, branch: nn.Module, modality: str) -> None:
        super().__init__()
        self.branch, self.modality = branch, modality

    def forward(self, batch: Batch) -> BackboneOutput:
        """What the branch says; it has no joint state, its logits stand there. -> logits (B, C)."""
        logits = self.branch(batch.inputs[self.modality])
        return BackboneOutput(logits, logits)


@METHODS.register("unimodal")
class Unimodal(Method):
    """L(z_x) of one modality x; neither the backbone nor another branch is used."""

    Options = UnimodalOptions
    uses_backbone = False
    version = 2  # before, a backbone was built all the same, and its random numbers came before those of the branch

    def __init__(self, info: DataInfo, options: UnimodalOptions, parts: Parts) -> None:
        super().__init__()
        self.options, self.backbone = options, Alone(parts.branches[options.modality], options.modality)

    @classmethod
    def epochs_ahead(cls, options: UnimodalOptions) -> int:
        """None: there is nothing that the branch could be ahead of."""
        return 0

    @classmethod
    def own_branches(cls, options: UnimodalOptions) -> tuple[str, ...]:
        """The one."""
        return (options.modality,)

    def forward(self, batch: Batch) -> BackboneOutput:
        """The branch's answer."""
        return self.backbone(batch)

    def loss(self, output: BackboneOutput, batch: Batch, task: Task) -> Terms:
        """The task loss of the branch."""
        return plain_loss(output, task.targets(batch.known_labels), task.loss)

    def parameter_groups(self) -> list[ParameterGroup]:
        """The branch at its own learning rate."""
        letter = self.options.modality[0]
        return [ParameterGroup(letter, list(self.parameters()), getattr(self.options, f"{letter}_lr"))]

    @classmethod
    def label(cls, name: str, options: UnimodalOptions) -> str:
        """The modality."""
        return options.modality
