"""A convolution by one product is torch's."""

import pytest
import torch

from modules import convolution
from modules.convolution import FrameConvolution


def by_torch(layer, x):
    return torch.nn.Conv1d.forward(layer, x.transpose(1, 2)).transpose(1, 2)


@pytest.mark.parametrize("frames, kernel, padding", [
    (1, 1, 0), (1, 3, 1), (1, 3, 2), (2, 3, 1), (5, 1, 0), (5, 3, 0), (5, 2, 1), (5, 5, 0)])
def test_values_and_gradients_are_those_of_torch(frames, kernel, padding):
    torch.manual_seed(0)
    layer, x = FrameConvolution(3, 4, kernel, padding), torch.randn(2, frames, 3, requires_grad=True)
    found, expected = layer(x), by_torch(layer, x)
    torch.testing.assert_close(found, expected)
    assert found.is_contiguous()
    for one, other in zip(*(torch.autograd.grad(y.square().sum(), [x, *layer.parameters()])
                            for y in (found, expected)), strict=True):
        torch.testing.assert_close(one, other)
        assert one.is_contiguous()  # as a fused optimizer reads it


@pytest.mark.parametrize("most, contiguous", [(3 * 3 * 4, True), (3 * 3 * 4 - 1, False)])
def test_what_all_steps_see_is_not_copied_where_it_is_much(monkeypatch, most, contiguous):
    monkeypatch.setattr(convolution, "MOST", most)
    layer, x = FrameConvolution(4, 5, 3), torch.randn(2, 5, 4)  # 3 steps of 3 frames of 4 numbers
    found = layer(x)
    assert found.is_contiguous() == contiguous
    torch.testing.assert_close(found, by_torch(layer, x))


def test_no_sample_gives_none_and_too_few_frames_torchs_error():
    layer = FrameConvolution(4, 5, 3)
    assert layer(torch.empty(0, 6, 4)).shape == (0, 4, 5)
    with pytest.raises(RuntimeError, match="Kernel size can't be greater than actual input size"):
        layer(torch.empty(1, 2, 4))


def test_a_frame_is_the_sum_of_what_its_taps_see():
    layer = FrameConvolution(1, 1, 3, padding=1, bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[[100.0, 10.0, 1.0]]]))
    assert layer(torch.tensor([[[1.0], [2.0], [3.0]]])).flatten().tolist() == [12.0, 123.0, 230.0]
