"""When steps are captured, kept and given up; the capturing itself needs a GPU (tests/test_gpu.py)."""

import pytest
import torch
from torch import nn

from src import replay
from src.replay import Replay
from src.structures import Batch


@pytest.fixture
def steps(monkeypatch):
    """A Replay whose captures are noted by number, and a function that makes a step of a form on some samples."""
    model = nn.Linear(2, 1)
    made = Replay(model, torch.optim.SGD(model.parameters(), lr=0.5))
    captured = []

    def capture(model, optimizer, batch, step):
        if step(batch) == "impossible":
            raise RuntimeError("it asks for a number\nin C++")
        captured.append(len(captured) + 1)
        return lambda batch, number=captured[-1]: f"replayed {number}"

    monkeypatch.setattr(replay, "_Captured", capture)
    monkeypatch.setattr(replay, "_end_capturing", lambda x: None)

    def step(form="form", count=4, result="ran"):
        return made(form, Batch({"text": torch.zeros(count, 2)}, None), lambda batch: result)
    return made, step


def test_the_second_step_of_every_form_is_captured_and_all_later_ones_replay_it(steps):
    made, step = steps
    assert [step(), step("other"), step(count=3), step(), step("other"), step()] == [
        "ran", "ran", "ran", "replayed 1", "replayed 2", "replayed 1"]
    made.model.eval()
    assert step() == "ran"


def test_another_learning_rate_is_captured_anew_and_the_memory_of_the_old_one_goes(steps):
    made, step = steps
    step(), step("other"), step(), step("other")
    made.optimizer.param_groups[0]["lr"] = 0.05
    assert [step(), len(made.captured), step()] == ["ran", 0, "replayed 3"]


def test_a_step_that_cannot_be_captured_ends_all_capturing_with_one_note(steps, capsys):
    made, step = steps
    assert [step(), step("other", result="impossible"), step("other", result="impossible"), step(), step()] == [
        "ran", "impossible", "impossible", "ran", "ran"]
    assert capsys.readouterr().out.count("not replayed as CUDA graphs (it asks for a number)") == 1
