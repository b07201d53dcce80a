import pytest
import torch

from modules.dropout import dropout


def test_in_evaluation_and_at_probability_0_nothing_changes():
    x = torch.randn(3, 5)
    assert dropout(x, 0.5, training=False) is x and dropout(x, 0.0, training=True) is x


@pytest.mark.parametrize("probability", [0.1, 0.25, 0.9])
def test_the_share_asked_for_is_zeroed_and_the_mean_stays(probability):
    torch.manual_seed(0)
    kept = dropout(torch.ones(1000, 1001), probability, training=True)
    spread = (probability * (1 - probability) / kept.numel()) ** 0.5
    assert abs((kept == 0).double().mean().item() - probability) < 5 * spread
    assert kept.unique().tolist() == pytest.approx([0, 1 / (1 - probability)], rel=1e-3)


def test_an_eighth_is_exact():
    torch.manual_seed(0)
    assert dropout(torch.full((1000,), 7.0), 0.125, training=True).unique().tolist() == [0, 8]


def test_gradients_pass_where_elements_did():
    torch.manual_seed(0)
    x = torch.randn(7, 9, requires_grad=True)
    y = dropout(x, 0.25, training=True)
    y.sum().backward()
    assert torch.equal(x.grad, torch.where(y == 0, 0.0, 1 / 0.75))


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
def test_few_elements_get_the_bits_of_many(kind, monkeypatch):
    x = torch.randn(7, 9, dtype=kind, requires_grad=True)
    found = []
    for most in (63, 0):
        monkeypatch.setattr("modules.dropout.SMALL", most)
        torch.manual_seed(0)
        y = dropout(x, 0.3, training=True)
        found.append((y, *torch.autograd.grad(y.square().sum(), x)))
    assert all(map(torch.equal, *found))


def test_neighbours_that_share_a_random_number_are_zeroed_independently():
    torch.manual_seed(0)
    zeroed = (dropout(torch.ones(200_000, 4), 0.5, training=True) == 0).double()
    assert (torch.corrcoef(zeroed.T) - torch.eye(4)).abs().max() < 0.015


def test_the_largest_probability_zeroes_all_but_a_few():
    torch.manual_seed(0)
    assert (dropout(torch.ones(1000), 1 - 1e-9, training=True) == 0).sum() >= 999
