"""A user's own backbone: what works, and one sentence for each broken line of the contract."""

import re
from dataclasses import dataclass

import pytest
import torch
from torch import nn

import inference
import main
from src.build import build_data, build_model
from src.config import parse_config
from src.structures import BackboneOutput, option
from tests.conftest import install


class Own(nn.Module):
    """The least that the contract asks for; its logits only know the bias."""

    def __init__(self, info, options):
        super().__init__()
        self.logits = nn.Parameter(torch.zeros(info.outputs))

    def forward(self, batch):
        rows = len(batch.inputs["text"])
        return BackboneOutput(self.logits.expand(rows, -1), torch.zeros(rows, 3))


class WithLoss(Own):
    def auxiliary_loss(self, output, labels, task):
        assert labels.shape[1:] == (4, 2) and task.outputs == 8
        return output.logits.square().mean() + 100


def variant(name, **methods):
    return type(name, (Own,), methods)


@pytest.fixture
def run(monkeypatch, tiny):
    """Run main.py with a class as the backbone `own:Class`."""
    argv = [word for word in tiny]
    for flag in ("--dim", "--num_heads", "--nlevels"):
        at = argv.index(flag)
        del argv[at:at + 2]

    def go(cls, *more):
        install(monkeypatch, cls)
        return main.main([*argv, "--backbone", "own:Class", *more])

    return go


def test_an_own_backbone_trains_alone_and_inside_causalmer(run, tmp_path):
    assert run(Own, "--method", "paired") == 0
    names = sorted(path.name for path in (tmp_path / "checkpoint(synthetic)" / "demo_seed1111").glob("*-*"))
    assert names == ["own.Class-causal", "own.Class-plain"]


def test_among_other_runs_those_that_need_code_of_ones_own_are_left_out_by_name(run, tiny, tmp_path, capsys):
    assert run(Own, "--method", "plain", "--num_epochs", "1") == 0
    place = ["--device", "cpu", "--checkpoint_path", str(tmp_path), "--data_path", str(tmp_path / "data")]
    assert inference.main(place) == 2 and "name it: --backbone 'own:Class'" in capsys.readouterr().err
    assert main.main([*tiny, "--method", "plain", "--num_epochs", "1"]) == 0
    capsys.readouterr()
    assert inference.main(place) == 0
    shown = capsys.readouterr().out
    assert "note: own.Class-plain is left out: the file was made with a backbone of your own" in shown
    assert "mult-plain" in shown


def test_an_auxiliary_loss_is_added_with_either_method(run, capsys):
    for method in ("plain", "causal"):
        assert run(WithLoss, "--method", method, "--num_epochs", "1") == 0
        loss = float(capsys.readouterr().out.split("train loss ")[1].split()[0])
        assert loss > 100 * (1 if method == "plain" else 0.1)


@pytest.mark.parametrize("fusion, moves", [("tanh", False), ("mask", True)])
def test_constants_stay_where_they_are_when_their_gradient_is_noise(tiny, tmp_path, fusion, moves):
    assert main.main([*tiny, "--fusion_mode", fusion, "--constant", "0.4"]) == 0
    saved = torch.load(tmp_path / "checkpoint(synthetic)" / "demo_seed1111" / "mult-causal" / "last.pt",
                       weights_only=True)["model"]
    assert [saved[f"constants.{m}"].item() != pytest.approx(0.4) for m in ("text", "audio", "vision")] == [moves] * 3


def test_a_models_parts_come_from_the_options(tiny):
    config = parse_config([*tiny, "--audio_branch", "resnet18", "--constant", "0.25", "--nde_a", "0.5"])
    model = build_model(config, build_data(config).info)
    assert [type(branch).__name__ for branch in model.branches.values()] == ["LightBranch", "ResNetBranch",
                                                                             "LightBranch"]
    assert model.direct_weights == dict(text=1.0, audio=0.5, vision=1.0)
    assert [c.item() for c in model.constants.values()] == [0.25] * 3


def initialised(body):
    def __init__(self, info, options):
        Own.__init__(self, info, options)
        body(self, info)
    return __init__


def answering(logits, hidden):
    def forward(self, batch):
        return BackboneOutput(logits(self, len(batch.inputs["text"])), hidden)
    return forward


HIDDEN = torch.zeros(2, 3)


@pytest.mark.parametrize("cls, message", [
    (print, "breaks the contract 'a torch.nn.Module class'"),
    (variant("A", __init__=lambda self: None), r"breaks the contract '__init__\(info, options\)'"),
    (variant("B", __init__=initialised(lambda self, info: info.dims)), "'DataInfo' object has no attribute 'dims'"),
    (variant("C", __init__=lambda self, info, options: None), r"breaks the contract '__init__\(info, options\)'"),
    (variant("D", forward=lambda self, batch: self.logits), "logits for 2 samples is NoneType"),
    (variant("E", forward=lambda self, batch: batch.nothing), r"'forward\(batch\) .*'Batch' object has no attribute"),
    (variant("F", forward=answering(lambda self, n: torch.zeros(2, 3), HIDDEN)),
     r"logits for 2 samples is \(2, 3\), expected \(2, 8\)"),
    (variant("G", forward=answering(lambda self, n: [1, 2], HIDDEN)), "logits for 2 samples is list"),
    (variant("H", forward=answering(lambda self, n: self.logits.expand(n, -1), torch.zeros(8))),
     r"hidden for 2 samples is \(8,\), expected \(2, H\)"),
    (variant("I", forward=answering(lambda self, n: torch.zeros(n, 8), HIDDEN)), "logits carry no gradient"),
    (variant("J", auxiliary_loss=lambda self, output, labels, task: output.logits), r"returned \(2, 8\)"),
    (variant("K", auxiliary_loss=lambda self, output: 0), r"'auxiliary_loss\(output, labels, task\) -> scalar'"),
])
def test_a_broken_contract_is_one_sentence_naming_the_line(run, capsys, cls, message):
    assert run(cls) == 1
    error = capsys.readouterr().err
    assert re.search(message, error) and error.count("\n") == 1


@pytest.mark.parametrize("attributes, message", [
    (dict(Options=int), "Options is not a dataclass of src.structures.option fields"),
    (dict(Options=dataclass(type("O", (), {"__annotations__": {"x": int}, "x": 3}))), "Options is not a dataclass of"),
    (dict(PRESETS=[1]), "PRESETS is not a dictionary of dictionaries"),
    (dict(PRESETS={"synthetic": {"nothing": 1}}), "a preset sets 'nothing', which is no flag"),
    (dict(PRESETS={"synthetic": {"clip": {}}}), "PRESETS sets 'clip' to a dict; give what the flag takes"),
    (dict(Options=dataclass(type("O", (), {"__annotations__": {"alpha": float}, "alpha": option(1.0, "x")}))),
     "conflicting option string"),
])
def test_broken_options_and_presets_are_one_sentence(run, capsys, attributes, message):
    assert run(variant("X", **attributes)) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1


def test_a_module_that_cannot_be_imported_is_one_sentence(tiny, tmp_path, monkeypatch, capsys):
    (tmp_path / "broken_backbone.py").write_text("class Class(:\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert main.main(["--backbone", "broken_backbone:Class"]) == 2
    error = capsys.readouterr().err
    assert "'broken_backbone:Class' cannot be imported" in error and error.count("\n") == 1
