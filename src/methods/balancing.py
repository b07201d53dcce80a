"""What balancing methods share: a linear head on the last state that belongs to each modality alone."""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from src.losses import Terms
from src.methods.base import Method, MethodOptions, ParameterGroup, Parts
from src.structures import RATE, BackboneOutput, Batch, DataInfo, option
from src.tasks import Task


@dataclass(frozen=True)
class HeadOptions(MethodOptions):
    """Settings of a method with one head per modality."""

    head_lr: float = option(1e-3, "learning rate of the heads on the backbone's state of each modality", bounds=RATE)


@dataclass
class HeadsOutput:
    """The backbone's answer beside the heads'."""

    logits: Tensor  # (B, C) z_m, the prediction
    head_logits: dict[str, Tensor]  # modality -> (B, C)
    backbone: BackboneOutput

    def per_sample(self) -> dict[str, Tensor]:
        """What an evaluation keeps of every sample. -> name -> (B, C), and the joint state (B, H)."""
        return self.backbone.per_sample() | self.head_logits


class Balancing(Method):
    """Base: CE(z_m) + auxiliary + sum_x CE(head_x); z_m predicts.

    Published, a modality's logits are its share of a late fusion or those of its own encoder. The backbones here join
    modalities that have read each other, so they have no additive share, and the state that a head reads is that of a
    modality which has read the others.

    Published, gradients are modulated for SGD. Adam, the default here, divides a gradient by its running size, so a
    factor tells by its changes from step to step only; `--optim SGD` follows the papers.
    """

    Options = HeadOptions
    needs_split = True
    watching: ClassVar[bool] = False  # whether heads read without a gradient for the backbone
    options: HeadOptions

    def __init__(self, info: DataInfo, options: HeadOptions, parts: Parts) -> None:
        super().__init__()
        self.options, self.backbone = options, parts.backbone
        self.heads = nn.ModuleDict({name: nn.Linear(width, info.outputs)
                                    for name, width in parts.backbone.state_widths.items()})

    def forward(self, batch: Batch) -> HeadsOutput:
        """Predict by the backbone; every head answers, too."""
        backbone = self.backbone(batch)
        states = {name: state.detach() if self.watching else state for name, state in backbone.states.items()}
        heads = {name: head(states[name]) for name, head in self.heads.items()}
        return HeadsOutput(backbone.logits, heads, backbone)

    def head_losses(self, output: HeadsOutput, batch: Batch, task: Task) -> dict[str, Tensor]:
        """The task loss of every head. -> modality -> scalar."""
        targets = task.targets(batch.known_labels)
        return {name: task.loss(logits, targets) for name, logits in output.head_logits.items()}

    def joint_loss(self, output: HeadsOutput, batch: Batch, task: Task) -> Tensor:
        """The task loss of z_m and the backbone's auxiliary loss. -> scalar."""
        return (task.loss(output.logits, task.targets(batch.known_labels))
                + self.auxiliary_loss(output.backbone, batch.known_labels, task))

    def loss(self, output: Any, batch: Batch, task: Task) -> Terms:
        """The joint loss and each head's own."""
        joint = self.joint_loss(output, batch, task)
        heads = torch.stack(list(self.head_losses(output, batch, task).values())).sum()
        return {"loss": joint + heads, "joint": joint.detach(), "heads": heads.detach()}

    def gradients(self) -> dict[str, list[Tensor]]:
        """The gradients, to be changed in place, of what belongs to one modality only, by modality."""
        own = self.backbone.modality_parameters()
        return {name: [one.grad for one in own[name] if one.grad is not None] for name in self.heads}

    def parameter_groups(self) -> list[ParameterGroup]:
        """The backbone, and the heads."""
        return [*super().parameter_groups(),
                ParameterGroup("heads", list(self.heads.parameters()), self.options.head_lr)]
