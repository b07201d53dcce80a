"""Product of experts (Clark, Yatskar, Zettlemoyer, EMNLP 2019; Karimi Mahabadi et al., ACL 2020).

In training the backbone's opinion is multiplied with that of the branches, so that it need not say what one modality
says alone; at test time it stands by itself.
"""

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from src.methods.base import BranchOptions
from src.methods.bias import Biased, BiasedOutput, joint_opinion
from src.registry import METHODS
from src.structures import Bounds, option
from src.tasks import Task


@dataclass(frozen=True)
class ProductOptions(BranchOptions):
    """Settings of the product of experts."""

    product_strength: float = option(
        1.0, "how much of the branches' opinion is multiplied in; 0 trains the backbone plainly",
        bounds=Bounds(0, 100, "the branches' opinion is log-probabilities, 1 is the product"),
        search=(0.25, 0.5, 1.0))


def product_loss(rows: Tensor, opinion: Tensor, targets: Tensor) -> Tensor:
    """CE(l_m + b, y); normalising either factor first would change nothing. (R, K) x 2, (R,) -> scalar."""
    return F.cross_entropy(rows + opinion, targets)


@METHODS.register("poe")
class ProductOfExperts(Biased):
    """CE(l_m + strength sum_x sg[l_x], y) + sum_x CE(z_x, y); the product of all three opinions is the bias."""

    Options = ProductOptions
    needs_classes = True

    def debiased(self, output: BiasedOutput, targets: Tensor, task: Task) -> Tensor:
        """The loss of the product."""
        opinion = self.options.product_strength * joint_opinion(output, task)
        return product_loss(task.rows(output.logits), opinion, targets)
