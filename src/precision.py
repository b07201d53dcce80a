"""Parts of a model in bfloat16: half of the memory traffic, eight bits of every factor; what they give is float32."""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from src.structures import BackboneOutput


def gains(device: torch.device, large: bool = True) -> bool:
    """Whether a part of a model computes faster in bfloat16 there.

    Small layers on a CPU lose more by the casts than they gain; without AVX-512 a product takes 50 times as long.
    """
    return device.type != "cpu" or large and torch.backends.cpu.get_cpu_capability().startswith("AVX512")


def lower_precision(part: nn.Module, large: bool) -> None:
    """Have a backbone or branch compute its products in bfloat16 where it `gains`.

    Effects, losses, metrics and weights stay float32.
    """
    part.forward = _InBfloat16(part, large)  # type: ignore[method-assign]


class _InBfloat16:
    """The forward pass of a part under autocast; an object, so that a deep copy of the part calls its own."""

    def __init__(self, part: nn.Module, large: bool) -> None:
        self.part, self.large = part, large

    def __call__(self, inputs: Any) -> Any:
        """What the part makes of a batch or a sequence, in float32."""
        device = next(self.part.parameters()).device
        with torch.autocast(device.type, torch.bfloat16, enabled=gains(device, self.large)):
            output = type(self.part).forward(self.part, inputs)
        return _float32(output)


def _float32(output: Any) -> Any:
    """The same answer in float32: logits (B, C), or whatever a backbone returns."""
    if isinstance(output, Tensor):
        return output.float()
    if isinstance(output, BackboneOutput):
        return replace(output, logits=output.logits.float(), hidden=output.hidden.float(),
                       **{name: {key: value.float() for key, value in getattr(output, name).items()}
                          for name in ("aux", "states")})
    return output
