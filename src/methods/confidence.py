"""Confidence regularisation (Utama, Moosavi, Gurevych, ACL 2020): where bias answers, a teacher is made less sure."""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor

from src.losses import Terms
from src.methods.base import BranchOptions, Look, ParameterGroup, Parts
from src.methods.bias import Biased, BiasedOutput, joint_opinion, not_answered, weighted_loss
from src.registry import METHODS
from src.structures import BackboneOutput, Batch, Bounds, DataInfo, option
from src.tasks import Task

FORMS = ("distill", "reweight")


@dataclass(frozen=True)
class ConfidenceOptions(BranchOptions):
    """Settings of confidence regularisation."""

    confidence_form: str = option("distill", "what the scaled teacher gives: targets, or weights of samples", FORMS,
                                  search=FORMS)
    branch_epochs: int = option(8, "epochs of the training of teacher and branches, before those of --num_epochs",
                                bounds=Bounds(1, 10**6, "they stand in the history of all epochs"))


def scaled_teacher(teacher: Tensor, opinion: Tensor, targets: Tensor) -> Tensor:
    """log u'_i with u'_i = normalise(u_i^(1 - q_i)) = softmax((1 - q_i) log u_i), u the teacher. -> (R, K)."""
    return F.log_softmax(not_answered(opinion, targets)[:, None] * F.log_softmax(teacher, -1), -1)


def confidence_loss(form: str, rows: Tensor, teacher: Tensor, opinion: Tensor, targets: Tensor) -> Tensor:
    """distill: mean_i -sum_c u'_ic l_m,ic; reweight: CE weighted by u'_i[y]. (R, K) x 3, (R,) -> scalar."""
    scaled = scaled_teacher(teacher, opinion, targets)
    if form == "distill":
        return -(scaled.exp() * F.log_softmax(rows, -1)).sum(-1).mean()
    return weighted_loss(rows, scaled.gather(1, targets[:, None]).squeeze(1), targets)


@METHODS.register("confidence")
class Confidence(Biased):
    """Two trainings in one run: first the teacher, a plain twin of the backbone, and the branches; then the backbone.

    q = softmax(l_t + l_a + l_v)[y] is the bias's probability of the true class. Teacher and branches are finished when
    the backbone begins, and stay as they are.
    """

    Options = ConfidenceOptions
    needs_classes = True

    def __init__(self, info: DataInfo, options: ConfidenceOptions, parts: Parts) -> None:
        super().__init__(info, options, parts)
        self.teacher = copy.deepcopy(parts.backbone)
        self.teaching = True

    def before_epoch(self, number: int, look: Callable[[str], Look], task: Task) -> None:
        """From here on teacher and branches are finished, and no optimizer that finds a gradient moves them on."""
        self.teaching = False
        for finished in (*self.teacher.parameters(), *self.branches.parameters()):
            finished.grad = None

    def train(self, mode: bool = True) -> "Confidence":
        """Dropout and batch statistics of what is finished rest."""
        super().train(mode)
        for part in (self.teacher, self.branches):
            part.train(mode and self.teaching)
        return self

    def forward(self, batch: Batch) -> BiasedOutput:
        """Predict by the backbone alone."""
        backbone = self.backbone(batch)
        with torch.set_grad_enabled(torch.is_grad_enabled() and self.teaching):
            taught, branches = self.teacher(batch), self.branch_logits(batch)
        return BiasedOutput(backbone.logits, branches, backbone, {"teacher": taught.logits}, taught)

    def ahead_loss(self, output: BiasedOutput, batch: Batch, task: Task) -> Terms:
        """The plain losses of the teacher and of every branch."""
        teacher = task.loss(output.more["teacher"], task.targets(batch.known_labels))
        auxiliary = self.auxiliary_loss(cast(BackboneOutput, output.taught), batch.known_labels, task, self.teacher)
        branches = super().ahead_loss(output, batch, task)["loss"]
        return {"loss": teacher + auxiliary + branches, "teacher": teacher.detach()}

    def loss(self, output: BiasedOutput, batch: Batch, task: Task) -> Terms:
        """The loss of the backbone."""
        debiased = self.debiased(output, task.targets(batch.known_labels), task)
        return {"loss": debiased + self.auxiliary_loss(output.backbone, batch.known_labels, task)}

    def debiased(self, output: BiasedOutput, targets: Tensor, task: Task) -> Tensor:
        """What the scaled teacher teaches."""
        opinion = F.log_softmax(joint_opinion(output, task), -1)
        teacher = task.rows(output.more["teacher"].detach())
        return confidence_loss(self.options.confidence_form, task.rows(output.logits), teacher, opinion, targets)

    def parameter_groups(self) -> list[ParameterGroup]:
        """The teacher learns as the backbone does."""
        return [*super().parameter_groups(), ParameterGroup("teacher", list(self.teacher.parameters()),
                                                            self.options.m_lr)]
