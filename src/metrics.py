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
| acc2_sims, ..3.., ..5 | class of the score by MMSA's borders for CH-SIMS is the truth's | MMSA             |
| f1_sims_weighted      | F1 of scores up to 0 and above, weighted by their counts       | MMSA              |
| f1_class_<name>       | F1 of one class of many, or of one label of a set              | DialogueRNN, MMGCN|
| f1_macro, f1_micro    | mean of these F1, of classes true or predicted; F1 of all decisions |                   |
| map                   | mean over labels that occur of the average precision           |                   |
| exact_match           | the whole set of labels is right                               |                   |
| ccc_<name>, ccc_mean  | concordance correlation coefficient (Lin) of one number; mean  |                   |
| pearson_<name>        | correlation of one number                                      |                   |
| acc_rounded           | all numbers of a sample, rounded half to even, are the truth   |                   |

With seven classes a prediction's score is its class - 3. Inherited from the published code: in neg/pos a predicted
class 0 ("neutral") then counts as positive; with one output it does not.
"""

import math
from collections.abc import Iterable, Sequence

import numpy as np

from src.structures import EMOTIONS, SIMS_BORDERS

Metrics = dict[str, float]


def is_share(metric: str) -> bool:
    """Whether a metric lies in 0 to 1, and is shown in percent; errors, correlations and divergences are not."""
    return not metric.startswith(("mae", "pearson", "ccc", "kl_", "agreement"))


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
    return metrics | {"mae": float(np.abs(scores - truth).mean()), "pearson": _pearson(scores, truth)}


def sims_metrics(scores: np.ndarray, truth: np.ndarray) -> Metrics:
    """MMSA's metrics of CH-SIMS. scores (N,), truth (N,) in [-1, 1], in single precision as MMSA bins them."""
    scores, truth = scores.clip(-1, 1), truth.clip(-1, 1)
    classes = {len(borders) + 1: [np.digitize(values, np.asarray(borders, np.float32), right=True)
                                  for values in (truth, scores)]
               for borders in (SIMS_BORDERS, SIMS_BORDERS[1:3], (0.0,))}
    signs, predicted = classes[2]
    return {**{f"acc{count}_sims": float((one == other).mean()) for count, (one, other) in classes.items()},
            "f1_sims_weighted": _f1(signs, predicted, "weighted"), "mae": float(np.abs(scores - truth).mean()),
            "pearson": _pearson(scores, truth)}


def class_metrics(predicted: np.ndarray, truth: np.ndarray, names: Sequence[str] = ()) -> Metrics:
    """Metrics of exclusive classes, with names also of each class. predicted and truth (N,) class numbers."""
    recalls = [float((predicted[truth == c] == c).mean()) for c in np.unique(truth)]
    return {"accuracy": float((predicted == truth).mean()), "f1_weighted": _f1(truth, predicted, "weighted"),
            "f1_macro": _f1(truth, predicted, "macro"), "recall_mean": sum(recalls) / len(recalls),
            **{f"f1_class_{name}": _f1(truth == c, predicted == c, "binary") for c, name in enumerate(names)}}


def set_metrics(margins: np.ndarray, present: np.ndarray, names: Sequence[str]) -> Metrics:
    """Metrics of sets of labels, a label being claimed where its margin is above 0. margins, present (N, labels)."""
    claimed = margins > 0
    single = {f"f1_class_{name}": _f1(present[:, i], claimed[:, i], "binary") for i, name in enumerate(names)}
    found = [_average_precision(margins[:, i], present[:, i]) for i in np.flatnonzero(present.any(0))]
    return {"f1_macro": sum(single.values()) / len(single), "f1_micro": _f1(present.ravel(), claimed.ravel(), "binary"),
            "map": sum(found) / len(found) if found else math.nan,
            "exact_match": float((claimed == present).all(1).mean()), **single}


def number_metrics(predicted: np.ndarray, truth: np.ndarray, names: Iterable[object]) -> Metrics:
    """Metrics of several numbers per sample, each with a name. predicted and truth (N, K)."""
    pairs = dict(zip(names, zip(predicted.T, truth.T, strict=True), strict=True))
    ccc = {f"ccc_{name}": concordance(*pair) for name, pair in pairs.items()}
    return {"ccc_mean": sum(ccc.values()) / len(ccc), "mae": float(np.abs(predicted - truth).mean()),
            "acc_rounded": float((predicted.round() == truth.round()).all(1).mean()), **ccc,
            **{f"pearson_{name}": _pearson(*pair) for name, pair in pairs.items()}}


def concordance(predicted: np.ndarray, truth: np.ndarray) -> float:
    """2 cov / (var + var' + (mean - mean')^2), with divisor N; NaN where both are one and the same number. (N,) x 2."""
    shift = predicted.mean() - truth.mean()
    covariance = ((predicted - predicted.mean()) * (truth - truth.mean())).mean()
    spread = predicted.var() + truth.var() + shift**2
    return float(2 * covariance / spread) if spread > 0 else math.nan


def _average_precision(scores: np.ndarray, truth: np.ndarray) -> float:
    """Sum over the distinct scores, from the top, of the gain in recall times the precision. (N,) x 2."""
    order = np.argsort(-scores, kind="stable")
    last = np.append(np.diff(scores[order]) != 0, True)  # of the samples of one score, which count as one step
    hits = np.cumsum(truth[order])[last]
    return float((np.diff(hits, prepend=0) * hits / (np.flatnonzero(last) + 1)).sum() / hits[-1])


def _pearson(scores: np.ndarray, truth: np.ndarray) -> float:
    """Correlation; NaN where one of the two does not vary. (N,) x 2."""
    varies = scores.size > 1 and scores.std() > 0 and truth.std() > 0
    return float(np.corrcoef(scores, truth)[0, 1]) if varies else math.nan


def _rounded_accuracy(scores: np.ndarray, truth: np.ndarray, limit: int) -> float:
    """Share of scores equal to the truth after limiting and rounding half to even."""
    return float((scores.clip(-limit, limit).round() == truth.clip(-limit, limit).round()).mean())


def _f1(truth: np.ndarray, predicted: np.ndarray, average: str) -> float:
    """F1 of the positive class ("binary"), or the mean over classes, each weighted by its count in truth or, "macro",
    all that are true or predicted alike; 0 where it is 0/0.
    """
    truth, predicted = truth.astype(np.int64), predicted.astype(np.int64)
    count = int(max(truth.max(), predicted.max(), 1)) + 1
    true, claimed = np.bincount(truth, minlength=count), np.bincount(predicted, minlength=count)
    right = np.bincount(truth[truth == predicted], minlength=count)
    f1 = 2 * right / np.maximum(true + claimed, 1)
    return float(f1[1] if average == "binary" else
                 np.average(f1, weights=true if average == "weighted" else true + claimed > 0))
