"""A convolution over time of frames whose numbers lie side by side."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

MOST = 2**21  # numbers that all steps see together, above which copying them costs more than the product gains


def convolved(frames: Tensor, convolution: nn.Conv1d) -> Tensor:
    """What a convolution makes of frames. (B, T, C) -> (B, T + 2 padding - kernel + 1, D).

    On a CPU, where the frames that are seen at once are not too many, as one product of them: torch's own kernel takes
    up to four times as long. Elsewhere that kernel, whose result is a view in the order of a convolution.
    """
    weight, bias, padding = convolution.weight, convolution.bias, int(convolution.padding[0])
    if frames.size(1) == 1 and weight.size(2) == 2 * padding + 1:
        weight, padding = weight[..., padding:padding + 1], 0  # all else sees nothing but padding
    steps, taps = frames.size(1) + 2 * padding - weight.size(2) + 1, weight.size(2)
    if frames.device.type != "cpu" or taps > 1 and len(frames) * steps * taps * frames.size(2) > MOST:
        return convolution(frames.transpose(1, 2)).transpose(1, 2)
    if taps > 1:
        wider = F.pad(frames, (0, 0, padding, padding)) if padding else frames
        frames = torch.cat([wider[:, first:first + steps] for first in range(taps)], dim=2)
    rows = F.linear(frames.flatten(0, 1), weight.transpose(1, 2).flatten(1), bias)
    return rows.view(len(frames), steps, -1)
