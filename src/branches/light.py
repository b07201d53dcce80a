"""A branch of two convolutions: the practical choice on a CPU, for any modality."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from src.branches.base import Branch
from src.registry import BRANCHES
from src.structures import WIDTH, option


@dataclass(frozen=True)
class LightOptions:
    """Size of the light branches."""

    light_width: int = option(64, "hidden width of a light branch", bounds=WIDTH)


@BRANCHES.register("light")
class LightBranch(Branch):
    """Two convolutions over time, then mean and maximum over time, then a linear output."""

    Options = LightOptions

    def __init__(self, width: int, length: int, outputs: int, options: LightOptions, pretrained: bool) -> None:
        super().__init__()
        self.first = nn.Conv1d(width, options.light_width, kernel_size=3, padding=1)
        self.second = nn.Conv1d(options.light_width, options.light_width, kernel_size=3, padding=1)
        self.output = nn.Linear(2 * options.light_width, outputs)

    def forward(self, sequence: Tensor) -> Tensor:
        """(B, T, D) -> (B, C)."""
        x = F.relu(self.second(F.relu(self.first(sequence.transpose(1, 2)))))
        return self.output(torch.cat([x.mean(dim=2), x.amax(dim=2)], dim=1))
