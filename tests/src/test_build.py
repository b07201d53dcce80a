"""A user's own backbone: what works, and one sentence for each broken line of the contract."""

import math
import re
import sys
import types
from dataclasses import dataclass

import pytest
import torch
from torch import nn

import main
from src.build import FusedTask, build_data, build_model, build_objective, constants_matter
from src.config import parse_config
from src.registry import FUSIONS
from src.structures import MODALITIES, BackboneOutput, Batch, DataInfo, option
from src.tasks import make_task


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
        module = types.ModuleType("own")
        module.Class = cls
        monkeypatch.setitem(sys.modules, "own", module)
        return main.main([*argv, "--backbone", "own:Class", *more])

    return go


def test_an_own_backbone_trains_alone_and_inside_causalmer(run, tmp_path):
    assert run(Own, "--method", "paired") == 0
    names = sorted(path.name for path in (tmp_path / "checkpoint(synthetic)" / "demo_seed1111").iterdir())
    assert names == ["own.Class-causal", "own.Class-plain"]


def test_an_auxiliary_loss_is_added_with_either_method(run, capsys):
    for method in ("plain", "causal"):
        assert run(WithLoss, "--method", method, "--num_epochs", "1") == 0
        loss = float(capsys.readouterr().out.split("train loss ")[1].split()[0])
        assert loss > 100 * (1 if method == "plain" else 0.1)


@pytest.mark.parametrize("outputs", [1, 2, 7, 8])
@pytest.mark.parametrize("fusion", FUSIONS)
def test_constants_matter_unless_the_fusion_only_shifts_or_one_output_leaves_nothing_to_compare(fusion, outputs):
    assert constants_matter(FUSIONS[fusion], outputs) == (fusion != "tanh" and outputs > 1)


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


def test_a_fused_task_takes_the_loss_of_the_fused_logits_and_leaves_the_branches_alone():
    task = make_task("classes:2")
    logits = torch.tensor([[1.0, 0.0]], requires_grad=True)
    branches = {name: torch.tensor([[0.0, value]], requires_grad=True)
                for name, value in zip(MODALITIES, (0.5, -0.25, 0.0), strict=True)}
    targets = torch.tensor([0])
    loss = FusedTask(task, FUSIONS["tanh"], branches).loss(logits, targets)
    # Gap of the fused logits: 1 - tanh 0.5 + tanh 0.25 = 1 - 0.462117 + 0.244919; loss = log(1 + exp(-gap)).
    assert loss.item() == pytest.approx(math.log1p(math.exp(-0.782802)), abs=1e-6)
    loss.backward()
    assert logits.grad.abs().sum() > 0 and all(branch.grad is None for branch in branches.values())
    assert FusedTask(task, FUSIONS["tanh"], branches).ordered is task.ordered


@pytest.mark.parametrize("flags, seen", [((), "Classes"), (("--fuse_auxiliary",), "FusedTask"),
                                         (("--method", "plain", "--fuse_auxiliary"), "Classes")])
def test_a_backbones_own_losses_see_fused_logits_only_if_asked_for(flags, seen):
    config = parse_config(["--dataset", "x.pkl", "--task", "classes:2", "--text_branch", "light", "--audio_branch",
                           "light", "--vision_branch", "light", *flags])
    info = DataInfo("x", "classes:2", 2, dict.fromkeys(MODALITIES, 3), dict.fromkeys(MODALITIES, 4))
    model = build_model(config, info)
    tasks = []
    own = model if config.run.method == "plain" else model.backbone
    own.auxiliary_loss = lambda output, labels, task: tasks.append(type(task).__name__) or output.logits.sum() * 0
    batch = Batch({name: torch.randn(2, 4, 3) for name in MODALITIES}, torch.tensor([0.0, 1.0]))
    build_objective(config, make_task("classes:2"), model)(model(batch), batch)
    assert tasks == [seen]
