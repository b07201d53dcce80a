"""Reweighting by the bias (Clark, Yatskar, Zettlemoyer, EMNLP 2019): what the branches answer already counts less."""

import torch
import torch.nn.functional as F
from torch import Tensor

from src.methods.bias import Biased, BiasedOutput, joint_opinion, not_answered, weighted_loss
from src.registry import METHODS
from src.tasks import Task

LEAST = 1e-6  # sum of a batch's weights below which their quotient would be rounding noise


def reweighted_loss(rows: Tensor, opinion: Tensor, targets: Tensor) -> Tensor:
    """CE weighted by 1 - q_i; 0 for a batch that the bias answers in whole. (R, K) x 2, (R,) -> scalar."""
    weights = not_answered(opinion, targets)
    enough = weights.sum() >= LEAST  # stays a tensor, so that a GPU need not be asked
    return enough * weighted_loss(rows, torch.where(enough, weights.log(), 0.0), targets)


@METHODS.register("reweight")
class Reweight(Biased):
    """sum_i (1 - q_i) CE_i(z_m) / sum_i (1 - q_i) + sum_x CE(z_x), q_i the bias's probability of the true class.

    With three branches q = softmax(l_t + l_a + l_v)[y]: their product is no distribution before it is normalised.
    """

    needs_classes = True

    def debiased(self, output: BiasedOutput, targets: Tensor, task: Task) -> Tensor:
        """The weighted loss."""
        opinion = F.log_softmax(joint_opinion(output, task), -1)
        return reweighted_loss(task.rows(output.logits), opinion, targets)
