"""--precision bf16: products in bfloat16, everything that comes of them in float32."""

import copy

import pytest
import torch
from torch import nn

import main
from src.branches.resnet import ResNetBranch, ResNetOptions
from src.precision import lower_precision
from src.structures import BackboneOutput
from tests.src.test_train import folder, weights


class Doubled(nn.Module):
    """A backbone of one product, which notes what it is computed in."""

    def __init__(self):
        super().__init__()
        self.layer, self.seen = nn.Linear(4, 3), []

    def forward(self, batch):
        logits = self.layer(batch)
        self.seen.append(logits.dtype)
        return BackboneOutput(logits, logits, {"own": logits}, {"text": logits})


@pytest.fixture(autouse=True)
def capable(monkeypatch):
    monkeypatch.setattr("torch.backends.cpu.get_cpu_capability", lambda: "AVX512")


@pytest.mark.parametrize("large, computed", [(True, torch.bfloat16), (False, torch.float32)])
def test_only_large_parts_compute_in_bfloat16_on_a_cpu_and_all_answer_in_float32(large, computed):
    part = Doubled()
    lower_precision(part, large)
    output = part(torch.randn(2, 4))
    found = (output.logits, output.hidden, output.aux["own"], output.states["text"])
    assert part.seen == [computed] and {x.dtype for x in found} == {torch.float32}


@pytest.mark.parametrize("length, width", [(5, 7), (16, 16), (40, 5)])
def test_resnet_has_true_gradients_in_bfloat16_on_the_smallest_inputs_too(length, width):
    torch.manual_seed(0)
    branch, sequence = ResNetBranch(width, length, 2, ResNetOptions(), False), torch.randn(8, length, width)
    found = []
    for lower in (False, True):
        twin = copy.deepcopy(branch)
        if lower:
            lower_precision(twin, True)
        twin(sequence).square().sum().backward()
        found.append(torch.cat([one.grad.flatten() for one in twin.parameters()]))
    assert (found[1] - found[0]).norm() < 0.1 * found[0].norm()


def test_a_copy_computes_with_its_own_weights():
    part = Doubled()
    lower_precision(part, True)
    twin = copy.deepcopy(part)
    nn.init.zeros_(twin.layer.weight)
    nn.init.ones_(twin.layer.bias)
    assert twin(torch.randn(1, 4)).logits.tolist() == [[1, 1, 1]] and not part.seen


def test_a_run_in_bfloat16_learns_nearly_what_one_in_float32_does(tiny, tmp_path):
    argv = [*tiny, "--text_branch", "albert", "--text_init", "random", "--albert_layers", "1", "--albert_hidden", "16",
            "--albert_heads", "2", "--albert_intermediate", "32", "--num_epochs", "1"]
    for precision in ("fp32", "bf16"):
        assert main.main([*argv, "--precision", precision, "--checkpoint_path", str(tmp_path / precision)]) == 0
    exact, near = (weights(folder(tmp_path / name)) for name in ("fp32", "bf16"))
    assert {value.dtype for value in near.values()} == {value.dtype for value in exact.values()}
    name = "branches.text.output.weight"
    assert 0 < (exact[name] - near[name]).abs().max() < 0.05


def test_a_processor_without_the_instructions_computes_in_float32_and_says_so(tiny, monkeypatch, capsys):
    monkeypatch.setattr("torch.backends.cpu.get_cpu_capability", lambda: "AVX2")
    assert main.main([*tiny, "--precision", "bf16", "--num_epochs", "1", "--device", "cpu"]) == 0
    assert "no AVX-512" in capsys.readouterr().out
    part = Doubled()
    lower_precision(part, True)
    part(torch.randn(2, 4))
    assert part.seen == [torch.float32]
