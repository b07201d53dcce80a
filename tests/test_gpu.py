"""On a GPU every method says what it says on a CPU, its bits repeat, and its runs move between the two."""

import json

import pytest
import torch

import inference
import main
from modules.multihead_attention import MultiheadAttention
from src.build import build_model
from src.registry import BACKBONES, METHODS
from src.runtime import resolve_device
from src.structures import Batch
from tests.src.methods.test_contract import INFO, batch, small
from tests.src.test_train import folder, history, moved, same_bits, weights

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU is at hand")


def on(device, samples):
    return Batch({name: value.to(device) for name, value in samples.inputs.items()}, samples.labels.to(device))


@pytest.mark.parametrize("backbone, method", [
    *((backbone, "causal") for backbone in BACKBONES if backbone != "mult"), *(("mult", method) for method in METHODS)])
def test_outputs_are_those_of_the_cpu(backbone, method):
    model = build_model(small("--backbone", backbone, "--method", method), INFO).eval()
    expected = model(batch()).per_sample()
    gpu = resolve_device("cuda")
    found = model.to(gpu)(on(gpu, batch())).per_sample()
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(found[name].cpu(), value, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("method", list(METHODS))
def test_a_run_trained_there_has_the_same_scores_on_a_cpu(tiny, tmp_path, method, capsys):
    assert main.main([*tiny, "--device", "cuda", "--method", method]) == 0
    trained = json.loads((folder(tmp_path, method) / "results.json").read_text())["selections"]["best_valid_loss"]
    tables = []
    for device in ("cuda", "cpu"):
        capsys.readouterr()
        assert inference.main(["--device", device, "--method", method, "--data_path", str(tmp_path / "data"),
                               "--checkpoint_path", str(tmp_path)]) == 0
        tables.append(capsys.readouterr().out)
    assert tables[0] == tables[1] and f"{100 * trained['test']['accuracy_mean']:.2f}" in tables[0]


def test_bits_repeat_and_a_resumed_run_ends_with_those_of_an_uninterrupted_one(tiny, tmp_path):
    argv = [*tiny, "--device", "cuda", "--embed_dropout", "0.2", "--attn_dropout", "0.2", "--num_epochs"]
    for name, epochs in (("whole", "3"), ("again", "3"), ("cut", "2")):
        assert main.main(moved([*argv, epochs], tmp_path / name)) == 0
    assert main.main([*moved([*argv, "3"], tmp_path / "cut"), "--resume"]) == 0
    whole, *others = (folder(tmp_path / name) for name in ("whole", "again", "cut"))
    for other in others:
        assert history(whole) == history(other) and same_bits(weights(whole), weights(other))


@pytest.mark.parametrize("width", [30, 40])
def test_attention_of_long_sequences_keeps_no_weights(width):
    """The weights (4, 10, 2000, 2000) alone would take 640 MB; a head of 3 numbers is filled up to 4."""
    attention = MultiheadAttention(width, 10, 0.1).to(resolve_device("cuda"))
    frames = torch.randn(4, 2000, width, device="cuda", requires_grad=True)
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    attention(frames, frames, frames).sum().backward()
    assert torch.cuda.max_memory_allocated() - before < 160e6


ALBERT = ("--text_branch", "albert", "--text_init", "random", "--albert_layers", "2", "--albert_hidden", "16",
          "--albert_heads", "2", "--albert_intermediate", "16", "--albert_embedding", "8", "--audio_branch", "resnet18")
CASES = [*((backbone, "plain", ()) for backbone in BACKBONES if backbone != "mult"),
         *(("mult", method, ()) for method in METHODS),
         ("mult", "causal", ALBERT), ("mult", "causal", (*ALBERT, "--precision", "bf16")),
         *(("mult", "plain", ("--num_epochs", "3", "--accumulate", count)) for count in ("2", "7", "11", "12"))]


@pytest.mark.parametrize("backbone, method, more", CASES)
def test_replayed_steps_leave_the_bits_of_those_that_are_not(tiny, tmp_path, backbone, method, more, capsys):
    argv = [*tiny, "--device", "cuda", "--backbone", backbone, "--method", method, "--batch_size", "4", *more]
    for compiled in ("on", "off"):
        assert main.main([*moved(argv, tmp_path / compiled), "--compile", compiled]) == 0
    # Pareto combinations are looked for by a loop that asks the GPU for numbers.
    assert ("not replayed" in capsys.readouterr().out) == (method == "mmpareto")
    replayed, others = (tmp_path / one / "checkpoint(synthetic)" / "demo_seed1111" / f"{backbone}-{method}"
                        for one in ("on", "off"))
    assert history(replayed) == history(others) and same_bits(weights(replayed), weights(others))


def test_a_step_that_asks_the_gpu_for_a_number_is_not_replayed_and_the_run_goes_on(tiny, tmp_path, monkeypatch, capsys):
    original = METHODS["plain"].loss
    monkeypatch.setattr(METHODS["plain"], "loss", lambda self, output, batch, task: (
        output.logits.sum().item(), original(self, output, batch, task))[1])
    argv = [*tiny, "--device", "cuda", "--method", "plain", "--batch_size", "4", "--embed_dropout", "0.2"]
    assert main.main(argv) == 0
    assert capsys.readouterr().out.count("note: steps are not replayed as CUDA graphs") == 1
