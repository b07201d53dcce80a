"""Multi-head attention: by two products for short sequences, by torch's fused kernels for long ones."""

import functools
import itertools
from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from modules.dropout import dropout

SHORT = range(64, 2500)  # weights of one head and sample that two products mix faster on a CPU, both ways
LARGE = 2**21  # attention weights of one layer above which they are not kept, 16 MiB
HEAD_WIDTH_STEP = {"cuda": 4}  # the memory-efficient kernel in float32 takes head widths that are multiples of this


class MultiheadAttention(nn.Module):
    """Scaled dot-product attention over several heads (Vaswani et al., 2017, section 3.2.2).

    Long sequences never keep their weights: memory is linear in time.
    Raises ValueError where `width` is not divisible by `heads`.
    """

    def __init__(self, width: int, heads: int, dropout: float = 0.0) -> None:
        super().__init__()
        if heads < 1 or width % heads:
            raise ValueError(f"attention width {width} is not divisible by {heads} heads; choose a divisor of {width}")
        self.heads, self.dropout = heads, dropout
        # Queries, keys and values in one matrix, so that a shared input is projected by one product.
        self.in_weight = nn.Parameter(torch.empty(3 * width, width))
        self.in_bias = nn.Parameter(torch.zeros(3 * width))
        self.out = nn.Linear(width, width)
        nn.init.xavier_uniform_(self.in_weight)
        nn.init.xavier_uniform_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, query: Tensor, key: Tensor, value: Tensor, allowed: Tensor | None = None) -> Tensor:
        """Attend from every query to the allowed keys.

        query (B, Tq, D), key and value (B, Tk, D), allowed boolean, True where a query may look, broadcastable to
        (B, heads, Tq, Tk) -> (B, Tq, D).
        """
        if key.size(1) == 1:
            return self._read_only_frame(value, query.size(1))
        return self._read(query, key, value, allowed)

    def _read(self, query: Tensor, key: Tensor, value: Tensor, allowed: Tensor | None = None) -> Tensor:
        """`forward` for any number of keys."""
        q, k, v = self._project(query, key, value)
        # Scaling the queries first is the published order; with torch's plain kernel the rounding then is the same.
        q = q * q.size(-1) ** -0.5
        # Zeros that fill up the head width change neither products nor values.
        spare = -q.size(-1) % HEAD_WIDTH_STEP.get(q.device.type, 1)
        if spare:
            q, k, v = (F.pad(x, (0, spare)) for x in (q, k, v))
        mixed = self._attend(q, k, v, allowed)
        return self._joined(mixed[..., :mixed.size(-1) - spare])

    def _read_only_frame(self, value: Tensor, queries: int) -> Tensor:
        """What every query finds where there is one key: its value, whatever they say, as the softmax of one is 1.

        value (B, 1, D) -> (B, queries, D).
        """
        width = value.size(-1)
        found = F.linear(value.flatten(0, 1), self.in_weight[2 * width:], self.in_bias[2 * width:])
        if not self.training or not self.dropout:
            return self.out(found).unsqueeze(1).expand(-1, queries, -1)
        weights = F.dropout(found.new_ones(len(found), self.heads, queries, 1), self.dropout)
        return self._joined(weights * self._split(found, 1))

    def _attend(self, q: Tensor, k: Tensor, v: Tensor, allowed: Tensor | None) -> Tensor:
        """Mix the values by the softmax of scaled queries and keys. (B, heads, T, D / heads) x 3 -> as q."""
        if q.device.type == "cpu" and q.size(2) * k.size(2) in SHORT:
            return self._attend_by_products(q, k, v, allowed)
        attend = functools.partial(F.scaled_dot_product_attention, scale=1.0,
                                   dropout_p=self.dropout if self.training else 0.0)
        weights = q.size(1) * q.size(2) * k.size(2)  # of one sample
        rows = max(1, LARGE // weights)
        if not attend.keywords["dropout_p"] or q.device.type != "cpu" or rows >= len(q):
            return attend(q, k, v, allowed)
        # Torch's fused kernel for CPUs has no dropout, and its plain one keeps the weights of every layer for the
        # backward pass; a few samples at a time, computed again there, need next to no memory.
        if allowed is not None and allowed.ndim == 4 and len(allowed) == len(q):  # each sample has its own
            masks: Iterable[Tensor | None] = allowed.split(rows)
        else:
            masks = itertools.repeat(allowed)
        parts = zip(q.split(rows), k.split(rows), v.split(rows), masks, strict=False)
        return torch.cat([checkpoint(attend, *part, use_reentrant=False) for part in parts])

    def _attend_by_products(self, q: Tensor, k: Tensor, v: Tensor, allowed: Tensor | None) -> Tensor:
        """`_attend` with all heads of all samples in a row, as the products take them."""
        rows, turned, values = q.flatten(0, 1), k.flatten(0, 1).transpose(1, 2), v.flatten(0, 1)
        if allowed is None:
            scores = torch.bmm(rows, turned)
        else:
            hidden = torch.where(allowed, 0.0, float("-inf")).to(rows.dtype)
            if hidden.ndim > 2:  # not the same for all samples and heads
                hidden = hidden.expand(*q.shape[:3], k.size(2)).flatten(0, 1)
            scores = torch.baddbmm(hidden, rows, turned)
        mixed = torch.bmm(dropout(scores.softmax(-1), self.dropout, self.training), values)
        return mixed.view(q.shape)

    def _project(self, query: Tensor, key: Tensor, value: Tensor) -> list[Tensor]:
        """Linear maps of the three inputs, with as few products as their identity allows. -> (B, heads, T, D / heads).

        Rows of a matrix go through a product without the views that frames of samples take.
        """
        width = query.size(-1)
        weights, biases = self.in_weight, self.in_bias
        if query is key and key is value:
            parts = F.linear(query.flatten(0, 1), weights, biases).chunk(3, dim=1)
        elif key is value:
            (q_weight, kv_weight), (q_bias, kv_bias) = (x.split([width, 2 * width]) for x in (weights, biases))
            parts = (F.linear(query.flatten(0, 1), q_weight, q_bias),
                     *F.linear(key.flatten(0, 1), kv_weight, kv_bias).chunk(2, dim=1))
        else:
            parts = tuple(F.linear(x.flatten(0, 1), weight, bias) for x, weight, bias in
                          zip((query, key, value), weights.chunk(3), biases.chunk(3), strict=True))
        return [self._split(part, x.size(1)) for part, x in zip(parts, (query, key, value), strict=True)]

    def _split(self, rows: Tensor, frames: int) -> Tensor:
        """(B T, D) -> (B, heads, T, D / heads)."""
        return rows.view(-1, frames, self.heads, rows.size(1) // self.heads).transpose(1, 2)

    def _joined(self, mixed: Tensor) -> Tensor:
        """What the heads found, together again. (B, heads, T, D / heads) -> (B, T, D)."""
        samples, _, frames, _ = mixed.shape
        rows = mixed.transpose(1, 2).reshape(samples * frames, self.out.in_features)
        return self.out(rows).view(samples, frames, self.out.out_features)
