"""What an epoch leaves to the next; that resumed runs go on with it is tested beside the training."""

import math
from types import SimpleNamespace

import pytest
import torch

from src.config import parse_config
from src.methods.base import ParameterGroup
from src.selection import Selecting
from src.state import RunState
from src.tasks import make_task

TASK = make_task("emotion4", ())


@pytest.fixture
def state():
    weights = [torch.nn.Parameter(torch.zeros(1))]
    groups = [ParameterGroup("backbone", weights, 0.1)]

    def made(ahead=0, *flags):
        model = SimpleNamespace(parameter_groups=lambda: groups, ahead=ahead)
        return RunState(parse_config(flags), model, Selecting(TASK, False))

    return made


@pytest.mark.parametrize("scores, ended", [([0.5], False), ([0.5, 0.4], False), ([0.5, 0.5, 0.4], True),
                                           ([0.4, 0.5, 0.4], False), ([0.4, 0.5, 0.4, 0.3], True),
                                           ([math.nan, 0.4, 0.5], False), ([0.4, math.nan, math.nan], True)])
def test_patience_counts_the_epochs_since_the_first_best_score(state, scores, ended):
    run = state(0, "--patience", "2")
    run.history = [{"valid_accuracy_mean": score} for score in scores]
    assert run.through == ended


def test_a_run_without_patience_never_ends_early(state):
    run = state()
    run.history = [{"valid_accuracy_mean": 0.5}] * 9
    assert not run.through


def test_epochs_ahead_do_not_count_as_waiting(state):
    for ahead, ended in ((2, False), (0, True)):
        run = state(ahead, "--patience", "1")
        run.history = [{"valid_accuracy_mean": score} for score in (0.9, 0.9, 0.4, 0.5)]
        assert run.through == ended


def test_columns_that_an_epoch_ahead_lacks_are_undefined_there(state):
    run = state()
    run.ended({"epoch": 1, "valid_text": 0.5})
    run.ended({"epoch": 2, "valid_loss": 0.25})
    assert run.epoch == 2
    assert [list(row) for row in run.history] == [["epoch", "valid_text", "valid_loss"]] * 2
    assert math.isnan(run.history[0]["valid_loss"]) and run.history[1]["valid_loss"] == 0.25
