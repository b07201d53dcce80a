"""Sinusoidal positions that leave padding frames alone."""

import math

import torch
from torch import Tensor, nn


def sinusoid_table(length: int, width: int) -> Tensor:
    """Rows for positions 1..length: the first half sines, the second half cosines. -> (length, width).

    Frequencies are exp(-k ln(10000) / (width / 2 - 1)); an odd width ends in a column of zeros.
    """
    half = width // 2
    frequencies = torch.exp(torch.arange(half) * -(math.log(10000) / (half - 1)))
    angles = torch.arange(1, length + 1).unsqueeze(1) * frequencies
    return torch.cat([angles.sin(), angles.cos(), torch.zeros(length, width - 2 * half)], dim=1)


class SinusoidalPositions(nn.Module):
    """Frame i has position i + 1; a frame whose first feature is exactly 0.0 is padding and gets zeros.

    Where the true frames are known, positions count from the first of them, and only padding gets zeros.
    Raises ValueError for a width below 4, where the frequencies are undefined.
    """

    table: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        if width < 4:
            raise ValueError(f"sinusoidal positions need a width of at least 4, got {width}")
        # Made by the first call that needs it; torch takes seconds to make one of a model that is only counted.
        self.register_buffer("table", torch.empty(0, width), persistent=False)

    def forward(self, frames: Tensor, unpadded: Tensor | None = None) -> Tensor:
        """frames (B, T, D), true boolean (B, T) or None -> positions (B, T, D)."""
        _, length, width = frames.shape
        if length > self.table.size(0):
            self.table = sinusoid_table(2 * length, width).to(self.table)
        if unpadded is None:
            return self.table[:length].to(frames.dtype) * (frames[..., :1] != 0)
        return self.table[unpadded.cumsum(1).sub(1).clamp(min=0)].to(frames.dtype) * unpadded.unsqueeze(-1)
