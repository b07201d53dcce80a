"""Parts of a model in bfloat16: half of the memory traffic, eight bits of every factor; what they give is float32."""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from src.structures import BackboneOutput


def lower_precision(part: nn.Module, large: bool) -> None:
    """Have a backbone or branch compute its products in bfloat16: on a GPU, and on a CPU where it is `large`.

    Effects, losses, metrics and weights stay float32. Small layers on a CPU lose more by the casts than they gain.
    """
    part.forward = _InBfloat16(part, large)  # type: ignore[method-assign]


class _InBfloat16:
    """The forward pass of a part under autocast; an object, so that a deep copy of the part calls its own."""

    def __init__(self, part: nn.Module, large: bool) -> None:
        self.part, self.large = part, large

    def __call__(self, inputs: Any) -> Any:
        """What the part makes of a batch or a sequence, in float32."""
        device = next(self.part.parameters()).device.type
        with torch.autocast(device, torch.bfloat16, enabled=self.large or device != "cpu"):
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
