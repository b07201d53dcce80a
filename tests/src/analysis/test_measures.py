"""What is measured on degenerate states."""

import pytest
import torch

from src.analysis.measures import embed


@pytest.mark.parametrize("states", [torch.ones(20, 4), torch.full((20, 4), torch.nan), 1e-40 * torch.eye(20),
                                    1e30 * torch.eye(20), torch.rand(4, 4)])
def test_states_without_places_have_none(states):
    assert embed(states.double()) == []


def test_states_of_two_kinds_are_placed():
    assert len(embed(torch.eye(2).repeat(20, 1).double())) == 40
