"""The transformer encoder of MulT (Tsai et al., ACL 2019, section 3.2), crossmodal or self-attending."""

import math
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from modules.dropout import dropout
from modules.feed_forward import feed_forward
from modules.multihead_attention import MultiheadAttention
from modules.position_embedding import SinusoidalPositions


@dataclass(frozen=True)
class Dropouts:
    """Probability of zeroing an element at each place of an encoder."""

    attention: float = 0.0
    relu: float = 0.0
    residual: float = 0.0
    embedding: float = 0.0


def future_mask(queries: int, keys: int, device: torch.device) -> Tensor:
    """True where query i may see key j, that is j <= i + |keys - queries|. -> (queries, keys)."""
    everything = torch.ones(queries, keys, dtype=torch.bool, device=device)
    return everything.tril(abs(keys - queries))


def unpadded_mask(queries: Tensor, keys: Tensor, mask_future: bool) -> Tensor:
    """Attention of padded sequences as if each stood alone without its leading padding.

    queries (B, Tq) and keys (B, Tk) are True where a frame is no padding; indices and lengths of the future mask count
    those only. -> boolean (B, 1, Tq, Tk). A query that is padding may look anywhere, since the softmax of an empty row
    is not defined; its result is used by no later layer, where it is a hidden key.
    """
    allowed = keys.unsqueeze(1)
    if mask_future:
        i, j = (unpadded.cumsum(1) for unpadded in (queries, keys))
        shift = (i[:, -1] - j[:, -1]).abs().view(-1, 1, 1)
        allowed = allowed & (j.unsqueeze(1) <= i.unsqueeze(2) + shift)
    return (allowed | ~queries.unsqueeze(2)).unsqueeze(1)


def xavier_linear(inputs: int, outputs: int) -> nn.Linear:
    """A linear layer with Xavier weights and zero bias."""
    layer = nn.Linear(inputs, outputs)
    nn.init.xavier_uniform_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


class TransformerLayer(nn.Module):
    """One pre-norm layer: attention and a 4 D wide ReLU network, each with a residual connection."""

    def __init__(self, width: int, heads: int, dropouts: Dropouts) -> None:
        super().__init__()
        self.dropouts = dropouts
        self.attention = MultiheadAttention(width, heads, dropouts.attention)
        self.attention_norm = nn.LayerNorm(width)
        self.expand = xavier_linear(width, 4 * width)
        self.contract = xavier_linear(4 * width, width)
        self.feedforward_norm = nn.LayerNorm(width)

    def forward(self, x: Tensor, source: tuple[Tensor, Tensor] | None, allowed: Tensor | None,
                last: bool = False) -> Tensor:
        """x (B, Tq, D), source keys and values (B, Tk, D) each, or None for self-attention -> (B, Tq, D).

        With `last` only the last frame is computed, which sees all keys that are no padding -> (B, 1, D).
        """
        query = key = value = self.attention_norm(x)
        if last:
            x, query = x[:, -1:], query[:, -1:]
            allowed = None if allowed is None else allowed[..., -1:, :]
        if source is not None:
            # Keys and values pass the same first norm as the queries, as in the published encoder.
            key = self.attention_norm(source[0])
            value = key if source[1] is source[0] else self.attention_norm(source[1])
        x = x + self._drop(self.attention(query, key, value, allowed), self.dropouts.residual)
        branch = feed_forward(self.feedforward_norm(x), self.expand, self.contract, self.dropouts.relu, self.training)
        return x + self._drop(branch, self.dropouts.residual)

    def _drop(self, x: Tensor, probability: float) -> Tensor:
        return dropout(x, probability, self.training)


class TransformerEncoder(nn.Module):
    """Scaled input plus positions, dropout, pre-norm layers, a final norm."""

    def __init__(self, width: int, heads: int, layers: int, dropouts: Dropouts, mask_future: bool = True) -> None:
        super().__init__()
        self.dropouts, self.mask_future = dropouts, mask_future
        self.scale = math.sqrt(width)
        self.positions = SinusoidalPositions(width)
        self.layers = nn.ModuleList(TransformerLayer(width, heads, dropouts) for _ in range(layers))
        self.norm = nn.LayerNorm(width)

    def forward(self, frames: Tensor, source: Tensor | None = None, unpadded: Tensor | None = None,
                source_unpadded: Tensor | None = None, last: bool = False) -> Tensor:
        """Encode `frames`, attending to `source` (crossmodal) or to themselves.

        frames (B, Tq, D), source (B, Tk, D) -> (B, Tq, D). `unpadded` (B, Tq) and `source_unpadded` (B, Tk) mark the
        frames that are no padding, which then is ignored; without them it takes part, as published. Where the `last`
        frame is all that is read, the last layer computes no other -> (B, 1, D).
        """
        x = self._drop(self._embed(frames, unpadded))
        keys_values = None
        if source is not None:
            embedded = self._embed(source, source_unpadded)
            # Two draws in training, as published; one shared tensor otherwise saves half of the projections.
            keys = self._drop(embedded)
            keys_values = keys, self._drop(embedded) if self.training and self.dropouts.embedding else keys
        allowed = None
        if unpadded is not None:
            read = unpadded if source is None else cast(Tensor, source_unpadded)
            allowed = unpadded_mask(unpadded, read, self.mask_future)
        elif self.mask_future:
            allowed = future_mask(frames.size(1), (frames if source is None else source).size(1), frames.device)
        for layer in self.layers:
            x = layer(x, keys_values, allowed, last and layer is self.layers[-1])
        return self.norm(x)

    def _embed(self, frames: Tensor, unpadded: Tensor | None) -> Tensor:
        return self.scale * frames + self.positions(frames, unpadded)

    def _drop(self, x: Tensor) -> Tensor:
        return dropout(x, self.dropouts.embedding, self.training)
