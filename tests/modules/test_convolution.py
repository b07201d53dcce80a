"""A convolution by one product is torch's."""

import pytest
import torch
from torch import nn

from modules import convolution
from modules.convolution import convolved


@pytest.mark.parametrize("frames, kernel, padding", [
    (1, 1, 0), (1, 3, 1), (1, 3, 2), (2, 3, 1), (5, 1, 0), (5, 3, 0), (5, 2, 1), (5, 5, 0)])
def test_values_and_gradients_are_those_of_torch(frames, kernel, padding):
    torch.manual_seed(0)
    layer, x = nn.Conv1d(3, 4, kernel, padding=padding), torch.randn(2, frames, 3, requires_grad=True)
    found, expected = convolved(x, layer), layer(x.transpose(1, 2)).transpose(1, 2)
    torch.testing.assert_close(found, expected)
    assert found.is_contiguous()
    for one, other in zip(*(torch.autograd.grad(y.square().sum(), [x, *layer.parameters()])
                            for y in (found, expected)), strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("most, contiguous", [(2 * 3 * 3 * 4, True), (2 * 3 * 3 * 4 - 1, False)])
def test_what_all_steps_see_is_not_copied_where_it_is_much(monkeypatch, most, contiguous):
    monkeypatch.setattr(convolution, "MOST", most)
    layer, x = nn.Conv1d(4, 5, 3), torch.randn(2, 5, 4)  # 2 samples, 3 steps of 3 frames of 4 numbers
    found = convolved(x, layer)
    assert found.is_contiguous() == contiguous
    torch.testing.assert_close(found, layer(x.transpose(1, 2)).transpose(1, 2))


def test_a_frame_is_the_sum_of_what_its_taps_see():
    layer = nn.Conv1d(1, 1, 3, padding=1, bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[[100.0, 10.0, 1.0]]]))
    assert convolved(torch.tensor([[[1.0], [2.0], [3.0]]]), layer).flatten().tolist() == [12.0, 123.0, 230.0]
