"""Scores of sentiment, as classes or as numbers, and any other numbers such as valence and arousal."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from src.metrics import Metrics, number_metrics, sentiment_metrics, sims_metrics
from src.structures import SIMS_BORDERS, UsageError
from src.tasks.base import Task


class SentimentClasses(Task):
    """MOSEI and MOSI as seven classes: labels in [-3, 3] -> class round(y) + 3."""

    outputs = 7
    selection = "acc7"
    headline: tuple[str, ...] = ("acc7", "acc2_neg_nonneg", "acc2_neg_pos", "f1_neg_pos_weighted", "mae")
    exact = "acc7"
    classes: tuple[str, ...] = ("-3", "-2", "-1", "0", "1", "2", "3")
    ordered = True

    def targets(self, labels: Tensor) -> Tensor:
        return labels.flatten().round().long() + 3

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
    """MOSEI and MOSI as regression of the score, which no effect of classes can debias."""

    outputs = 1
    selection = "mae"  # Acc-7 of a small split is coarse, and selects worse on every other metric
    lower_is_better = True
    has_classes = exclusive = False
    classes = ("score",)

    def targets(self, labels: Tensor) -> Tensor:
        return labels.flatten()

    def loss(self, logits: Tensor, targets: Tensor, reduction: str = "mean") -> Tensor:
        return F.l1_loss(logits.squeeze(1), targets, reduction=reduction)

    def score(self, logits: Tensor, labels: Tensor) -> float:
        return -(self.scores(logits).double() - labels.flatten().double()).abs().mean().item()

    def scores(self, logits: Tensor) -> Tensor:
        """(N, 1) -> (N,)."""
        return logits.squeeze(1)

    def prior(self, train_labels: Tensor) -> Tensor:
        return torch.ones(1)  # a score has no classes

    def trivial_logits(self, train_labels: Tensor) -> Tensor:
        return train_labels.flatten().median().unsqueeze(0)  # the constant with the least absolute error


def sims_bins(scores: Tensor) -> Tensor:
    """The class of CH-SIMS, from 0 to 4, that a score is in; a border belongs to the class below it. (N,) -> (N,)."""
    return torch.bucketize(scores.float(), torch.tensor(SIMS_BORDERS, device=scores.device))


class Sims(Sentiment):
    """CH-SIMS as regression of the score in [-1, 1], judged as MMSA judges it."""

    headline = ("acc5_sims", "acc3_sims", "acc2_sims", "f1_sims_weighted", "mae")
    exact = "acc5_sims"

    def scores(self, logits: Tensor) -> Tensor:
        return logits.squeeze(1).clip(-1, 1)

    def metrics(self, logits: Tensor, labels: Tensor) -> Metrics:
        scores, truth = (values.float().cpu().numpy() for values in (self.scores(logits), labels.flatten()))
        return sims_metrics(scores, truth)

    def correct(self, logits: Tensor, labels: Tensor) -> Tensor:
        return sims_bins(self.scores(logits)) == sims_bins(labels.flatten())

    def example_labels(self) -> Tensor:
        return torch.tensor([-0.8, 0.2])


class Regression(Task):
    """Any numbers of a sample, such as valence and arousal: labels (N, K), for one also (N,); K outputs.

    The loss is the mean absolute error, as for the scores of sentiment; the mean concordance selects. A sample counts
    as right where all its numbers round to those of the truth. Numbers with names have these in metrics and in words.
    """

    selection = "ccc_mean"
    headline = ("ccc_mean", "mae", "acc_rounded")
    exact = "acc_rounded"
    ordered = True
    has_classes = exclusive = False

    def __init__(self, count: int, names: Sequence[str] = ()) -> None:
        if "mean" in names:
            raise UsageError("--class_names cannot call a number 'mean', since ccc_mean is that of them all; choose "
                             "another name")
        self.outputs, self.names = count, tuple(names)
        self.classes = self.names or tuple(f"value {i}" for i in range(count))

    def targets(self, labels: Tensor) -> Tensor:
        return labels.reshape(len(labels), self.outputs)

    def loss(self, logits: Tensor, targets: Tensor, reduction: str = "mean") -> Tensor:
        return F.l1_loss(logits, targets, reduction=reduction)

    def metrics(self, logits: Tensor, labels: Tensor) -> Metrics:
        predicted, truth = (values.double().cpu().numpy() for values in (logits, self.targets(labels)))
        return number_metrics(predicted, truth, self.names or range(self.outputs))

    def score(self, logits: Tensor, labels: Tensor) -> float:
        return self.metrics(logits, labels)[self.selection]

    def correct(self, logits: Tensor, labels: Tensor) -> Tensor:
        return (logits.round() == self.targets(labels).round()).all(1)

    def prior(self, train_labels: Tensor) -> Tensor:
        return torch.ones(self.outputs)  # numbers have no classes

    def trivial_logits(self, train_labels: Tensor) -> Tensor:
        return self.targets(train_labels).median(0).values  # the constants with the least absolute error

    def decide(self, logits: Tensor) -> list[str]:
        named = self.outputs > 1 and self.names  # a single number stays one, which figures put in order
        heads = [f"{name} " for name in named] if named else [""] * self.outputs
        return [" ".join(f"{head}{value:g}" for head, value in zip(heads, row, strict=True)) for row in logits.tolist()]

    def describe(self, labels: Tensor) -> list[str]:
        return self.decide(self.targets(labels))

    def example_labels(self) -> Tensor:
        return torch.eye(2, self.outputs)

    def evidence(self, values: Tensor, logits: Tensor) -> Tensor:
        """What effects say on the mean of all numbers, none of which is preferred. (N, K) x 2 -> (N,)."""
        return values.mean(1)
