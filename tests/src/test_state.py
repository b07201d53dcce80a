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
    model = SimpleNamespace(parameter_groups=lambda: [ParameterGroup("backbone", weights, 0.1)])
    return RunState(parse_config([]), model, Selecting(TASK, False))


@pytest.mark.parametrize("scores, ended", [([0.5], False), ([0.5, 0.4], False), ([0.5, 0.5, 0.4], True),
                                           ([0.4, 0.5, 0.4], False), ([0.4, 0.5, 0.4, 0.3], True),
                                           ([math.nan, 0.4, 0.5], False), ([0.4, math.nan, math.nan], True)])
def test_patience_counts_the_epochs_since_the_first_best_score(state, scores, ended):
    state.history = [{"valid_accuracy_mean": score} for score in scores]
    assert state.waited(TASK, 0, 2) == ended


def test_a_run_without_patience_never_ends_early(state):
    state.history = [{"valid_accuracy_mean": 0.5}] * 9
    assert not state.waited(TASK, 0, parse_config([]).training.patience)


def test_epochs_ahead_do_not_count_as_waiting(state):
    state.history = [{"valid_accuracy_mean": score} for score in (0.9, 0.9, 0.4, 0.5)]
    assert not state.waited(TASK, 2, 1) and state.waited(TASK, 0, 1)


def test_columns_that_an_epoch_ahead_lacks_are_undefined_there(state):
    state.ended({"epoch": 1, "valid_text": 0.5})
    state.ended({"epoch": 2, "valid_loss": 0.25})
    assert state.epoch == 2
    assert [list(row) for row in state.history] == [["epoch", "valid_text", "valid_loss"]] * 2
    assert math.isnan(state.history[0]["valid_loss"]) and state.history[1]["valid_loss"] == 0.25
