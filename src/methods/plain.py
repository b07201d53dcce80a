"""The backbone alone with the plain task loss: what every other method is compared with."""

from src.losses import Terms, plain_loss
from src.methods.base import Method, MethodOptions, Parts
from src.registry import METHODS
from src.structures import BackboneOutput, Batch, DataInfo
from src.tasks import Task


@METHODS.register("plain")
class Plain(Method):
    """A backbone and nothing else."""

    def __init__(self, info: DataInfo, options: MethodOptions, parts: Parts) -> None:
        super().__init__()
        self.options, self.backbone = options, parts.backbone

    def forward(self, batch: Batch) -> BackboneOutput:
        """The backbone's answer."""
        return self.backbone(batch)

    def loss(self, output: BackboneOutput, batch: Batch, task: Task) -> Terms:
        """The task loss and the backbone's auxiliary loss."""
        return plain_loss(output, task.targets(batch.known_labels), task.loss,
                          self.auxiliary_loss(output, batch.known_labels, task))
