"""What a terminal shows of a run is worked out from its history."""

import re

import pytest
import torch

from src.progress import status, time_left
from src.tasks import make_task

CPU = torch.device("cpu")


def history(task, *scores):
    return [{"train_loss": 2.0, "valid_loss": 1.0, f"valid_{task.selection}": score, "seconds": 30.0}
            for score in scores]


@pytest.mark.parametrize("name, best", [("emotion4", "0.7500"), ("sentiment", "0.2500")])
def test_the_best_score_is_the_highest_or_of_errors_the_lowest(name, best):
    task = make_task(name)
    text = status(history(task, 0.75, 0.25, 0.5), task, 7, CPU)
    assert f"valid {task.selection} 0.5000 (best {best})  2 min left  " in text  # 4 epochs of 30 s
    assert re.search(r"  \d+ MiB$", text)


def test_an_epoch_ahead_is_the_best_only_where_there_is_no_other():
    task = make_task("emotion4")
    assert "(best 0.5000)" in status(history(task, 0.75, 0.25, 0.5), task, 7, CPU, 1)
    assert "(best 0.7500)" in status(history(task, 0.75), task, 7, CPU, 1)


def test_before_the_first_epoch_there_is_nothing_to_say():
    assert status([], make_task("emotion4"), 3, CPU) == ""


@pytest.mark.parametrize("seconds, words", [(59.4, "59 s left"), (60, "1 min left"), (5400, "90 min left")])
def test_time_is_told_in_seconds_below_a_minute(seconds, words):
    assert time_left(seconds) == words
