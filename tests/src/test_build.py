"""A user's own backbone: what works, and one sentence for each broken line of the contract."""

import sys
import types

import pytest
import torch
from torch import nn

import main
from src.structures import BackboneOutput


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


@pytest.mark.parametrize("cls, message", [
    (print, "breaks the contract 'a torch.nn.Module class'"),
    (variant("A", __init__=lambda self: None), r"breaks the contract '__init__\(info, options\)'"),
    (variant("B", forward=lambda self, batch: self.logits), "returned a Parameter without 'logits'"),
    (variant("C", forward=lambda self, batch: BackboneOutput(torch.zeros(2, 3), torch.zeros(2, 3))),
     r"logits have the shape \(2, 3\) for 2 samples, expected \(2, 8\)"),
    (variant("D", forward=lambda self, batch: BackboneOutput(torch.zeros(2, 8), torch.zeros(8))),
     r"hidden has the shape \(8,\) for 2 samples, expected \(2, H\)"),
])
def test_a_broken_contract_is_one_sentence_naming_the_line(run, capsys, cls, message):
    import re
    assert run(cls) == 1
    error = capsys.readouterr().err
    assert re.search(message, error) and error.count("\n") == 1
