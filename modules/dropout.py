"""Dropout with fewer random numbers than torch draws on a CPU."""

from typing import Any

import torch
from torch import Tensor

LEVELS = 2**16  # a probability is rounded to a multiple of 1 / LEVELS
SMALL = 2**15  # elements up to which a few operations that torch differentiates itself are faster, with the same bits


def dropout(x: Tensor, probability: float, training: bool) -> Tensor:
    """Zero elements of x (any shape) at random, and scale the others so that the mean stays; x itself in evaluation.

    A mask of one byte per element is kept. On a CPU, where random numbers cost more than all else here, one number of
    64 bits decides over four elements.
    """
    if not training or not probability:
        return x
    if x.device.type != "cpu":
        return torch.native_dropout(x, probability, True)[0]
    zeroed = min(round(probability * LEVELS), LEVELS - 1)
    if not zeroed:
        return x
    if x.numel() > SMALL or x.dtype != torch.float32:  # with fewer bits the scale would be rounded
        return _CheapDropout.apply(x, zeroed)
    kept = _numbers(x.numel()) >= zeroed - LEVELS // 2
    return x * kept.view(x.shape).to(x.dtype).mul_(LEVELS / (LEVELS - zeroed))


def _numbers(count: int) -> Tensor:
    """Random numbers of 16 bits. -> (count,)."""
    return torch.empty((count + 3) // 4, dtype=torch.int64).random_(-(2**63), None).view(torch.int16)[:count]


class _CheapDropout(torch.autograd.Function):
    """Dropout of an element where its 16 random bits are a number below `zeroed`.

    Only operations that a CPU does several elements at a time are used; those on truth values are not among them.
    """

    @staticmethod
    def forward(context: Any, x: Tensor, zeroed: int) -> Tensor:
        """x of any shape -> the same shape."""
        first = zeroed - LEVELS // 2  # the least number that is kept
        kept = _numbers(x.numel()).clamp_(first - 1, first).sub_(first - 1).to(torch.int8).view(x.shape)
        context.scale = LEVELS / (LEVELS - zeroed)
        context.save_for_backward(kept)
        return _scaled(x, kept, context.scale)

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, None]:
        """The gradient of the elements that were kept, scaled alike."""
        kept, = context.saved_tensors
        return _scaled(gradient, kept, context.scale), None


def _scaled(x: Tensor, kept: Tensor, scale: float) -> Tensor:
    """x where it is kept, scaled. All of one shape."""
    return torch.addcmul(x.new_zeros(()), x, kept.to(x.dtype), value=scale)
