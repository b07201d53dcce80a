import math

import pytest
import torch

from src.losses import alignment_loss, plain_loss, soft_cross_entropy
from src.structures import BackboneOutput, Effects


def test_soft_cross_entropy_by_hand():
    # p = (1/4, 3/4), q = (1/2, 1/2): H = ln 2 whatever p is.
    assert soft_cross_entropy(torch.tensor([[0.0, math.log(3)]]), torch.zeros(1, 2)).item() == pytest.approx(
        math.log(2))


def test_soft_cross_entropy_is_finite_where_the_published_form_is_not():
    logits = torch.tensor([[0.0, 200.0]])
    assert not (-(logits.softmax(-1) * logits.neg().softmax(-1).log())).sum().isfinite()
    assert soft_cross_entropy(logits, -logits).item() == pytest.approx(200)


def test_alignment_of_equal_logits_counts_its_terms():
    # Every H is ln 4; K has 1 + 3/3 + 3 = 5 of them.
    zero = torch.zeros(2, 4)
    found = Effects(zero, zero, dict(text=zero, audio=zero, vision=zero))
    assert alignment_loss(found).item() == pytest.approx(5 * math.log(4))


def test_with_one_output_the_alignment_is_zero():
    one = torch.randn(3, 1)
    assert alignment_loss(Effects(one, one, dict(text=one, audio=-one, vision=2 * one))).item() == 0


def test_plain_loss_adds_the_auxiliary_loss():
    output = BackboneOutput(torch.ones(2, 1), torch.zeros(2, 1))
    terms = plain_loss(output, torch.zeros(2), lambda logits, targets: logits.sum(), torch.tensor(0.5))
    assert terms["loss"].item() == 2.5
