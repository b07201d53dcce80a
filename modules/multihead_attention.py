"""Multi-head attention on torch's fused `scaled_dot_product_attention`."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class MultiheadAttention(nn.Module):
    """Scaled dot-product attention over several heads (Vaswani et al., 2017, section 3.2.2).

    The weights are never stored: the fused kernel keeps memory linear in time where the device has one.
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
        q, k, v = (self._split(x) for x in self._project(query, key, value))
        dropout = self.dropout if self.training else 0.0
        # Scaling the queries first is the published order; with torch's plain kernel the rounding then is the same.
        q = q * q.size(-1) ** -0.5
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=allowed, dropout_p=dropout, scale=1.0)
        return self.out(mixed.transpose(1, 2).flatten(2))

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
