"""Logit adjustment (Menon et al., ICLR 2021): rare classes have to win by more while training. No branch, no bias."""

from dataclasses import dataclass, replace

from src.datasets.base import Split
from src.fusions.evidence import ClassPrior
from src.losses import Terms, plain_loss
from src.methods.base import MethodOptions, Parts
from src.methods.plain import Plain
from src.registry import METHODS
from src.structures import WEIGHT, BackboneOutput, Batch, DataInfo, option
from src.tasks import Task


@dataclass(frozen=True)
class AdjustmentOptions(MethodOptions):
    """Settings of logit adjustment."""

    tau: float = option(1.0, "how often the logarithm of the class prior is added while training (published 1)",
                        bounds=WEIGHT, search=(0.5, 1.0, 2.0, 3.0))


@METHODS.register("logit_adjustment")
class LogitAdjustment(Plain):
    """L(z_m + tau log p(y)) trains, z_m predicts (eq. 10 there).

    It is what an additive fusion of bare logits does where its branches know nothing: three branches that have learned
    the prior add it three times. So it tells which part of `tanh` is not due to what the branches know. Of pairs, each
    has a prior of its own, 3 : 1 against the emotion where four are equally frequent.
    """

    Options = AdjustmentOptions
    needs_classes = True

    def __init__(self, info: DataInfo, options: AdjustmentOptions, parts: Parts) -> None:
        super().__init__(info, options, parts)
        self.prior = ClassPrior(info)

    def prepare(self, train: Split, task: Task) -> None:
        """Learn the class prior of the training labels."""
        self.prior.prepare(task.prior(train.known_labels))

    def loss(self, output: BackboneOutput, batch: Batch, task: Task) -> Terms:
        """The task loss of the adjusted logits and the backbone's auxiliary loss."""
        adjusted = replace(output, logits=output.logits + self.options.tau * self.prior.log_prior)
        return plain_loss(adjusted, task.targets(batch.known_labels), task.loss,
                          self.auxiliary_loss(output, batch.known_labels, task))
