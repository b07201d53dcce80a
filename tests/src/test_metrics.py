"""Metrics against the published functions and against numbers worked out by hand."""

import math
import re

import numpy as np
import pytest
import torch

from src.metrics import (
    class_metrics,
    concordance,
    emotion_metrics,
    number_metrics,
    sentiment_metrics,
    set_metrics,
    sims_metrics,
)
from src.tasks import make_task
from tests.golden import golden, normal

CASES = golden("metrics")


def printed(text: str) -> list[float]:
    """The numbers after each colon or bracket, in the order printed."""
    return [float(x) for x in re.findall(r"(?<=[:)]) +([\d.]+)", text)]


def test_emotion_metrics_are_the_published_ones():
    case = CASES["iemocap"]
    truth = np.array(case["targets"]).reshape(-1, 4)
    found = emotion_metrics(normal("metric.iemocap", (40, 8)), truth)
    expected = printed(case["printed"])
    ours = [value for name in ("neutral", "happy", "sad", "angry")
            for value in (found[f"f1_weighted_{name}"], found[f"accuracy_{name}"])]
    assert [*ours, found["accuracy_mean"], found["f1_weighted_mean"]] == pytest.approx(expected, abs=1e-9)
    assert found["accuracy_mean"] == pytest.approx(case["average_accuracy"], abs=1e-9)


@pytest.mark.parametrize("name, task", [("mosei_regression", "sentiment"), ("mosei_cls7", "sentiment7")])
def test_sentiment_metrics_are_the_published_ones(name, task):
    case, task = CASES[name], make_task(task)
    logits = torch.tensor(2.0 * normal(f"metric.{name}", (60, task.outputs)), dtype=torch.float32)
    found = task.metrics(logits, torch.tensor(case["truth"]).reshape(-1, 1, 1))
    names = ("acc7", "acc2_neg_pos", "f1_neg_pos_binary", "acc2_neg_nonneg", "f1_neg_nonneg_binary")
    assert [found[n] for n in names] == pytest.approx(printed(case["printed"]), abs=1e-9)


def test_sentiment_metrics_by_hand():
    truth, scores = np.array([0.0, -0.5, 2.5, 3.0, -1.2]), np.array([-0.1, 0.4, 3.6, 2.4, 0.2])
    found = sentiment_metrics(scores, truth, zero_is_positive=False)
    # rounded half to even, limited to 3: truth 0 0 2 3 -1, scores 0 0 3 2 0
    assert found["acc7"] == pytest.approx(2 / 5)
    # limited to 2: truth 0 0 2 2 -1, scores 0 0 2 2 0
    assert found["acc5"] == pytest.approx(4 / 5)
    # non-negative: truth 1 0 1 1 0, scores 0 1 1 1 1
    assert found["acc2_neg_nonneg"] == pytest.approx(2 / 5)
    assert found["f1_neg_nonneg_binary"] == pytest.approx(4 / 7)  # 2 tp, 2 fp, 1 fn
    assert found["f1_neg_nonneg_weighted"] == pytest.approx(3 / 5 * 4 / 7)  # the negative class has no hit
    # positive without the zero: truth 0 1 1 0, scores 1 1 1 1
    assert found["acc2_neg_pos"] == pytest.approx(1 / 2)
    assert found["mae"] == pytest.approx((0.1 + 0.9 + 1.1 + 0.6 + 1.4) / 5)


def test_swapping_prediction_and_truth_changes_the_weighted_f1():
    truth, scores = np.array([1.0, 1, 1, -1, -1]), np.array([1.0, -1, -1, -1, -1])
    forward, swapped = (sentiment_metrics(a, b, zero_is_positive=False)["f1_neg_pos_weighted"]
                        for a, b in ((scores, truth), (truth, scores)))
    assert (forward, swapped) == pytest.approx((3 / 5 * 1 / 2 + 2 / 5 * 2 / 3, 1 / 5 * 1 / 2 + 4 / 5 * 2 / 3))


def test_a_predicted_neutral_counts_as_positive_only_with_classes():
    truth, scores = np.array([1.0, -1.0]), np.array([0.0, -1.0])
    assert sentiment_metrics(scores, truth, zero_is_positive=True)["acc2_neg_pos"] == 1
    assert sentiment_metrics(scores, truth, zero_is_positive=False)["acc2_neg_pos"] == 0.5


def test_what_is_undefined_is_nan_and_not_a_number_made_up():
    found = sentiment_metrics(np.zeros(3), np.zeros(3), zero_is_positive=True)
    assert math.isnan(found["pearson"]) and math.isnan(found["acc2_neg_pos"])


def test_predicting_every_emotion_absent_gives_iemocaps_trivial_accuracy():
    # Test positives of IEMOCAP: 383, 135, 193, 227 of 938.
    present = np.repeat(np.eye(4, dtype=int), (383, 135, 193, 227), axis=0)
    found = emotion_metrics(np.tile([1.0, 0.0], (938, 4)), present)
    assert round(100 * found["accuracy_mean"], 2) == 75.00
    assert round(100 * found["f1_weighted_mean"], 2) == 64.66
    assert [round(100 * found[f"accuracy_{e}"], 2) for e in ("neutral", "happy", "sad", "angry")] == [
        59.17, 85.61, 79.42, 75.80]


def test_single_label_accuracy_takes_the_largest_present_minus_absent():
    logits = np.array([[0, 1, 0, 3, 0, 2, 5, 0], [0, 1, 0, 0, 0, 0, 0, 0]], dtype=float)
    found = emotion_metrics(logits, np.array([[0, 1, 0, 0], [0, 0, 0, 1]]))
    assert (found["accuracy_4class"], found["recall_mean_4class"]) == (0.5, 0.5)


def test_f1_of_a_class_that_is_never_there_is_nothing_and_has_no_weight():
    # Class 0: 2 * 1 / (1 + 2) = 2/3, weight 1; class 2: 2 * 1 / (2 + 1) = 2/3, weight 2; class 1 is never true.
    assert class_metrics(np.array([0, 0, 2]), np.array([0, 2, 2]))["f1_weighted"] == pytest.approx(2 / 3)


def test_average_precision_by_hand_is_over_labels_that_occur():
    # By falling margin label 0 is true, false, true: steps of recall 1/2 at the precisions 1/1 and 2/3. Of label 1 all
    # margins are equal: one step with the precision 1/3. Label 2 never occurs.
    margins = np.array([[3.0, 0, 1], [2, 0, 2], [1, 0, 3]])
    found = set_metrics(margins, np.array([[1, 0, 0], [0, 0, 0], [1, 1, 0]]), "abc")
    assert found["map"] == pytest.approx(((1 + 2 / 3) / 2 + 1 / 3) / 2)
    assert math.isnan(set_metrics(margins, np.zeros((3, 3), int), "abc")["map"])


def test_metrics_of_sets_are_those_of_scikit_learn():
    metrics = pytest.importorskip("sklearn.metrics")
    random = np.random.default_rng(0)
    present, margins = random.integers(2, size=(60, 4)), random.standard_normal((60, 4)).round(1)
    found = set_metrics(margins, present, "abcd")
    expected = {"f1_macro": metrics.f1_score(present, margins > 0, average="macro"),
                "f1_micro": metrics.f1_score(present, margins > 0, average="micro"),
                "map": metrics.average_precision_score(present, margins),
                "exact_match": metrics.accuracy_score(present, margins > 0)}
    assert {name: found[name] for name in expected} == pytest.approx(expected)


def test_concordance_by_hand():
    # Means 2 and 3, variances 2/3 and 8/3, covariance 4/3: 2 * 4/3 / (2/3 + 8/3 + 1) = 8/13.
    truth, predicted = np.array([1.0, 2, 3]), np.array([1.0, 3, 5])
    assert concordance(predicted, truth) == pytest.approx(8 / 13) == concordance(truth, predicted)
    assert concordance(truth, truth) == 1 and concordance(np.full(3, 2.0), truth) == 0
    assert math.isnan(concordance(np.ones(3), np.ones(3)))


def test_metrics_of_numbers_by_hand():
    truth, predicted = np.array([[1.0, 0], [2, 0], [3, 1]]), np.array([[1.0, 0.5], [3, 0.5], [5, 0.5]])
    found = number_metrics(predicted, truth, range(2))
    assert found["ccc_mean"] == pytest.approx(4 / 13) and found["pearson_0"] == pytest.approx(1)
    assert math.isnan(found["pearson_1"])  # a constant prediction
    assert found["mae"] == pytest.approx((0 + 1 + 2 + 3 * 0.5) / 6) and found["acc_rounded"] == pytest.approx(1 / 3)


def test_metrics_of_ch_sims_by_hand():
    # MMSA: five classes end at -0.7, -0.1, 0.1 and 0.7, three at -0.1 and 0.1, two at 0; scores are limited to [-1, 1].
    truth, scores = np.float32([-0.8, -0.2, 0.0, 0.2, 1.0]), np.float32([-0.6, -0.1, 0.1, -0.05, 1.5])
    found = sims_metrics(scores, truth)
    # truth 0 1 2 3 4, scores 1 1 2 2 4; then 0 0 1 2 2 and 0 0 1 1 2; then 0 0 0 1 1 and 0 0 1 0 1
    assert [found[f"acc{count}_sims"] for count in (5, 3, 2)] == pytest.approx([3 / 5, 4 / 5, 3 / 5])
    assert found["f1_sims_weighted"] == pytest.approx(3 / 5 * 4 / 6 + 2 / 5 * 2 / 4)
    assert found["mae"] == pytest.approx((0.2 + 0.1 + 0.1 + 0.25 + 0) / 5, abs=1e-6)
