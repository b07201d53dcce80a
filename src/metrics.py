"""Every metric, as pure functions of predictions and truth.

| name                  | meaning                                                        | printed by        |
|-----------------------|----------------------------------------------------------------|-------------------|
| accuracy_<emotion>    | present / absent of one emotion, two logits                    | MulT, CausalMER   |
| f1_weighted_<emotion> | F1 of present and of absent, weighted by their counts          | MulT, CausalMER   |
| accuracy_mean         | mean of the four accuracies; selects on IEMOCAP                | CausalMER         |
| f1_weighted_mean      | mean of the four F1                                            | CausalMER         |
| accuracy_4class       | emotion of the largest present - absent logit is the true one  | not in the paper  |
| recall_mean_4class    | mean recall over the four classes of that decision (UAR)       | not in the paper  |
| acc7, acc5            | score in [-3, 3] ([-2, 2]), rounded half to even, is the truth | all               |
| acc2_neg_nonneg       | score >= 0; zeros counted as non-negative                      | all               |
| acc2_neg_pos          | score > 0; samples whose truth is 0 dropped                    | all               |
| f1_..._weighted       | F1 of both classes weighted by their counts                    | MulT, DMD, MMSA   |
| f1_..._binary         | F1 of the non-negative (positive) class                        | CausalMER         |
| mae, pearson          | mean absolute error, correlation                               | all but CausalMER |

With seven classes a prediction's score is its class - 3. Inherited from the published code: in neg/pos a predicted
class 0 ("neutral") then counts as positive; with one output it does not.
"""

import math

import numpy as np

from src.structures import EMOTIONS

Metrics = dict[str, float]


def emotion_metrics(logits: np.ndarray, present: np.ndarray) -> Metrics:
    """IEMOCAP's four binary problems. logits (N, 8) as pairs (absent, present), present (N, 4) of 0 and 1."""
    pairs = logits.reshape(-1, 4, 2)
    predicted = pairs.argmax(-1)
    accuracy = {name: float((predicted[:, i] == present[:, i]).mean()) for i, name in enumerate(EMOTIONS)}
    f1 = {name: _f1(present[:, i], predicted[:, i], "weighted") for i, name in enumerate(EMOTIONS)}
    single = class_metrics((pairs[..., 1] - pairs[..., 0]).argmax(-1), present.argmax(-1))
    return {
        "accuracy_mean": sum(accuracy.values()) / 4,
        "f1_weighted_mean": sum(f1.values()) / 4,
        "accuracy_4class": single["accuracy"],
        "recall_mean_4class": single["recall_mean"],
        **{f"accuracy_{name}": value for name, value in accuracy.items()},
        **{f"f1_weighted_{name}": value for name, value in f1.items()},
    }


def sentiment_metrics(scores: np.ndarray, truth: np.ndarray, *, zero_is_positive: bool) -> Metrics:
    """MOSEI's and MOSI's metrics. scores (N,), truth (N,) in [-3, 3].

    `zero_is_positive` tells whether a predicted 0 counts as positive in neg/pos, see the table above.
    """
    nonzero = truth != 0
    positive = scores >= 0 if zero_is_positive else scores > 0
    binary = {"neg_nonneg": (truth >= 0, scores >= 0), "neg_pos": (truth[nonzero] > 0, positive[nonzero])}
    metrics = {"acc7": _rounded_accuracy(scores, truth, 3), "acc5": _rounded_accuracy(scores, truth, 2)}
    for name, (true, predicted) in binary.items():
        metrics[f"acc2_{name}"] = float((true == predicted).mean()) if true.size else math.nan
        for average in ("weighted", "binary"):
            metrics[f"f1_{name}_{average}"] = _f1(true, predicted, average) if true.size else math.nan
    metrics["mae"] = float(np.abs(scores - truth).mean())
    varies = scores.size > 1 and scores.std() > 0 and truth.std() > 0
    metrics["pearson"] = float(np.corrcoef(scores, truth)[0, 1]) if varies else math.nan
    return metrics


def class_metrics(predicted: np.ndarray, truth: np.ndarray) -> Metrics:
    """Metrics of exclusive classes. predicted and truth (N,) class numbers."""
    recalls = [float((predicted[truth == c] == c).mean()) for c in np.unique(truth)]
    return {"accuracy": float((predicted == truth).mean()), "f1_weighted": _f1(truth, predicted, "weighted"),
            "recall_mean": sum(recalls) / len(recalls)}


def _rounded_accuracy(scores: np.ndarray, truth: np.ndarray, limit: int) -> float:
    """Share of scores equal to the truth after limiting and rounding half to even."""
    return float((scores.clip(-limit, limit).round() == truth.clip(-limit, limit).round()).mean())


def _f1(truth: np.ndarray, predicted: np.ndarray, average: str) -> float:
    """F1 of the positive class ("binary"), or of every class weighted by its count in truth; 0 where it is 0/0."""
    truth, predicted = truth.astype(np.int64), predicted.astype(np.int64)
    count = int(max(truth.max(), predicted.max(), 1)) + 1
    true, claimed = np.bincount(truth, minlength=count), np.bincount(predicted, minlength=count)
    right = np.bincount(truth[truth == predicted], minlength=count)
    f1 = 2 * right / np.maximum(true + claimed, 1)
    return float(f1[1] if average == "binary" else np.average(f1, weights=true))
