"""What a study measures stays measurable on degenerate models."""

import math

import pytest
import torch

from src.analysis.measures import embed

STATES = torch.randn(9, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize("states", [torch.ones(9, 8), torch.zeros(30, 8), STATES[:4], torch.full((9, 8), math.nan),
                                    torch.full((9, 8), math.inf), torch.cat([STATES, STATES / 0])])
def test_states_that_have_no_place_are_not_placed(states):
    assert embed(states.double()) == []


@pytest.mark.parametrize("scale", [1e-300, 1e-40, 1e-13, 1.0, 1e13, 1e30, 1e200])
def test_states_of_any_scale_are_placed(scale):
    placed = torch.tensor(embed(STATES * scale))
    assert placed.shape == (9, 2) and placed.isfinite().all()


def test_states_that_are_nearly_alike_are_placed():
    one = torch.ones(9, 8, dtype=torch.float64)
    last = one + 2**-52 * (torch.arange(9) == 8).double()[:, None]  # by the last bit
    assert len(embed(1 + 1e-12 * STATES)) == len(embed(last)) == 9
    assert len(embed(torch.cat([torch.ones(29, 8), torch.zeros(1, 8)]))) == 30
