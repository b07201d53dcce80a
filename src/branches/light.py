"""A branch of a few convolutions: the practical choice on a CPU, for any modality."""

import itertools
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from modules.convolution import FrameConvolution
from src.branches.base import Branch
from src.registry import BRANCHES
from src.structures import LAYERS, WIDTH, option


@dataclass(frozen=True)
class LightOptions:
    """Size of the light branches."""

    light_width: int = option(64, "hidden width of a light branch", bounds=WIDTH, search=(32, 64, 128, 256))
    light_layers: int = option(2, "convolutions of a light branch", bounds=LAYERS, search=(1, 2, 4))


@BRANCHES.register("light")
class LightBranch(Branch):
    """Convolutions over time, then mean and maximum over time, then a linear output."""

    Options = LightOptions

    def __init__(self, width: int, length: int, outputs: int, options: LightOptions, pretrained: bool) -> None:
        super().__init__()
        widths = [width, *[options.light_width] * options.light_layers]
        self.convolutions = nn.ModuleList(FrameConvolution(before, after, 3, padding=1)
                                          for before, after in itertools.pairwise(widths))
        self.output = nn.Linear(2 * options.light_width, outputs)

    def forward(self, sequence: Tensor) -> Tensor:
        """(B, T, D) -> (B, C)."""
        for convolution in self.convolutions:
            sequence = F.relu(convolution(sequence))
        return self.output(torch.cat([sequence.mean(dim=1), sequence.amax(dim=1)], dim=1))
