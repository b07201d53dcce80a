"""PMR (Lv et al., CVPR 2021): Progressive Modality Reinforcement through a message that all modalities share.

There is no published code; this follows the paper's equations. What its text leaves open, and what is done here:

- Weights: every reinforcement unit, and every message update, of every layer has its own.
- vec(C_x) in the message update flattens time, so that W would belong to one length only. Here a trained attention
  over time pools C_x before W, and any length works; this pooling, W and u serve the three streams of a layer alike.
- The gate mixes per feature; its first LayerNorm takes the mixture alone, with no residual from the unit's input.
- A layer's message is reinforced by the modalities as that layer has just reinforced them.
- Embedding as in MulT: no projection where the input has width d already, dropout on the text input, positions counted
  anew in every modality, so that the first message holds each modality's own.
- No future is masked: a message of concatenated modalities has none. With --mask_padding, ours, nothing attends to
  leading zero frames, nor are they pooled; positions, also those of the final encoder, then count true frames only.
- The final encoder is MulT's pre-norm one. It reads message, text, audio, vision in this order, scaled and with
  positions through the whole, so that its last step is the last frame of vision, which has attended to everything.
- Dropout on the embedded frames, on attention weights, inside feed-forward networks (4 d wide, ReLU) and on the
  feed-forward branches; the paper names no places. Attention dropout is off by default, since torch's fused kernel for
  CPUs has none and the other one is slower.
- Sizes: d 64, 8 heads, 4 layers and 3 in the final encoder give 2,146,119 parameters on CMU-MOSEI with 7 classes; the
  paper's count, known to us at second hand only, is 2.15 million.
"""

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from modules.concurrency import concurrently
from modules.dropout import dropout
from modules.feed_forward import feed_forward
from modules.multihead_attention import MultiheadAttention
from modules.position_embedding import SinusoidalPositions
from modules.transformer import Dropouts, TransformerEncoder, xavier_linear
from src.backbones.base import ONE_FRAME, Projected, check_options, parameters_of
from src.registry import BACKBONES
from src.structures import (
    DEPTHS,
    DIM,
    DROPOUT,
    DROPOUTS,
    KERNEL,
    LAYERS,
    MODALITIES,
    WIDTH,
    BackboneOutput,
    Batch,
    DataInfo,
    option,
)

MESSAGE = "message"


@dataclass(frozen=True)
class PmrOptions:
    """Sizes and dropouts of PMR."""

    dim: int = option(64, "width d of every modality and of the message", bounds=DIM)
    kernel_t: int = option(1, "frames the text projection sees at once", bounds=KERNEL)
    kernel_a: int = option(3, "frames the audio projection sees at once", bounds=KERNEL)
    kernel_v: int = option(3, "frames the vision projection sees at once", bounds=KERNEL)
    nlevels: int = option(4, "layers of reinforcement", bounds=LAYERS, search=DEPTHS)
    final_levels: int = option(3, "layers of the encoder that reads message and modalities at the end", bounds=LAYERS)
    num_heads: int = option(8, "attention heads; must divide --dim", bounds=WIDTH)
    mask_padding: bool = option(False, "hide leading zero frames from attention, so that padding changes nothing")
    attn_dropout: float = option(0.0, "attention dropout; slower on a CPU where it is above 0", bounds=DROPOUT)
    relu_dropout: float = option(0.1, "dropout inside the feed-forward layers", bounds=DROPOUT)
    embed_dropout: float = option(0.25, "dropout on the text input and on embedded frames", bounds=DROPOUT,
                                  search=DROPOUTS)
    res_dropout: float = option(0.1, "dropout on every residual branch", bounds=DROPOUT, search=DROPOUTS)
    out_dropout: float = option(0.0, "dropout inside the output block", bounds=DROPOUT, search=DROPOUTS)

    def __post_init__(self) -> None:
        check_options(self)

    @property
    def dropouts(self) -> Dropouts:
        """The dropouts of all attending parts."""
        return Dropouts(self.attn_dropout, self.relu_dropout, self.res_dropout, self.embed_dropout)


def joined(streams: Mapping[str, Tensor]) -> Tensor:
    """Streams, or marks of their true frames, in a row along time."""
    return torch.cat(list(streams.values()), dim=1)


def joined_marks(marks: Mapping[str, Tensor | None]) -> Tensor | None:
    """Marks of true frames in a row along time; None where there are none."""
    known = {name: mark for name, mark in marks.items() if mark is not None}
    return joined(known) if known else None


class FeedForward(nn.Module):
    """Two linear layers around a ReLU and dropout. (..., D) -> (..., D)."""

    def __init__(self, width: int, inner: int, dropout: float) -> None:
        super().__init__()
        self.dropout = dropout
        self.expand, self.contract = xavier_linear(width, inner), xavier_linear(inner, width)

    def forward(self, x: Tensor) -> Tensor:
        """(..., D) -> (..., D)."""
        return feed_forward(x, self.expand, self.contract, self.dropout, self.training)


class ReinforcementUnit(nn.Module):
    """MRU: a target attends to itself and to a source, and a gate mixes what it finds."""

    def __init__(self, width: int, heads: int, dropouts: Dropouts) -> None:
        super().__init__()
        self.self_attention = MultiheadAttention(width, heads, dropouts.attention)
        self.cross_attention = MultiheadAttention(width, heads, dropouts.attention)
        self.gate_self = xavier_linear(width, width)  # W_sa, b
        self.gate_cross = nn.Linear(width, width, bias=False)  # W_ca
        nn.init.xavier_uniform_(self.gate_cross.weight)
        self.mixture_norm, self.output_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.feedforward = FeedForward(width, 4 * width, dropouts.relu)
        self.residual_dropout = dropouts.residual

    def forward(self, target: Tensor, source: Tensor, unpadded: Tensor | None = None,
                source_unpadded: Tensor | None = None) -> Tensor:
        """target (B, Tt, D), source (B, Ts, D), their true frames marked (B, Tt), (B, Ts) -> (B, Tt, D)."""
        x = self.mixture_norm(self.mixture(target, source, unpadded, source_unpadded))
        return self.output_norm(x + dropout(self.feedforward(x), self.residual_dropout, self.training))

    def mixture(self, target: Tensor, source: Tensor, unpadded: Tensor | None = None,
                source_unpadded: Tensor | None = None) -> Tensor:
        """G * CA + (1 - G) * SA with G = sigmoid(SA W_sa + CA W_ca + b). -> (B, Tt, D)."""
        allowed, source_allowed = (None if keys is None else keys[:, None, None]
                                   for keys in (unpadded, source_unpadded))
        own = self.self_attention(target, target, target, allowed)
        other = self.cross_attention(target, source, source, source_allowed)
        gate = torch.sigmoid(self.gate_self(own) + self.gate_cross(other))
        return torch.lerp(own, other, gate)  # the same sum in one kernel, storing one tensor less


class MessageUpdate(nn.Module):
    """MUM: the message becomes a weighted mean of its three reinforced forms, then passes a feed-forward network."""

    def __init__(self, width: int, dropouts: Dropouts) -> None:
        super().__init__()
        # The two scores enter a softmax, where a bias would change nothing.
        self.time_score = nn.Linear(width, 1, bias=False)
        self.project = xavier_linear(width, width)  # W, b
        self.stream_score = nn.Linear(width, 1, bias=False)  # u
        self.norm = nn.LayerNorm(width)
        self.feedforward = FeedForward(width, 4 * width, dropouts.relu)
        self.residual_dropout = dropouts.residual

    def forward(self, streams: Tensor, unpadded: Tensor | None = None) -> Tensor:
        """streams (B, 3, T, D), `unpadded` (B, T) marks true frames -> (B, T, D)."""
        message = torch.einsum("bs,bstd->btd", self.weights(streams, unpadded), streams)
        branch = self.feedforward(self.norm(message))
        return message + dropout(branch, self.residual_dropout, self.training)

    def weights(self, streams: Tensor, unpadded: Tensor | None = None) -> Tensor:
        """a = softmax_x(u tanh(W pool(C_x) + b)) over the streams. (B, 3, T, D) -> (B, 3)."""
        scores = self.time_score(streams)
        if unpadded is not None:
            scores = scores.masked_fill(~unpadded[:, None, :, None], -math.inf)
        pooled = torch.einsum("bstk,bstd->bsd", scores.softmax(dim=2), streams)
        return self.stream_score(torch.tanh(self.project(pooled))).squeeze(-1).softmax(dim=1)


class PmrLayer(nn.Module):
    """The message reinforces every modality, each of these the message, and the three results are merged."""

    def __init__(self, options: PmrOptions) -> None:
        super().__init__()
        width, heads, dropouts = options.dim, options.num_heads, options.dropouts
        self.to_modality = nn.ModuleDict({name: ReinforcementUnit(width, heads, dropouts) for name in MODALITIES})
        self.to_message = nn.ModuleDict({name: ReinforcementUnit(width, heads, dropouts) for name in MODALITIES})
        self.update = MessageUpdate(width, dropouts)

    def forward(self, streams: dict[str, Tensor], unpadded: dict[str, Tensor | None]) -> dict[str, Tensor]:
        """Message and modalities (B, T, D) with marks of their true frames (B, T) -> the same streams, reinforced."""
        message, message_true = streams[MESSAGE], unpadded[MESSAGE]
        frames = concurrently({
            name: functools.partial(self.to_modality[name], streams[name], message, unpadded[name], message_true)
            for name in MODALITIES})
        forms = concurrently({
            name: functools.partial(self.to_message[name], message, frames[name], message_true, unpadded[name])
            for name in MODALITIES})
        return {MESSAGE: self.update(torch.stack(list(forms.values()), dim=1), message_true), **frames}


@BACKBONES.register("pmr")
class PMR(Projected):
    """Reinforcement layers between three modalities and a message, a transformer encoder, a residual output block.

    Raises InputError where a sequence is shorter than its projection kernel.
    """

    Options = PmrOptions
    # Our learning rates: at 2e-3 the default size stayed at chance for 6 synthetic epochs, at 5e-4 it left it in 2.
    PRESETS = {
        "iemocap": {"kernel_t": 3, "kernel_a": 5, "kernel_v": 3, "out_dropout": 0.1, "m_lr": 5e-4},
        "mosei_senti": {"m_lr": 5e-4},  # kernels 1/3/3
        "mosi": {"m_lr": 5e-4, "batch_size": 32},  # unaligned training keeps about 0.2 GB per sample
        **dict.fromkeys(ONE_FRAME, {"kernel_a": 1, "kernel_v": 1, "nlevels": 2, "final_levels": 1, "m_lr": 5e-4}),
        "synthetic": {"dim": 32, "kernel_t": 1, "kernel_a": 1, "kernel_v": 1, "nlevels": 2, "final_levels": 1,
                      "num_heads": 4, "embed_dropout": 0.0, "relu_dropout": 0.0, "res_dropout": 0.0, "m_lr": 1e-3,
                      "num_epochs": 10},
    }

    def __init__(self, info: DataInfo, options: PmrOptions) -> None:
        super().__init__(info, options)
        width = options.dim
        self.positions = SinusoidalPositions(width)
        self.layers = nn.ModuleList(PmrLayer(options) for _ in range(options.nlevels))
        self.encoder = TransformerEncoder(width, options.num_heads, options.final_levels, options.dropouts,
                                          mask_future=False)
        self.output_block = FeedForward(width, width, options.out_dropout)
        self.output = nn.Linear(width, info.outputs)

    def forward(self, batch: Batch) -> BackboneOutput:
        """Logits (B, C) and the joint state (B, d) of a batch with inputs (B, T, D)."""
        frames = self.project(batch, self.options.embed_dropout)
        unpadded = self.unpadded_windows(batch, frames)
        frames = {name: self._embed(x, unpadded[name]) for name, x in frames.items()}
        streams = {MESSAGE: joined(frames), **frames}
        unpadded = {MESSAGE: joined_marks(unpadded), **unpadded}
        for layer in self.layers:
            streams = layer(streams, unpadded)
        hidden = self.encoder(joined(streams), unpadded=joined_marks(unpadded), last=True)[:, -1]
        states = {name: streams[name][:, -1] for name in MODALITIES}
        return BackboneOutput(self.output(hidden + self.output_block(hidden)), hidden, states=states)

    @property
    def state_widths(self) -> dict[str, int]:
        """Width of the state of every modality: its last frame before the final encoder reads all streams."""
        return dict.fromkeys(MODALITIES, self.options.dim)

    def modality_parameters(self) -> dict[str, list[nn.Parameter]]:
        """What belongs to one modality alone: its projection, and the units that it reads the message with.

        A unit reads two streams, and counts for its target; those whose target is the message are shared, as it is.
        """
        layers = [cast(PmrLayer, layer) for layer in self.layers]
        return parameters_of({name: [self.projections[name], *(layer.to_modality[name] for layer in layers)]
                              for name in MODALITIES})

    def _embed(self, x: Tensor, unpadded: Tensor | None) -> Tensor:
        """Scaled frames plus positions. (B, T, d) -> (B, T, d)."""
        x = math.sqrt(self.options.dim) * x + self.positions(x, unpadded)
        return dropout(x, self.options.embed_dropout, self.training)
