"""Nothing that trains, evaluates or measures mixes tensors of a GPU with those of the CPU, tried without a GPU."""

import csv

import pytest
import torch
from torch.optim import optimizer as optimizers

import inference
import main
from src.build import build_model, build_optimizer
from src.config import parse_config
from src.datasets.base import Split
from src.methods.base import Look
from src.registry import BACKBONES, METHODS
from src.runtime import resolve_device
from src.structures import Batch
from src.tasks import make_task
from tests.conftest import Means, install
from tests.elsewhere import PLACE, Elsewhere
from tests.src.methods.test_contract import INFO, LIGHT, SMALL, batch

ALBERT = ("--text_branch", "albert", "--audio_branch", "resnet18")


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> Elsewhere:
    """The second device, which every command of ours takes for its own, whoever has imported `resolve_device`."""
    monkeypatch.setattr(resolve_device, "__code__", (lambda name: torch.device("meta")).__code__)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (2 ** 40, 2 ** 40))
    monkeypatch.setattr(optimizers, "_get_fused_kernels_supported_devices", lambda: ["cpu", PLACE.type])
    # Parameters stay the objects that they are when they are moved, as on a GPU.
    monkeypatch.setattr(torch.__future__, "_swap_module_params_on_conversion", True)
    return Elsewhere()


def run(where, command, *words):
    with where:
        return command.main(list(words))


@pytest.mark.parametrize("mixed", [lambda there, here: there + here,
                                   lambda there, here: here.index_add(0, there, here)])
def test_two_devices_do_not_mix(elsewhere, mixed):
    with elsewhere:
        there = torch.arange(3).to(PLACE)
        assert there.device == PLACE and (there + 1).cpu().tolist() == there.add_(1).tolist() == [1, 2, 3]
        with pytest.raises(RuntimeError, match="of two devices"):
            mixed(there, torch.zeros(3))


@pytest.mark.parametrize("words", [*(("--backbone", "own:Class", "--method", method, *LIGHT) for method in METHODS),
                                   ALBERT, *(("--backbone", backbone, *LIGHT) for backbone in BACKBONES)])
def test_every_part_makes_a_step_there(elsewhere, monkeypatch, words):
    install(monkeypatch, Means)
    config, task, given = parse_config([*SMALL, *words]), make_task("classes:3"), batch()
    with elsewhere:
        model = build_model(config, INFO)
        optimizer = build_optimizer(config, model)
        model.to(PLACE).prepare(Split(given.inputs, given.labels, list("abcd")), task)
        given = Batch({name: values.to(PLACE) for name, values in given.inputs.items()}, given.labels.to(PLACE))
        for ahead in [True, False] if model.ahead else [False]:
            if not ahead:
                model.before_epoch(1, lambda name: Look(model(given).per_sample(), given.labels), task)
            output = model(given)
            loss = (model.ahead_loss if ahead else model.loss)(output, given, task)["loss"]
            optimizer.zero_grad()
            loss.backward()
            if not ahead:
                model.before_step(output, given, task)
            optimizer.step()
        assert loss.isfinite().item() and len(task.decide(model(given).per_sample()["logits"])) == 4


def test_a_run_is_trained_resumed_and_measured_there(elsewhere, tmp_path, monkeypatch):
    install(monkeypatch, Means)
    place = ["--data_path", str(tmp_path / "data"), "--checkpoint_path", str(tmp_path), "--backbone", "own:Class"]
    words = [*place, "--synthetic_sizes", "16,16,16", "--light_width", "4", "--batch_size", "16", "--fusion_mode",
             "evidence", "--branch_epochs", "1", "--strength", "cautious", "--unwanted", "text", "--unbiased", "10",
             "--num_epochs"]
    assert run(elsewhere, main, *words, "1") == run(elsewhere, main, *words, "2", "--resume") == 0
    told = tmp_path / "told.csv"
    assert run(elsewhere, inference, *place, "--audit", "--contributions", "--selection", "valid_shifted",
               "--predictions", str(told)) == 0
    with told.open(newline="") as file:
        assert len(list(csv.DictReader(file))) == 3 * 16
