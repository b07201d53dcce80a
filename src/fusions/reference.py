"""The four published fusions h(z_m, z_t, z_a, z_v) of backbone and branch logits. All (B, C) x 4 -> (B, C)."""

import torch
from torch import Tensor

from src.registry import FUSIONS

FLOOR = 1e-12  # the published offset inside the logarithms


@FUSIONS.register("mask")
def mask_fusion(fused: Tensor, text: Tensor, audio: Tensor, vision: Tensor) -> Tensor:
    """Gate the backbone's logits by the branches: z_m * sigmoid(z_t + z_a + z_v). The published default."""
    return fused * torch.sigmoid(text + audio + vision)


@FUSIONS.register("sum")
def sum_fusion(fused: Tensor, text: Tensor, audio: Tensor, vision: Tensor) -> Tensor:
    """log(sigmoid(z_m + z_t + z_a + z_v) + 1e-12)."""
    return torch.log(torch.sigmoid(fused + text + audio + vision) + FLOOR)


@FUSIONS.register("hm")
def harmonic_fusion(fused: Tensor, text: Tensor, audio: Tensor, vision: Tensor) -> Tensor:
    """log(p + 1e-12) - log(1 + p) with p the product of the four sigmoids."""
    product = torch.sigmoid(fused) * torch.sigmoid(text) * torch.sigmoid(audio) * torch.sigmoid(vision)
    return torch.log(product + FLOOR) - torch.log1p(product)


@FUSIONS.register("tanh")
def tanh_fusion(fused: Tensor, text: Tensor, audio: Tensor, vision: Tensor) -> Tensor:
    """z_m + tanh z_t + tanh z_a + tanh z_v."""
    return fused + torch.tanh(text) + torch.tanh(audio) + torch.tanh(vision)
