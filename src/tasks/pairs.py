"""Labels that are there or not, each a pair of logits (absent, present): IEMOCAP's emotions, and sets of labels."""

from abc import abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor

from src.metrics import Metrics, emotion_metrics, set_metrics
from src.structures import EMOTIONS
from src.tasks.base import Task


class Pairs(Task):
    """Base: a softmax over each pair, so that a label has the probability sigmoid(present - absent)."""

    @abstractmethod
    def present(self, labels: Tensor) -> Tensor:
        """Which labels a sample has. Labels of the file -> 0 and 1, integers (N, L)."""

    def targets(self, labels: Tensor) -> Tensor:
        return self.present(labels).flatten()

    def rows(self, logits: Tensor) -> Tensor:
        return logits.reshape(-1, 2)

    def decide(self, logits: Tensor) -> list[str]:
        return self._words(logits.unflatten(1, (-1, 2)).argmax(-1))

    def describe(self, labels: Tensor) -> list[str]:
        return self._words(self.present(labels))

    def _words(self, present: Tensor) -> list[str]:
        """(N, L) of 0 and 1."""
        return ["+".join(name for name, on in zip(self.classes, row, strict=True) if on) or "none"
                for row in present.tolist()]

    def probabilities(self, logits: Tensor) -> Tensor:
        """Probability that each label is present. (N, 2 L) -> (N, L)."""
        return super().probabilities(logits)[:, 1::2]

    def class_values(self, values: Tensor) -> Tensor:
        """Present minus absent of each label. (N, 2 L) -> (N, L)."""
        return values.unflatten(1, (-1, 2)).diff(dim=-1).squeeze(-1)


class Emotions(Pairs):
    """IEMOCAP: four binary emotions, labels (N, 4, 2) as one-hot pairs (absent, present), 8 logits."""

    outputs = 8
    selection = "accuracy_mean"
    headline = ("accuracy_mean", "f1_weighted_mean", "accuracy_4class")
    exact = "accuracy_4class"
    classes = EMOTIONS

    def present(self, labels: Tensor) -> Tensor:
        return labels.argmax(-1)

    def metrics(self, logits: Tensor, labels: Tensor) -> Metrics:
        return emotion_metrics(logits.double().cpu().numpy(), self.present(labels).cpu().numpy())

    def score(self, logits: Tensor, labels: Tensor) -> float:
        return (self.rows(logits).argmax(1) == self.targets(labels)).double().mean().item()

    def correct(self, logits: Tensor, labels: Tensor) -> Tensor:
        return self.class_values(logits.double()).argmax(1) == self.present(labels).argmax(1)

    def prior(self, train_labels: Tensor) -> Tensor:
        return train_labels.mean(0).flatten()

    def trivial_logits(self, train_labels: Tensor) -> Tensor:
        return torch.tensor([1.0, 0.0] * 4)  # every emotion absent

    def example_labels(self) -> Tensor:
        return torch.eye(2)[torch.eye(4)[:2].long()]


class Labels(Pairs):
    """Any labels at once, or none: labels (N, L) of 0 and 1, 2 L logits.

    The cross entropy of the pairs is the binary cross entropy of the logits present - absent, so that whatever works on
    pairs of emotions works here. Macro F1 selects: it judges decisions, as all that is shown does, while a mean average
    precision can be high where every decision is none.
    """

    exclusive = False
    selection = "f1_macro"
    headline = ("f1_macro", "f1_micro", "map", "exact_match")
    exact = "exact_match"

    def __init__(self, count: int, names: Sequence[str] = ()) -> None:
        self.outputs = 2 * count
        self.classes = tuple(names) or tuple(map(str, range(count)))

    def present(self, labels: Tensor) -> Tensor:
        return labels.long()

    def metrics(self, logits: Tensor, labels: Tensor) -> Metrics:
        margins = self.class_values(logits.double())
        return set_metrics(margins.cpu().numpy(), self.present(labels).cpu().numpy(), self.classes)

    def score(self, logits: Tensor, labels: Tensor) -> float:
        return self.metrics(logits, labels)[self.selection]

    def correct(self, logits: Tensor, labels: Tensor) -> Tensor:
        return ((self.class_values(logits.double()) > 0) == self.present(labels)).all(1)

    def prior(self, train_labels: Tensor) -> Tensor:
        share = train_labels.mean(0)
        return torch.stack([1 - share, share], dim=1).flatten()

    def example_labels(self) -> Tensor:
        return torch.eye(len(self.classes))[:2]
