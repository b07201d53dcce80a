"""Product of experts (Clark, Yatskar, Zettlemoyer, EMNLP 2019; Karimi Mahabadi et al., ACL 2020).

In training the backbone's opinion is multiplied with that of the branches, so that it need not say what one modality
says alone; at test time it stands by itself.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from torch import Tensor

from src.methods.base import BranchOptions, Predictor
from src.methods.bias import Biased, BiasedOutput
from src.registry import METHODS
from src.structures import Batch, Bounds, added, option
from src.tasks import Task


@dataclass(frozen=True)
class ProductOptions(BranchOptions):
    """Settings of the product of experts."""

    product_strength: float = option(
        1.0, "how much of the branches' opinion is multiplied in; 0 trains the backbone plainly",
        bounds=Bounds(0, 100, "the branches' opinion is log-probabilities, 1 is the product"),
        search=(0.25, 0.5, 1.0))


def product_of_opinions(joint: Tensor, branches: Iterable[Tensor], strength: float) -> Tensor:
    """z_m + strength sum_x sg[z_x]; normalised factors would decide and cost the same. (B, C) each -> (B, C)."""
    return joint + strength * added(logits.detach() for logits in branches)


@METHODS.register("poe")
class ProductOfExperts(Biased):
    """CE(l_m + strength sum_x sg[l_x], y) + sum_x CE(z_x, y); the product of all three opinions is the bias."""

    Options = ProductOptions
    predictors = {"prediction": Predictor("logits", "z_m (the prediction)"),
                  "fused": Predictor("fused", "product of all opinions")}
    needs_classes = True

    def forward(self, batch: Batch) -> BiasedOutput:
        """Predict by the backbone alone."""
        output = super().forward(batch)
        output.more = {"fused": product_of_opinions(output.logits, output.branch_logits.values(),
                                                    self.options.product_strength)}
        return output

    def debiased(self, output: BiasedOutput, targets: Tensor, task: Task) -> Tensor:
        """The loss of the product."""
        return task.loss(output.more["fused"], targets)
