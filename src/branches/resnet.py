"""The published audio and vision branch: ResNet-18 (He et al., CVPR 2016) on (T, D) as a one-channel image."""

import contextlib
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from src.branches.base import Branch
from src.registry import BRANCHES
from src.structures import InputError


@dataclass(frozen=True)
class ResNetOptions:
    """ResNet-18 has no free sizes."""


@BRANCHES.register("resnet18")
class ResNetBranch(Branch):
    """ResNet-18 (He et al., CVPR 2016) without pretraining, first convolution 1 -> 64, linear output.

    The layers are those of transformers, which ALBERT needs anyway; torchvision would be one more dependency for the
    same network (the golden test shows equal numbers).
    """

    Options = ResNetOptions
    large = True

    def __init__(self, width: int, length: int, outputs: int, options: ResNetOptions, pretrained: bool) -> None:
        super().__init__()
        from transformers import ResNetConfig, ResNetModel

        self.resnet = ResNetModel(ResNetConfig(num_channels=1, embedding_size=64, hidden_sizes=[64, 128, 256, 512],
                                               depths=[2, 2, 2, 2], layer_type="basic", hidden_act="relu"))
        # Published: a new convolution of one channel, in torch's own initialisation, replaces that of three.
        self.resnet.embedder.embedder.convolution.reset_parameters()
        self.output = nn.Linear(512, outputs)

    def forward(self, sequence: Tensor) -> Tensor:
        """(B, T, D) -> (B, C); InputError for a training batch that leaves batch normalisation one value a channel."""
        if self.training and len(sequence) == 1 and max(sequence.shape[1:]) <= 32:
            raise InputError("ResNet-18 cannot train on batches of one sample of at most 32 x 32 values, where batch "
                             "normalisation has no variance; raise --batch_size or take a light branch")
        with torch.autocast("cpu", enabled=False) if _wrong_in_bfloat16(sequence) else contextlib.nullcontext():
            return self.output(self.resnet(sequence.unsqueeze(1)).pooler_output.flatten(1))


def _wrong_in_bfloat16(sequence: Tensor) -> bool:
    """Whether a CPU's gradients would be anything, as torch 2.13 has them of steps of two through maps of one column.

    (B, T, D): the last of these steps sees a 16th of T x D.
    """
    return sequence.device.type == "cpu" and sequence.size(2) <= 16
