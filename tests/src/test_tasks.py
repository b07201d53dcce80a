import pytest
import torch

from src.structures import InputError
from src.tasks import TASKS, make_task


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


@pytest.mark.parametrize("name", TASKS)
def test_selection_and_headline_are_metrics_of_the_task(name):
    task = make_task(name)
    labels = torch.eye(2)[torch.randint(2, (9, 4))] if name == "emotion4" else torch.linspace(-3, 3, 9)
    found = task.metrics(torch.randn(9, task.outputs), labels)
    assert {task.selection, *task.headline} <= found.keys()


def test_an_unknown_task_is_refused_with_the_choices():
    for name in ("x", "classes", "classes:1", "classes:many"):
        with pytest.raises(InputError, match=f"unknown task '{name}'; choose from emotion4, sentiment7, sentiment, cl"):
            make_task(name)


@pytest.mark.parametrize("labels", [torch.tensor([0.0, 2, 1]), torch.tensor([[0.0], [2], [1]]),
                                    torch.eye(3)[[0, 2, 1]]])
def test_classes_are_numbers_or_one_hot(labels):
    task = make_task("classes:3")
    assert task.targets(labels).tolist() == [0, 2, 1] and task.describe(labels) == ["0", "2", "1"]
    # Two of three right; recalls 1, 1, 0; F1 of the three classes 1, 2/3, 0.
    found = task.metrics(torch.eye(3)[[0, 2, 2]], labels)
    assert found == pytest.approx(dict(accuracy=2 / 3, f1_weighted=(1 + 2 / 3) / 3, recall_mean=2 / 3))


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


@pytest.mark.parametrize("name", [*TASKS, "classes:3"])
def test_the_exact_metric_is_the_share_of_correct_decisions(name):
    task, random = make_task(name), torch.Generator().manual_seed(0)
    logits = torch.randn(200, task.outputs, generator=random)
    labels = torch.eye(2)[torch.eye(4)[torch.randint(4, (200,), generator=random)].long()] if name == "emotion4" \
        else torch.randint(3, (200,), generator=random).float()
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
