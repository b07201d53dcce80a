import pytest
import torch
import torch.nn.functional as F

from src.datasets.labels import FEWEST
from src.structures import DataInfo, InputError, UsageError
from src.tasks import NUMBERED, TASKS, make_task, task_of

KINDS = [*TASKS, "classes:3", "labels:3", "regression:2"]


def labels_of(name: str, count: int) -> torch.Tensor:
    """Random labels of a task, in the form of the file."""
    random = torch.Generator().manual_seed(0)
    numbers = torch.randint(3, (count,), generator=random)
    return {"emotion4": torch.eye(2)[torch.eye(4)[numbers].long()], "sims5": numbers / 2 - 0.5,
            "sims": numbers / 2 - 0.5, "labels:3": torch.randint(2, (count, 3), generator=random).float(),
            "regression:2": torch.randn(count, 2, generator=random)}.get(name, numbers.float())


def test_emotion_targets_and_loss_by_hand():
    task = make_task("emotion4")
    labels = torch.tensor([[[1.0, 0], [0, 1], [1, 0], [1, 0]]])
    assert task.targets(labels).tolist() == [0, 1, 0, 0]
    # Equal logits: every binary problem costs ln 2.
    assert task.loss(torch.zeros(1, 8), task.targets(labels)).item() == pytest.approx(0.693147, abs=1e-6)


def test_sentiment_classes_round_half_to_even():
    labels = torch.tensor([-3.0, -2.5, -0.5, 0.5, 1.5, 2.4, 3.0]).reshape(-1, 1, 1)
    assert make_task("sentiment7").targets(labels).tolist() == [0, 1, 3, 3, 5, 5, 6]


def test_regression_loss_is_the_mean_absolute_error():
    task = make_task("sentiment")
    labels = torch.tensor([1.0, -2.0]).reshape(-1, 1, 1)
    assert task.loss(torch.tensor([[0.5], [0.0]]), task.targets(labels)).item() == 1.25


def test_trivial_predictors():
    labels = torch.tensor([0.1, -0.2, 2.0]).reshape(-1, 1, 1)
    assert make_task("sentiment7").trivial_logits(labels).argmax() == 3
    assert make_task("sentiment").trivial_logits(labels).item() == pytest.approx(0.1)
    assert make_task("emotion4").decide(make_task("emotion4").trivial_logits(labels).unsqueeze(0)) == ["none"]


def test_decisions_in_words():
    assert make_task("emotion4").decide(torch.tensor([[0.0, 1, 1, 0, 0, 1, 1, 0]])) == ["neutral+sad"]
    assert make_task("sentiment7").decide(torch.eye(7)[[0, 6]]) == ["-3", "3"]
    assert make_task("sentiment").decide(torch.tensor([[0.25]])) == ["0.25"]


def test_emotion_evidence_is_the_margin_of_the_likeliest_emotion():
    logits = torch.tensor([[0.0, 1, 0, 3, 0, 2, 5, 0]])
    values = torch.arange(8.0).unsqueeze(0) ** 2
    assert make_task("emotion4").evidence(values, logits).tolist() == [9 - 4]


def test_every_numbered_kind_has_a_form_of_labels_and_a_test():
    assert NUMBERED.keys() == FEWEST.keys() == {name.partition(":")[0] for name in KINDS if ":" in name}


@pytest.mark.parametrize("name", KINDS)
def test_selection_and_headline_are_metrics_of_the_task_and_its_score_is_the_first(name):
    task, logits, labels = make_task(name), torch.randn(20, make_task(name).outputs), labels_of(name, 20)
    found = task.metrics(logits, labels)
    assert {task.selection, task.exact, *task.headline} <= found.keys() and task.exact in task.headline
    sign = -1 if task.lower_is_better else 1
    assert task.score(logits, labels) == pytest.approx(sign * found[task.selection], abs=1e-6)


@pytest.mark.parametrize("name", KINDS)
def test_labels_are_described_as_a_perfect_prediction_is_and_examples_fit(name):
    task, labels = make_task(name), labels_of(name, 6)
    assert len(task.describe(labels)) == len(task.decide(torch.randn(6, task.outputs))) == 6
    examples = task.example_labels()
    assert task.loss(torch.zeros(2, task.outputs), task.targets(examples)).isfinite() and len(examples) == 2
    trivial = task.trivial_logits(labels)
    assert trivial.shape == task.prior(labels).shape == (task.outputs,)


def test_an_unknown_task_is_refused_with_the_choices():
    for name in ("x", "classes", "classes:1", "classes:many", "labels:1", "labels:", "regression:0", "emotion4:3"):
        with pytest.raises(InputError, match=f"unknown task '{name}'; choose from emotion4, .*, classes:N, labels:N, "):
            make_task(name)


@pytest.mark.parametrize("labels", [torch.tensor([0.0, 2, 1]), torch.tensor([[0.0], [2], [1]]),
                                    torch.eye(3)[[0, 2, 1]]])
def test_classes_are_numbers_or_one_hot(labels):
    task = make_task("classes:3")
    assert task.targets(labels).tolist() == [0, 2, 1] and task.describe(labels) == ["0", "2", "1"]
    # Two of three right; recalls 1, 1, 0; F1 of the three classes 1, 2/3, 0.
    found = task.metrics(torch.eye(3)[[0, 2, 2]], labels)
    same = (1 + 2 / 3) / 3
    assert found == pytest.approx(dict(accuracy=2 / 3, f1_weighted=same, f1_macro=same, recall_mean=2 / 3))


def test_correct_decisions_by_hand():
    emotions = make_task("emotion4")
    labels = torch.eye(2)[torch.tensor([[0, 1, 0, 0], [1, 0, 0, 0]])]
    logits = torch.zeros(2, 8)
    logits[:, 3] = 1.0  # happy has the largest present - absent
    assert emotions.correct(logits, labels).tolist() == [True, False]
    assert make_task("sentiment7").correct(torch.eye(7)[[6, 0, 3]], torch.tensor([3.0, -1.6, 0.4])).tolist() == [
        True, False, True]
    assert make_task("sentiment").correct(torch.tensor([[3.6], [0.4]]), torch.tensor([2.7, 0.6])).tolist() == [
        True, False]
    assert make_task("classes:2").correct(torch.eye(2), torch.tensor([0.0, 0.0])).tolist() == [True, False]


@pytest.mark.parametrize("name", KINDS)
def test_the_exact_metric_is_the_share_of_correct_decisions(name):
    task, random = make_task(name), torch.Generator().manual_seed(0)
    logits, labels = torch.randn(200, task.outputs, generator=random), labels_of(name, 200)
    right = task.correct(logits, labels).double().mean().item()
    assert task.metrics(logits, labels)[task.exact] == pytest.approx(right)
    assert len(task.classes) == task.class_values(logits).size(1)


def test_the_class_prior_is_the_share_of_the_training_labels():
    assert make_task("classes:3").prior(torch.tensor([0.0, 2, 2, 2])).tolist() == [0.25, 0, 0.75]
    labels = torch.eye(2)[torch.tensor([[1, 0, 0, 0], [0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1]])]  # neutral in half
    assert make_task("emotion4").prior(labels).tolist() == [0.5, 0.5, 0.75, 0.25, 1, 0, 0.75, 0.25]
    assert make_task("sentiment7").prior(torch.tensor([-3.0, 3.0, 2.6, 0.2]).reshape(4, 1, 1)).tolist() == [
        0.25, 0, 0, 0.25, 0, 0, 0.5]
    assert make_task("sentiment").prior(torch.tensor([1.0, 2.0])).tolist() == [1]


def test_the_loss_of_sets_is_binary_cross_entropy_of_present_minus_absent():
    task, logits = make_task("labels:3"), torch.randn(5, 6)
    labels = labels_of("labels:3", 5)
    margins = logits[:, 1::2] - logits[:, ::2]
    torch.testing.assert_close(task.loss(logits, task.targets(labels)),
                               F.binary_cross_entropy_with_logits(margins, labels))
    torch.testing.assert_close(task.log_probabilities(logits)[:, 1::2], F.logsigmoid(margins))


def test_sets_of_labels_by_hand():
    task = make_task("labels:2", ("happy", "sad"))
    logits = torch.tensor([[0.0, 1, 0, 1], [0, 1, 0, -1], [0, -1, 0, -1], [0, 0, 0, 2]])
    labels = torch.tensor([[1.0, 1], [1, 1], [0, 0], [1, 1]])
    assert task.decide(logits) == ["happy+sad", "happy", "none", "sad"]
    assert task.describe(labels) == ["happy+sad", "happy+sad", "none", "happy+sad"]
    assert task.correct(logits, labels).tolist() == [True, False, True, False]
    assert task.classes == ("happy", "sad") and task.class_values(logits)[0].tolist() == [1, 1]
    assert task.prior(labels).tolist() == [0.25, 0.75, 0.25, 0.75]
    assert task.decide(task.trivial_logits(labels)[None]) == ["happy+sad"]
    # Of each label two of three are found and nothing else is claimed: F1 = 2 * 2 / (3 + 2).
    found = task.metrics(logits, labels)
    assert [found[name] for name in ("f1_class_happy", "f1_class_sad", "f1_macro", "f1_micro", "exact_match")
            ] == pytest.approx([0.8, 0.8, 0.8, 0.8, 0.5])


def test_numbers_of_a_sample_by_hand():
    task = make_task("regression:2")
    labels, logits = torch.tensor([[1.0, 5], [2, 4], [3, 3]]), torch.tensor([[1.25, 5.0], [2.75, 4.0], [3.0, 2.0]])
    assert task.loss(logits, task.targets(labels)).item() == pytest.approx((0.25 + 0.75 + 1) / 6)
    assert task.correct(logits, labels).tolist() == [True, False, False]
    assert task.decide(logits)[0] == "1.25 5" and task.describe(labels)[2] == "3 3"
    assert task.trivial_logits(labels).tolist() == [2, 4]
    assert task.evidence(torch.tensor([[1.0, 3]]), logits[:1]).tolist() == [2]
    assert make_task("regression:1").targets(torch.tensor([1.0, 2])).shape == (2, 1)


def test_scores_of_ch_sims_are_classes_by_mmsas_borders():
    scores = torch.tensor([-1.0, -0.7, -0.6, -0.1, 0.0, 0.1, 0.2, 0.7, 0.8])
    task = make_task("sims5")
    assert task.targets(scores).tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4]
    assert task.describe(scores[:3]) == ["negative", "negative", "weakly negative"]
    centres = task.metrics(torch.eye(5), torch.tensor([-0.9, -0.4, 0.0, 0.4, 0.9]))
    assert centres["mae"] == 0 and centres["acc5_sims"] == 1  # a class stands for the mean of its labels
    assert make_task("sims").decide(torch.tensor([[1.7], [-0.25]])) == ["1", "-0.25"]


def test_names_of_classes_are_in_decisions_labels_and_metrics():
    info = DataInfo("x", "classes:3", 3, {}, {}, class_names=("low", "middle", "high"))
    task, labels = task_of(info), torch.tensor([0.0, 2, 2])
    assert task.classes == ("low", "middle", "high") and task.describe(labels) == ["low", "high", "high"]
    assert task.decide(torch.eye(3)) == ["low", "middle", "high"]
    # low: 1 of 1 right; high: 1 of 2 right and nothing else claimed, 2 * 1 / (2 + 1); middle is claimed once, wrongly.
    found = task.metrics(torch.eye(3), labels)
    assert [found[f"f1_class_{name}"] for name in task.classes] == pytest.approx([1, 0, 2 / 3])


def test_names_of_numbers_are_in_decisions_labels_and_metrics():
    task = make_task("regression:2", ("valence", "arousal"))
    values = torch.tensor([[0.5, 1], [1.5, 3]])
    assert task.classes == ("valence", "arousal") and task.decide(values)[0] == "valence 0.5 arousal 1"
    found = task.metrics(values, values + torch.tensor([0.0, 1]))
    # Variance 1 each, means 1 apart: 2 / (1 + 1 + 1).
    assert {name: found[name] for name in found if name[:3] in ("ccc", "pea")} == pytest.approx({
        "ccc_mean": 5 / 6, "ccc_valence": 1, "ccc_arousal": 2 / 3, "pearson_valence": 1, "pearson_arousal": 1})
    assert make_task("regression:1", ("valence",)).describe(torch.tensor([0.5])) == ["0.5"]


@pytest.mark.parametrize("task, names, message", [
    ("classes:3", ("a", "b"), "has 2 names, and the task classes:3 needs 3"),
    ("labels:2", ("a", "b", "c"), "has 3 names, and the task labels:2 needs 2"),
    ("regression:2", ("a",), "has 1 names, and the task regression:2 needs 2"),
    ("regression:2", ("a", "mean"), "cannot call a number 'mean'"),
    ("sims5", tuple("abcde"), "and the task is sims5; leave it out")])
def test_names_that_do_not_fit_are_one_sentence(task, names, message):
    with pytest.raises(UsageError, match=message):
        make_task(task, names)


def test_probabilities_are_those_of_classes_and_of_labels_that_are_present():
    logits = torch.tensor([[0.0, 3.0, 0.0, 0.25]]).log1p()  # odds 4 and 1.25 of the second to the first of each pair
    assert make_task("classes:4").probabilities(logits)[0].tolist() == pytest.approx([4 / 29, 16 / 29, 4 / 29, 5 / 29])
    assert make_task("labels:2").probabilities(logits)[0].tolist() == pytest.approx([4 / 5, 5 / 9])


def test_numbers_have_no_probabilities():
    with pytest.raises(InputError, match="predictions of numbers have no probabilities"):
        make_task("sentiment").probabilities(torch.zeros(2, 1))
