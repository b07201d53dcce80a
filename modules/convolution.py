"""A convolution over time of frames whose numbers lie side by side."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

MOST = 2**16  # numbers of a sample that all steps see together, above which copying them costs more than it gains


class FrameConvolution(nn.Conv1d):
    """A convolution of every `kernel` frames in a row, `padding` frames of zeros at either end."""

    def __init__(self, inputs: int, outputs: int, kernel: int, padding: int = 0, bias: bool = True) -> None:
        super().__init__(inputs, outputs, kernel, padding=padding, bias=bias)

    def forward(self, frames: Tensor) -> Tensor:
        """(B, T, C) -> (B, T + 2 padding - kernel + 1, D).

        On a CPU, where what a sample's steps see is not too much, as one product of it: torch's own kernel takes up to
        four times as long. Elsewhere that kernel, whose result is a view in the order of a convolution.
        """
        weight, padding, (samples, length, width) = self.weight, int(self.padding[0]), frames.shape
        if length == 1 and weight.size(2) == 2 * padding + 1:
            weight, padding = weight[..., padding:padding + 1], 0  # all else sees nothing but padding
        taps = weight.size(2)
        steps = length + 2 * padding - taps + 1
        if frames.device.type != "cpu" or steps < 1 or taps > 1 and steps * taps * width > MOST:
            return super().forward(frames.transpose(1, 2)).transpose(1, 2)
        if taps > 1:
            wider = F.pad(frames, (0, 0, padding, padding)) if padding else frames
            frames = torch.cat([wider[:, first:first + steps] for first in range(taps)], dim=2)
        # One tap beside the other, in a way that leaves the gradient in the order of the weight: torch's fused Adam
        # takes any other one for it without a word.
        rows = F.linear(frames.flatten(0, 1), torch.cat(weight.unbind(2), dim=1), self.bias)
        return rows.view(samples, steps, weight.size(0))
