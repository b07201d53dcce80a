"""Checkpoints are written in every epoch, or, where epochs are short, so seldom that it takes a share of the time."""

import pytest
import torch

from src import saving
from src.saving import Saving
from src.structures import InputError


@pytest.fixture
def clock(monkeypatch):
    """Writing takes `took` seconds of a clock that stands otherwise; what was written, in order."""
    now = {"now": 0.0, "took": 3.0, "written": []}

    def write(path, content):
        now["now"] += now["took"]
        now["written"].append((path, {name: x.tolist() for name, x in content.items()}))
    monkeypatch.setattr(saving.time, "monotonic", lambda: now["now"])
    monkeypatch.setattr(saving, "write_checkpoint", write)
    return now


def epoch(one, value, clock, *names):
    """What a trainer does at the end of an epoch; whether it was written."""
    for name in names:
        one.add(name, {"x": value})
    if due := one.due:
        one.flush()
    clock["written"].clear()
    return due


@pytest.mark.parametrize("took, after", [(0.1, 6), (3.0, 151), (10.0, 501)])
def test_writing_takes_a_fiftieth_of_the_time(clock, took, after):
    one, x = Saving(), torch.zeros(1)
    clock["took"] = took
    assert epoch(one, x, clock, "last") and epoch(one, x, clock, "last")  # before the first epoch, and after it
    due = []
    for _ in range(after):
        clock["now"] += 1
        due.append(epoch(one, x, clock, "last"))
    assert due.index(True) + 1 == round(took / 0.02)


def test_writing_never_waits_where_epochs_are_long(clock):
    one = Saving()
    clock["took"] = 0.4  # of two checkpoints, 0.8 together
    for _ in range(5):
        assert epoch(one, torch.zeros(1), clock, "best", "last")
        clock["now"] += 41


def test_what_waits_stays_what_it_was_and_the_newest_of_a_name_is_written_in_order(clock):
    one, x = Saving(), torch.zeros(1)
    epoch(one, x, clock, "last")
    epoch(one, x, clock, "last")
    for names in (("best", "last"), ("last",), ("other", "last")):
        x += 1
        assert not epoch(one, x, clock, *names)
    x += 1
    one.flush()
    assert clock["written"] == [("best", {"x": [1.0]}), ("other", {"x": [3.0]}), ("last", {"x": [3.0]})]
    one.flush()
    assert len(clock["written"]) == 3


def test_two_checkpoints_of_one_epoch_keep_their_own_strengths(clock):
    one, strength = Saving(), torch.zeros(1)
    one.add("by loss", {"strength": strength})
    strength += 1
    one.add("by score", {"strength": strength})
    one.flush()
    assert clock["written"] == [("by loss", {"strength": [0.0]}), ("by score", {"strength": [1.0]})]


def test_what_could_not_be_written_waits_on(clock, monkeypatch):
    one, write = Saving(), saving.write_checkpoint

    def full(path, content):
        raise InputError("full")
    one.add("best", {"x": torch.zeros(1)})
    monkeypatch.setattr(saving, "write_checkpoint", full)
    with pytest.raises(InputError, match="full"):
        one.flush()
    monkeypatch.setattr(saving, "write_checkpoint", write)
    one.flush()
    assert clock["written"] == [("best", {"x": [0.0]})]
