import math

import pytest
import torch

from src.registry import FUSIONS

ZERO, TWO = torch.zeros(1, 1), torch.full((1, 1), 2.0)


@pytest.mark.parametrize("name, expected", [
    ("mask", 1.0),  # 2 * sigmoid(0)
    ("sum", math.log(1 / (1 + math.exp(-2)))),
    ("hm", math.log(0.125 / (1 + math.exp(-2))) - math.log1p(0.125 / (1 + math.exp(-2)))),
    ("tanh", 2.0),
])
def test_fusion_by_hand_when_the_branches_are_silent(name, expected):
    assert FUSIONS[name](TWO, ZERO, ZERO, ZERO).item() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("name", ("mask", "sum", "hm", "tanh"))
def test_branches_enter_a_fusion_alike(name):
    one, three = torch.ones(1, 1), torch.full((1, 1), 3.0)
    torch.testing.assert_close(FUSIONS[name](TWO, one, ZERO, three), FUSIONS[name](TWO, three, one, ZERO))
