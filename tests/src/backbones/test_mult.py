"""MulT against the numbers of the published implementation."""

import dataclasses

import pytest
import torch

from src.backbones.mult import MulT, MultOptions
from src.structures import MODALITIES, DataInfo, InputError
from tests.golden import data_info, fill, golden, model_input, mult_options

CASES = golden("mult")
SMALL = DataInfo("own", "emotion4", 8, dict(text=6, audio=5, vision=4), dict(text=7, audio=7, vision=7))


@pytest.mark.parametrize("name", CASES)
def test_mult_gives_the_published_logits_and_hidden_state(name):
    case = CASES[name]
    info = data_info(case["config"], case["lengths"])
    model = MulT(info, mult_options(case["config"])).eval()
    fill(model, case["salt"])
    batch = model_input(case["lengths"], info.widths, case["batch"], case["salt"])
    for modality, frames in case.get("zeroed_leading_frames", {}).items():
        batch.inputs[modality][:, :frames] = 0
    if "removed" in case:
        batch.inputs["text"] = torch.zeros_like(batch.inputs["text"])
    with torch.no_grad():
        output = model(batch)
    torch.testing.assert_close(output.logits, torch.tensor(case["logits"]), atol=2e-5, rtol=0)
    torch.testing.assert_close(output.hidden, torch.tensor(case["last_hidden"]), atol=2e-5, rtol=0)


def test_mult_has_the_published_number_of_parameters():
    config = CASES["iemocap_aligned"]["config"]
    model = MulT(data_info(config, [20, 20, 20]), mult_options(config))
    assert sum(p.numel() for p in model.parameters()) == 1_932_768


def test_every_parameter_receives_a_gradient():
    model = MulT(SMALL, MultOptions(dim=8, num_heads=2, nlevels=1))
    model(model_input([7, 7, 7], SMALL.widths, 2)).logits.sum().backward()
    assert [name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum()] == []


def test_a_batch_of_one_equals_its_row_of_a_batch():
    model = MulT(SMALL, MultOptions(dim=8, num_heads=2, nlevels=1)).eval()
    batch = model_input([7, 7, 7], SMALL.widths, 3)
    alone = dataclasses.replace(batch, inputs={m: x[1:2] for m, x in batch.inputs.items()})
    torch.testing.assert_close(model(alone).logits, model(batch).logits[1:2])


def test_a_modality_that_has_width_d_is_not_projected():
    info = dataclasses.replace(SMALL, widths=dict(text=8, audio=5, vision=4))
    names = MulT(info, MultOptions(dim=8, num_heads=2, nlevels=1)).state_dict()
    assert [m for m in MODALITIES if f"projections.{m}.weight" in names] == ["audio", "vision"]


def test_a_sequence_shorter_than_its_kernel_is_refused():
    with pytest.raises(InputError, match="audio has 7 frames, shorter than its kernel of 9; lower --kernel_a"):
        MulT(SMALL, MultOptions(dim=8, num_heads=2, kernel_a=9))


@pytest.mark.parametrize("options, message", [
    (dict(num_heads=7), "--num_heads 7 does not divide --dim 40"),
    (dict(kernel_t=0), "--kernel_t must be at least 1"),
    (dict(kernel_v=4), "--kernel_v must be odd"),
    (dict(dim=2, num_heads=1), "--dim must be at least 4"),
    (dict(relu_dropout=1.0), r"--relu_dropout must lie in \[0, 1\)"),
    (dict(lonly=True, vonly=True), "exclude each other"),
])
def test_options_that_cannot_work_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        MultOptions(**options)
