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
        q, k, v = (self._split(x) for x in self._project(query, key, value))
        # Scaling the queries first is the published order; with torch's plain kernel the rounding then is the same.
        q = q * q.size(-1) ** -0.5
        # Zeros that fill up the head width change neither products nor values.
        spare = -q.size(-1) % HEAD_WIDTH_STEP.get(q.device.type, 1)
        if spare:
            q, k, v = (F.pad(x, (0, spare)) for x in (q, k, v))
        mixed = self._attend(q, k, v, allowed)
        return self.out(mixed[..., :mixed.size(-1) - spare].transpose(1, 2).flatten(2))

    def _read_only_frame(self, value: Tensor, queries: int) -> Tensor:
        """What every query finds where there is one key: its value, whatever they say, as the softmax of one is 1.

        value (B, 1, D) -> (B, queries, D).
        """
        width = value.size(-1)
        found = F.linear(value, self.in_weight[2 * width:], self.in_bias[2 * width:])
        if not self.training or not self.dropout:
            return self.out(found).expand(-1, queries, -1)
        weights = F.dropout(found.new_ones(len(found), self.heads, queries, 1), self.dropout)
        return self.out((weights * self._split(found)).transpose(1, 2).flatten(2))

    def _attend(self, q: Tensor, k: Tensor, v: Tensor, allowed: Tensor | None) -> Tensor:
        """Mix the values by the softmax of scaled queries and keys. (B, heads, T, D / heads) x 3 -> as q."""
        if q.device.type == "cpu" and q.size(2) * k.size(2) in SHORT:
            scores = q @ k.transpose(-2, -1)
            if allowed is not None:
                scores = scores + torch.where(allowed, 0.0, float("-inf"))
            return dropout(scores.softmax(-1), self.dropout, self.training) @ v
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

    def _project(self, query: Tensor, key: Tensor, value: Tensor) -> tuple[Tensor, ...]:
        """Linear maps of the three inputs, with as few products as their identity allows."""
        width = query.size(-1)
        if query is key and key is value:
            return F.linear(query, self.in_weight, self.in_bias).chunk(3, dim=-1)
        q_weight, kv_weight = self.in_weight.split([width, 2 * width])
        q_bias, kv_bias = self.in_bias.split([width, 2 * width])
        q = F.linear(query, q_weight, q_bias)
        if key is value:
            return q, *F.linear(key, kv_weight, kv_bias).chunk(2, dim=-1)
        (k_weight, v_weight), (k_bias, v_bias) = kv_weight.chunk(2), kv_bias.chunk(2)
        return q, F.linear(key, k_weight, k_bias), F.linear(value, v_weight, v_bias)

    def _split(self, x: Tensor) -> Tensor:
        """(B, T, D) -> (B, heads, T, D / heads)."""
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)
