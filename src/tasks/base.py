"""What every kind of label is: targets, loss, decision and metrics."""

import math
from abc import ABC, abstractmethod

import torch
import torch.nn.functional as F
from torch import Tensor

from src.metrics import Metrics
from src.structures import InputError

SCALES = tuple(2.0 ** step for step in range(-3, 5))  # sizes that logits are tried at


class Task(ABC):
    """One kind of label. `labels` are as in the data file, `targets` as the loss takes them."""

    outputs: int  # C
    selection: str  # the metric whose best validation value selects a checkpoint
    lower_is_better = False  # of that metric
    headline: tuple[str, ...]  # the metrics a summary shows
    exact: str  # the metric that is the share of `correct` samples
    classes: tuple[str, ...]  # names of what `class_values` gives a value for
    ordered = False  # whether labels are numbers whose differences mean something
    exclusive = True  # whether a sample has exactly one of the classes
    has_classes = True  # whether logits are scores of classes; else every output is a number of its own

    @abstractmethod
    def targets(self, labels: Tensor) -> Tensor:
        """Labels of the file -> targets of the loss."""

    def loss(self, logits: Tensor, targets: Tensor, reduction: str = "mean") -> Tensor:
        """Mean loss, of classes the cross entropy. logits (B, C) -> scalar.

        With the reduction "none" the terms of its mean, sample by sample.
        """
        return F.cross_entropy(self.rows(logits), targets, reduction=reduction)

    @abstractmethod
    def metrics(self, logits: Tensor, labels: Tensor) -> Metrics:
        """All metrics of a split. logits (N, C), labels as in the file."""

    def score(self, logits: Tensor, labels: Tensor) -> float:
        """The metric `selection` alone, the higher the better. logits (N, C), labels as in the file."""
        return self.share(logits, labels)

    def merit(self, score: float) -> float:
        """A value of the metric `selection` such that higher is better; an undefined one is below all."""
        return -math.inf if math.isnan(score) else -score if self.lower_is_better else score

    def share(self, logits: Tensor, labels: Tensor) -> float:
        """The metric `exact`: how many of the samples are right. logits (N, C), labels as in the file -> [0, 1]."""
        return self.correct(logits, labels).double().mean().item()

    def misfit(self, logits: Tensor, labels: Tensor) -> Tensor:
        """The loss of every sample at the size of the logits that is best for all of them. -> (N,).

        logits (N, C), labels as in the file. Where samples are few its mean tells more than `score`, and as there the
        size of the logits does not count. Numbers stay as they are.
        """
        every = self.misfits(logits, labels)
        return every[every.mean(1).argmin()]

    def misfits(self, logits: Tensor, labels: Tensor) -> Tensor:
        """The loss of every sample at each of `SCALES`, to which the logits are brought; numbers stay. -> (S, N)."""
        targets = self.targets(labels)
        if not self.has_classes:
            return self.loss(logits, targets, "none").reshape(1, len(logits), -1).mean(2)
        rows = self.rows(logits)
        size = (rows - rows.mean(1, keepdim=True)).square().mean().sqrt()
        logits = logits / torch.where(size == 0, 1.0, size)
        if type(self).loss is Task.loss:
            # Classes before samples: a softmax over few numbers that lie side by side is several times as slow.
            tried = torch.tensor(SCALES).to(logits).view(-1, 1, 1) * self.rows(logits).T
            terms = -F.log_softmax(tried, 1).gather(1, targets.expand(len(SCALES), 1, -1))
        else:
            terms = torch.stack([self.loss(scale * logits, targets, "none") for scale in SCALES])
        return terms.reshape(len(SCALES), len(logits), -1).mean(2)

    @abstractmethod
    def correct(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Whether each sample's one decision is right. logits (N, C), labels as in the file -> boolean (N,)."""

    def rows(self, logits: Tensor) -> Tensor:
        """One line per distribution over classes, in the order of `targets`. (N, C) -> (N, C), for L pairs (L N, 2)."""
        return logits

    def log_probabilities(self, logits: Tensor) -> Tensor:
        """Logarithm of the probability that each logit stands for; a number stays. (N, C) -> (N, C)."""
        return F.log_softmax(self.rows(logits), -1).reshape(logits.shape) if self.has_classes else logits

    def probabilities(self, logits: Tensor) -> Tensor:
        """Probability of each class. (N, C) -> (N, len(classes)); InputError where outputs are numbers."""
        if not self.has_classes:
            raise InputError("predictions of numbers have no probabilities; take the decision, or the logits")
        return self.log_probabilities(logits).exp()

    def prior(self, train_labels: Tensor) -> Tensor:
        """Share of the training labels that each logit stands for. -> (C,)."""
        counts = torch.bincount(self.targets(train_labels), minlength=self.outputs).float()
        return counts / counts.sum()

    def trivial_logits(self, train_labels: Tensor) -> Tensor:
        """Logits (C,) of the predictor that looks at no input; here of the most frequent class."""
        return self.prior(train_labels)

    @abstractmethod
    def decide(self, logits: Tensor) -> list[str]:
        """The prediction of every sample in words. logits (N, C)."""

    @abstractmethod
    def describe(self, labels: Tensor) -> list[str]:
        """The label of every sample, in the form of `decide`."""

    @abstractmethod
    def example_labels(self) -> Tensor:
        """Labels of two samples, in the form of the file."""

    def class_values(self, values: Tensor) -> Tensor:
        """What logits or effects (N, C) say for each class. -> (N, len(classes))."""
        return values

    def evidence(self, values: Tensor, logits: Tensor) -> Tensor:
        """What effects (N, C) say for the class that logits (N, C) predict. -> (N,)."""
        likeliest = self.class_values(logits).argmax(1, keepdim=True)
        return self.class_values(values).gather(1, likeliest).squeeze(1)
