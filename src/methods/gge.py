"""Greedy gradient ensemble (Han, Wang, Su, Huang, Tian, ICCV 2021): each model is fitted to what the earlier leave."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from src.losses import Terms
from src.methods.base import BranchOptions
from src.methods.bias import Biased, BiasedOutput
from src.registry import METHODS
from src.structures import Batch, added, option
from src.tasks import Task

FORMS = ("softmax", "sigmoid", "sigmoid_corrected")


@dataclass(frozen=True)
class GreedyOptions(BranchOptions):
    """Settings of the greedy gradient ensemble."""

    gge_form: str = option("softmax", "what is left of a label: label minus softmax of the earlier models, the "
                                      "published 2 Y sigmoid(-2 Y R), or label minus sigmoid", FORMS, search=FORMS)


def left_over(form: str, reference: Tensor, labels: Tensor) -> Tensor:
    """Pseudo labels Y' from what earlier models say. softmax takes their probabilities Q, the others their logits R.

    sigmoid: 2 Y s(-2 Y R), in (0, 2); sigmoid_corrected: clamp(Y - s(R)), softmax: clamp(Y - Q), both to [0, 1].
    (R, K) x 2 -> (R, K).
    """
    if form == "sigmoid":
        return 2 * labels * torch.sigmoid(-2 * labels * reference)
    probabilities = reference if form == "softmax" else torch.sigmoid(reference)
    return (labels - probabilities).clamp(0, 1)


def greedy_loss(form: str, rows: Tensor, pseudo: Tensor) -> Tensor:
    """softmax: mean_i -sum_c Y'_ic log softmax(z)_ic; else the sum over classes of binary cross entropies, meaned.

    (R, K) x 2 -> scalar.
    """
    if form == "softmax":
        return -(pseudo * F.log_softmax(rows, -1)).sum(-1).mean()
    return rows.size(1) * F.binary_cross_entropy_with_logits(rows, pseudo)


def chain(form: str, models: dict[str, Tensor], labels: Tensor) -> dict[str, Tensor]:
    """The loss of each model, fitted to what the sum of all before it leaves. name -> (R, K), (R, K) -> name -> ().

    References are detached: a bias is not trained to change the label of the next model.
    """
    before, losses = torch.zeros_like(labels), {}
    for number, (name, rows) in enumerate(models.items()):
        reference = before.softmax(-1) if form == "softmax" else before
        losses[name] = greedy_loss(form, rows, left_over(form, reference, labels) if number else labels)
        before = before + rows.detach()
    return losses


@METHODS.register("gge")
class GreedyGradientEnsemble(Biased):
    """Text on Y, audio on what text leaves, vision on what both leave, the backbone on the rest; z_m predicts."""

    Options = GreedyOptions
    needs_classes = True

    def losses(self, output: BiasedOutput, batch: Batch, task: Task) -> dict[str, Tensor]:
        """The chain's losses, of every branch and of the backbone."""
        models = {name: task.rows(logits) for name, logits in output.branch_logits.items()}
        models["backbone"] = task.rows(output.logits)
        classes = models["backbone"].size(1)
        labels = F.one_hot(task.targets(batch.known_labels), classes).to(output.logits)
        return chain(self.options.gge_form, models, labels)

    def loss(self, output: BiasedOutput, batch: Batch, task: Task) -> Terms:
        """The sum of the chain's losses."""
        losses = self.losses(output, batch, task)
        auxiliary = self.auxiliary_loss(output.backbone, batch.known_labels, task)
        return {"loss": added(losses.values()) + auxiliary, **{name: one.detach() for name, one in losses.items()}}

    def ahead_loss(self, output: BiasedOutput, batch: Batch, task: Task) -> Terms:
        """The branches' part of the chain."""
        losses = self.losses(output, batch, task)
        return {"loss": added(one for name, one in losses.items() if name != "backbone")}
