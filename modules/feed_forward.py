"""The network of two layers inside transformers, for every frame by itself."""

import torch.nn.functional as F
from torch import Tensor, nn

from modules.dropout import dropout


def feed_forward(x: Tensor, expand: nn.Linear, contract: nn.Linear, probability: float, training: bool) -> Tensor:
    """contract(dropout(ReLU(expand(x)))). (..., D) -> (..., D).

    Frames are the rows of one matrix meanwhile: its product is no view of another tensor, so that ReLU in its place
    costs no copies in the backward pass.
    """
    hidden = F.relu_(expand(x.reshape(-1, x.size(-1))))
    return contract(dropout(hidden, probability, training)).view(x.shape)
