"""What the logits mean: targets, loss, decision and metrics of each kind of label."""

from abc import ABC, abstractmethod

import torch
import torch.nn.functional as F
from torch import Tensor

from src.datasets.labels import class_count
from src.metrics import Metrics, class_metrics, emotion_metrics, sentiment_metrics
from src.structures import EMOTIONS

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

    @abstractmethod
    def targets(self, labels: Tensor) -> Tensor:
        """Labels of the file -> targets of the loss."""

    @abstractmethod
    def loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Mean loss. logits (B, C) -> scalar."""

    @abstractmethod
    def metrics(self, logits: Tensor, labels: Tensor) -> Metrics:
        """All metrics of a split. logits (N, C), labels as in the file."""

    def score(self, logits: Tensor, labels: Tensor) -> float:
        """The metric `selection` alone, the higher the better. logits (N, C), labels as in the file."""
        return self.share(logits, labels)

    def share(self, logits: Tensor, labels: Tensor) -> float:
        """The metric `exact`: how many of the samples are right. logits (N, C), labels as in the file -> [0, 1]."""
        return self.correct(logits, labels).double().mean().item()

    def fit(self, logits: Tensor, labels: Tensor) -> float:
        """Minus the loss of a prediction at the best size of its logits, the higher the better.

        logits (N, C), labels as in the file. Where samples are few it tells more than `score`, and as there the size
        of the logits does not count. A score, of one output, stays as it is.
        """
        targets, scales = self.targets(labels), (1.0,)
        if self.outputs > 1:
            rows = self.rows(logits)
            size = (rows - rows.mean(1, keepdim=True)).square().mean().sqrt()
            logits, scales = logits / size if size else logits, SCALES
        return max(-self.loss(scale * logits, targets).item() for scale in scales)

    @abstractmethod
    def correct(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Whether each sample's one decision is right. logits (N, C), labels as in the file -> boolean (N,)."""

    def rows(self, logits: Tensor) -> Tensor:
        """One line per distribution over classes, in the order of `targets`. (N, C) -> (N, C), for pairs (4 N, 2)."""
        return logits

    def log_probabilities(self, logits: Tensor) -> Tensor:
        """Logarithm of the probability that each logit stands for; a score, of one output, stays. (N, C) -> (N, C)."""
        return F.log_softmax(self.rows(logits), -1).reshape(logits.shape) if self.outputs > 1 else logits

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


class Emotions(Task):
    """IEMOCAP: four binary emotions, labels (N, 4, 2) as one-hot pairs (absent, present), 8 logits."""

    outputs = 8
    selection = "accuracy_mean"
    headline = ("accuracy_mean", "f1_weighted_mean", "accuracy_4class")
    exact = "accuracy_4class"
    classes = EMOTIONS

    def targets(self, labels: Tensor) -> Tensor:
        return labels.argmax(-1).flatten()

    def rows(self, logits: Tensor) -> Tensor:
        return logits.reshape(-1, 2)

    def loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        return F.cross_entropy(self.rows(logits), targets)

    def metrics(self, logits: Tensor, labels: Tensor) -> Metrics:
        return emotion_metrics(logits.double().cpu().numpy(), labels.argmax(-1).cpu().numpy())

    def score(self, logits: Tensor, labels: Tensor) -> float:
        return (self.rows(logits).argmax(1) == self.targets(labels)).double().mean().item()

    def correct(self, logits: Tensor, labels: Tensor) -> Tensor:
        return self.class_values(logits.double()).argmax(1) == labels.argmax(-1).argmax(1)

    def prior(self, train_labels: Tensor) -> Tensor:
        return train_labels.mean(0).flatten()

    def trivial_logits(self, train_labels: Tensor) -> Tensor:
        return torch.tensor([1.0, 0.0] * 4)  # every emotion absent

    def decide(self, logits: Tensor) -> list[str]:
        return self.describe(logits.unflatten(1, (4, 2)))

    def describe(self, labels: Tensor) -> list[str]:
        present = labels.argmax(-1).tolist()
        return ["+".join(name for name, on in zip(EMOTIONS, row, strict=True) if on) or "none" for row in present]

    def example_labels(self) -> Tensor:
        return torch.eye(2)[torch.eye(4)[:2].long()]

    def class_values(self, values: Tensor) -> Tensor:
        """Present minus absent of each emotion. (N, 8) -> (N, 4)."""
        return values.unflatten(1, (4, 2)).diff(dim=-1).squeeze(-1)


class SentimentClasses(Task):
    """MOSEI and MOSI as seven classes: labels in [-3, 3] -> class round(y) + 3."""

    outputs = 7
    selection = "acc7"
    headline = ("acc7", "acc2_neg_nonneg", "acc2_neg_pos", "f1_neg_pos_weighted", "mae")
    exact = "acc7"
    classes = ("-3", "-2", "-1", "0", "1", "2", "3")
    ordered = True

    def targets(self, labels: Tensor) -> Tensor:
        return labels.flatten().round().long() + 3

    def loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        return F.cross_entropy(logits, targets)

    def scores(self, logits: Tensor) -> Tensor:
        """Sentiment of the predicted class. (N, 7) -> (N,)."""
        return logits.argmax(1) - 3.0

    def metrics(self, logits: Tensor, labels: Tensor) -> Metrics:
        scores, truth = self.scores(logits).double(), labels.flatten().double()
        return sentiment_metrics(scores.cpu().numpy(), truth.cpu().numpy(), zero_is_positive=self.outputs > 1)

    def correct(self, logits: Tensor, labels: Tensor) -> Tensor:
        scores, truth = (values.double().clip(-3, 3).round() for values in (self.scores(logits), labels.flatten()))
        return scores == truth

    def decide(self, logits: Tensor) -> list[str]:
        return [f"{score:g}" for score in self.scores(logits).tolist()]

    def describe(self, labels: Tensor) -> list[str]:
        return [f"{value:g}" for value in labels.flatten().tolist()]

    def example_labels(self) -> Tensor:
        return torch.tensor([-1.0, 2.0]).reshape(2, 1, 1)


class Sentiment(SentimentClasses):
    """MOSEI and MOSI as regression of the score; debiases nothing, see src/build.py."""

    outputs = 1
    selection = "mae"  # Acc-7 of a small split is coarse, and selects worse on every other metric
    lower_is_better = True
    classes = ("score",)

    def targets(self, labels: Tensor) -> Tensor:
        return labels.flatten()

    def loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        return F.l1_loss(logits.squeeze(1), targets)

    def score(self, logits: Tensor, labels: Tensor) -> float:
        return -(self.scores(logits).double() - labels.flatten().double()).abs().mean().item()

    def scores(self, logits: Tensor) -> Tensor:
        """(N, 1) -> (N,)."""
        return logits.squeeze(1)

    def prior(self, train_labels: Tensor) -> Tensor:
        return torch.ones(1)  # a score has no classes

    def trivial_logits(self, train_labels: Tensor) -> Tensor:
        return train_labels.flatten().median().unsqueeze(0)  # the constant with the least absolute error


class Classes(Task):
    """Any number of exclusive classes: labels (N,) or (N, 1) from 0, or one-hot (N, C)."""

    selection = "accuracy"
    headline = ("accuracy", "f1_weighted", "recall_mean")
    exact = "accuracy"

    def __init__(self, count: int) -> None:
        self.outputs = count
        self.classes = tuple(map(str, range(count)))

    def targets(self, labels: Tensor) -> Tensor:
        return labels.argmax(1) if labels.ndim == 2 and labels.size(1) > 1 else labels.flatten().long()

    def loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        return F.cross_entropy(logits, targets)

    def metrics(self, logits: Tensor, labels: Tensor) -> Metrics:
        return class_metrics(logits.argmax(1).cpu().numpy(), self.targets(labels).cpu().numpy())

    def correct(self, logits: Tensor, labels: Tensor) -> Tensor:
        return logits.argmax(1) == self.targets(labels)

    def decide(self, logits: Tensor) -> list[str]:
        return [str(index) for index in logits.argmax(1).tolist()]

    def describe(self, labels: Tensor) -> list[str]:
        return [str(index) for index in self.targets(labels).tolist()]

    def example_labels(self) -> Tensor:
        return torch.tensor([0.0, 1.0])


TASKS: dict[str, type[Task]] = {"emotion4": Emotions, "sentiment7": SentimentClasses, "sentiment": Sentiment}


def make_task(name: str) -> Task:
    """The task called `name`, or classes:N; raises InputError for an unknown one."""
    return TASKS[name]() if name in TASKS else Classes(class_count(name))
