"""What a branch is: a network that reads one modality and gives logits of its own."""

from typing import Any, ClassVar

from torch import Tensor, nn


class Branch(nn.Module):
    """Base of all branches, built as `cls(width, length, outputs, options, pretrained)` from D, T, C.

    `pretrained` is False where a checkpoint's weights follow.
    """

    Options: ClassVar[type]
    large: ClassVar[bool] = False  # whether its products are large enough to gain by bfloat16 on a CPU

    def forward(self, sequence: Tensor) -> Tensor:
        """(B, T, D) -> (B, C)."""
        raise NotImplementedError

    @staticmethod
    def rate(options: Any) -> float | None:
        """Learning rate that a branch with these options needs; None for that of the dataset."""
        return None
