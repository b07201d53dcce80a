"""--mask_padding of the backbones that take sequences of any lengths; for DMD see test_dmd.py."""

import dataclasses
from typing import Any

import pytest
import torch
from torch import nn

from src.backbones.mult import MulT
from src.backbones.pmr import PMR
from src.structures import Batch, DataInfo
from tests.golden import model_input

INFO = DataInfo("own", "emotion4", 8, dict(text=6, audio=5, vision=4), dict(text=7, audio=7, vision=7))

pytestmark = pytest.mark.parametrize("backbone", [MulT, PMR])


def small(backbone: Any, **options: Any) -> nn.Module:
    torch.manual_seed(0)
    return backbone(INFO, backbone.Options(dim=8, num_heads=2, nlevels=2, **options)).eval()


def padded(batch: Batch, frames: dict[str, int]) -> Batch:
    """The batch with more zero frames in front, a number per modality."""
    inputs = {m: nn.functional.pad(x, (0, 0, frames[m], 0)) for m, x in batch.inputs.items()}
    return dataclasses.replace(batch, inputs=inputs)


@pytest.mark.parametrize("more", [dict(text=3, audio=3, vision=3), dict(text=0, audio=9, vision=2)])
@pytest.mark.parametrize("mask_padding", [True, False])
def test_padding_changes_the_logits_only_without_mask_padding(backbone, more, mask_padding):
    model = small(backbone, kernel_t=3, kernel_a=5, mask_padding=mask_padding)
    batch = model_input([7, 5, 9], INFO.widths, 3)
    batch.inputs["audio"][1, :3] = 0  # samples of unequal true lengths
    batch.inputs["text"][2, :4] = 0
    difference = (model(padded(batch, more)).logits - model(batch).logits).abs().max().item()
    assert difference < 1e-5 if mask_padding else difference > 1e-3


def test_mask_padding_treats_a_sample_as_if_it_stood_alone(backbone):
    model = small(backbone, mask_padding=True)
    batch = model_input([7, 7, 7], INFO.widths, 1)
    alone = dataclasses.replace(batch, inputs={m: x.clone() for m, x in batch.inputs.items()})
    batch.inputs["audio"][:, :4] = 0
    alone.inputs["audio"] = alone.inputs["audio"][:, 4:]
    torch.testing.assert_close(model(batch).logits, model(alone).logits, atol=1e-5, rtol=0)


def test_mask_padding_works_with_a_removed_modality_and_with_less_than_a_window(backbone):
    model = small(backbone, kernel_a=3, mask_padding=True).train()
    batch = model_input([7, 7, 7], INFO.widths, 2)
    batch.inputs["text"].zero_()
    batch.inputs["audio"][:, :6] = 0
    logits = model(batch).logits
    logits.sum().backward()
    assert logits.isfinite().all() and all(p.grad.isfinite().all() for p in model.parameters())
