"""What a tracker was told is read back from where its package keeps it; one that fails costs a note, not the run."""

import csv
import json
import sys

import numpy as np
import pytest
from PIL import Image

import main
from src.tracking import tracker
from src.tracking.base import STATE, TRACKERS


@pytest.fixture
def calls(monkeypatch):
    """A tracker `tensorboard` that writes down what it is told; its calls."""
    found = []

    class Track:
        def __init__(self, folder, title):
            found.append(("made", title))

        def begin(self, config, epoch, known):
            found.append(("begin", epoch, known))
            return "the name"

        def epoch(self, number, row):
            found.append(("epoch", number, row["valid_accuracy_mean"]))

        def figures(self, files):
            found.append(("figures", [file.name for file in files]))

        def finish(self, scores):
            found.append(("finish", scores))

    monkeypatch.setitem(sys.modules, "src.tracking.on_tensorboard", type("Module", (), {"Track": Track}))
    monkeypatch.setitem(TRACKERS, "tensorboard", "json")  # a package that is there
    return found


def only(tmp_path, name):
    return next(tmp_path.glob(f"checkpoint(*)/*/*/{name}"))


def test_a_run_tells_every_epoch_and_its_scores(calls, tiny, tmp_path):
    assert main.main([*tiny, "--tracker", "tensorboard"]) == 0
    with only(tmp_path, "history.csv").open() as file:
        rows = [("epoch", int(row["epoch"]), float(row["valid_accuracy_mean"])) for row in csv.DictReader(file)]
    assert calls[:2] == [("made", "demo mult-causal 1111"), ("begin", 0, "")] and calls[2:-1] == rows
    results = json.loads(only(tmp_path, "results.json").read_text())["selections"]["best_valid_acc"]
    assert calls[-1][1]["valid_score/test/accuracy_mean"] == results["test"]["accuracy_mean"]


def test_a_resumed_run_continues_its_track(calls, tiny):
    assert main.main([*tiny, "--tracker", "tensorboard", "--num_epochs", "1"]) == 0
    calls.clear()
    assert main.main([*tiny, "--tracker", "tensorboard", "--num_epochs", "2", "--resume"]) == 0
    assert calls[1] == ("begin", 1, "the name") and [call[1] for call in calls if call[0] == "epoch"] == [2]


@pytest.mark.parametrize("where", ["begin", "epoch", "finish"])
def test_a_tracker_that_fails_is_noted_once_and_the_run_goes_on(calls, monkeypatch, tiny, tmp_path, capsys, where):
    def fail(*_):
        raise OSError("no route to host")

    monkeypatch.setattr(sys.modules["src.tracking.on_tensorboard"].Track, where, fail)
    assert main.main([*tiny, "--tracker", "tensorboard"]) == 0
    assert capsys.readouterr().out.count("note: tensorboard tracks no longer (no route to host)") == 1
    assert only(tmp_path, "results.json").exists()


def test_a_tracker_is_no_part_of_what_a_run_is(tiny, tmp_path, calls):
    assert main.main(tiny) == 0
    bare = only(tmp_path, "history.csv").read_text().splitlines()
    assert main.main([*tiny, "--tracker", "tensorboard", "--name", "told"]) == 0
    told = next(tmp_path.glob("checkpoint(*)/told_*/*/history.csv")).read_text().splitlines()
    assert [line.split(",")[2:] for line in bare] == [line.split(",")[2:] for line in told]


def test_a_missing_package_is_refused_before_training_by_its_name(tiny, monkeypatch, capsys):
    monkeypatch.setitem(TRACKERS, "mlflow", "nosuchpackage")
    assert main.main([*tiny, "--tracker", "mlflow"]) == 2
    assert "pip install nosuchpackage" in capsys.readouterr().err


def track(name, folder):
    """A track of two epochs, resumed before the second, with a figure and a score."""
    pytest.importorskip(TRACKERS[name])
    Image.fromarray(np.zeros((4, 6, 3), np.uint8)).save(folder / "shift.png")
    first = tracker(name, folder, "one run")
    first.begin({"seed": 3})
    first.epoch(1, {"train_loss": 0.5})
    if name != "tensorboard":
        first.finish({})
    again = tracker(name, folder, "one run")
    again.begin({"seed": 3}, epoch=1)
    again.epoch(2, {"train_loss": 0.25})
    again.figures([folder / "shift.png"])
    again.finish({"test/accuracy": 0.75})
    assert again.own is not None
    return json.loads((folder / STATE).read_text())[name]


def test_tensorboard_has_one_curve_the_figure_and_the_score(tmp_path):
    track("tensorboard", tmp_path)
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(str(tmp_path / "tensorboard"))
    found.Reload()
    assert [(event.step, event.value) for event in found.Scalars("train/loss")] == [(1, 0.5), (2, 0.25)]
    assert found.Scalars("final/test/accuracy")[0].value == 0.75 and found.Images("shift")[0].width == 6


def test_mlflow_has_one_run_with_its_settings_epochs_and_figure(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    monkeypatch.chdir(tmp_path)
    name = track("mlflow", tmp_path)
    from mlflow.tracking import MlflowClient

    client = MlflowClient()
    run = client.get_run(name)
    assert [one.value for one in client.get_metric_history(name, "train_loss")] == [0.5, 0.25]
    assert run.data.params == {"seed": "3"} and run.data.metrics["final_test/accuracy"] == 0.75
    assert [one.path for one in client.list_artifacts(name, "figures")] == ["figures/shift.png"]


def test_wandb_offline_keeps_both_parts_of_one_run(tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "offline")
    name = track("wandb", tmp_path)
    kept = list((tmp_path / "wandb").glob(f"offline-run-*-{name}"))
    assert len(kept) == 2 and b"train/loss" in next(kept[-1].glob("*.wandb")).read_bytes()


def test_wandb_without_a_login_is_a_note_that_says_what_to_do(tmp_path, monkeypatch, capsys):
    pytest.importorskip("wandb")
    monkeypatch.delenv("WANDB_MODE", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    own = tracker("wandb", tmp_path, "one run")
    own.begin({})
    assert own.own is None and "set WANDB_MODE=offline" in capsys.readouterr().out
