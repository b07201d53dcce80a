"""Exclusive classes, by number or by the bins of a score."""

from collections.abc import Sequence

import torch
from torch import Tensor

from src.metrics import Metrics, class_metrics, sims_metrics
from src.structures import SIMS_CLASSES
from src.tasks.base import Task
from src.tasks.scores import Sims, sims_bins

CENTRES = (-0.9, -0.4, 0.0, 0.4, 0.9)  # mean of the labels that fall into each class of CH-SIMS


class Classes(Task):
    """Any number of exclusive classes: labels (N,) or (N, 1) from 0, or one-hot (N, C).

    Named classes have their F1 among the metrics, as papers on conversations print it.
    """

    selection = "accuracy"
    headline: tuple[str, ...] = ("accuracy", "f1_weighted", "recall_mean")
    exact = "accuracy"

    def __init__(self, count: int, names: Sequence[str] = ()) -> None:
        self.outputs, self.names = count, tuple(names)
        self.classes = self.names or tuple(map(str, range(count)))

    def targets(self, labels: Tensor) -> Tensor:
        return labels.argmax(1) if labels.ndim == 2 and labels.size(1) > 1 else labels.flatten().long()

    def metrics(self, logits: Tensor, labels: Tensor) -> Metrics:
        return class_metrics(logits.argmax(1).cpu().numpy(), self.targets(labels).cpu().numpy(), self.names)

    def correct(self, logits: Tensor, labels: Tensor) -> Tensor:
        return logits.argmax(1) == self.targets(labels)

    def decide(self, logits: Tensor) -> list[str]:
        return [self.classes[index] for index in logits.argmax(1).tolist()]

    def describe(self, labels: Tensor) -> list[str]:
        return [self.classes[index] for index in self.targets(labels).tolist()]

    def example_labels(self) -> Tensor:
        return torch.tensor([0.0, 1.0])


class SimsClasses(Classes):
    """CH-SIMS as five classes: labels in [-1, 1] -> class by MMSA's borders; its score is the mean of its labels."""

    selection = exact = Sims.exact
    headline = Sims.headline
    ordered = True

    def __init__(self) -> None:
        super().__init__(len(SIMS_CLASSES), SIMS_CLASSES)

    def targets(self, labels: Tensor) -> Tensor:
        return sims_bins(labels.flatten())

    def metrics(self, logits: Tensor, labels: Tensor) -> Metrics:
        scores = torch.tensor(CENTRES)[logits.argmax(1).cpu()]
        return sims_metrics(scores.numpy(), labels.flatten().float().cpu().numpy())

    def example_labels(self) -> Tensor:
        return torch.tensor([-0.8, 0.2])
