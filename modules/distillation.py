"""Losses of decoupled multimodal distilling (Li, Wang, Cui, CVPR 2023): graph distillation, margin, orthogonality."""

import math
from collections.abc import Collection
from dataclasses import dataclass
from itertools import permutations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

TEMPERATURE = 8.0  # of the softmax over the edges
PRIOR_TEMPERATURE = 0.25
REGULARIZATION = 10.0  # weight of the edges' distance to their prior
STATE_WEIGHT = 10.0  # of a state's distance, beside 1 for the logits


def positive_cosine(first: Tensor, second: Tensor) -> Tensor:
    """Cosine similarity where it is above 0; minimised, it makes vectors orthogonal. (..., D) x 2 -> (...)."""
    return F.cosine_similarity(first, second, dim=-1).relu()


def margin_loss(vectors: Tensor, distances: Tensor, margin: float = 0.15) -> Tensor:
    """Hinge loss that asks for lower cosines between vectors whose labels lie further apart.

    For an anchor i, every other p with distance 0 and every n with distance above 0 give
    max(0, margin * distances[i, n] - cos(i, p) + cos(i, n)); mean over the pairs (p, n), then over the anchors that
    have both; 0 where none has. vectors (M, D), distances of the labels (M, M) -> scalar.

    Every pair whose hinge is open adds the same slope, so the loss is linear in the cosines as long as the same hinges
    are open: how many of them each cosine takes part in is counted in sorted order, which replaces the comparison of
    all triples, and is all that the backward pass needs. Memory grows with M^2, not M^3.
    """
    norms = (vectors.square().sum(1) + 1e-8).sqrt()
    bounds = vectors @ vectors.T / (norms.unsqueeze(1) * norms) + margin * distances
    apart = distances > 0
    positive, negative = (~apart).to(bounds.dtype).fill_diagonal_(0), apart.to(bounds.dtype)
    pairs = positive.sum(1) * negative.sum(1)
    weights = 1 / (pairs.clamp(min=1) * pairs.count_nonzero().clamp(min=1))
    return (_open_hinges(bounds.detach(), positive, negative) * weights.unsqueeze(1) * bounds).sum()


def _open_hinges(bounds: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
    """How many positives of its row lie below a negative, and minus how many negatives above a positive.

    bounds, and 1 for each positive and each negative of a row, 0 elsewhere -> counts. All (M, M).
    """
    order = _ascending(bounds)
    positive, negative = positive.gather(1, order), negative.gather(1, order)
    above = negative.sum(1, keepdim=True) - negative.cumsum(1)
    return torch.empty_like(bounds).scatter_(1, order, negative * positive.cumsum(1) - positive * above)


def _ascending(x: Tensor) -> Tensor:
    """Places in the order of their values, row by row. (M, N) -> (M, N)."""
    # On CPUs with AVX-512 numpy takes a quarter of torch's time.
    return torch.from_numpy(np.argsort(x.numpy())) if x.device.type == "cpu" else x.argsort(dim=1)


@dataclass
class Distillation:
    """What one pass over a distillation graph finds."""

    edges: Tensor  # (P, B) weight of every ordered pair, they sum to 1
    regularization: Tensor  # scalar
    logits: Tensor  # scalar
    states: Tensor  # scalar


class GraphDistillation(nn.Module):
    """A complete directed graph whose vertices teach each other, each edge weighted by a learnt score.

    Edges are the pairs (student, teacher) of `permutations(range(vertices), 2)`; a prior favours the `preferred` ones.
    Students approach their teachers in the l1 distance; with `separate_states` their states are instead pushed off
    their teachers', by the positive part of the cosine.
    """

    students: Tensor
    teachers: Tensor
    prior: Tensor

    def __init__(self, outputs: int, width: int, size: int, vertices: int, preferred: Collection[tuple[int, int]], *,
                 separate_states: bool = False) -> None:
        super().__init__()
        self.separate_states = separate_states
        self.logit_embedding = nn.Linear(outputs, size)
        self.state_embedding = nn.Linear(width, size)
        # No bias: the softmax over the edges takes any constant away.
        self.edge = nn.Linear(4 * size, 1, bias=False)
        pairs = list(permutations(range(vertices), 2))
        # A softmax by numbers: torch takes a second to prepare for arithmetic on a model without memory.
        favours = [math.exp((pair in preferred) / PRIOR_TEMPERATURE) for pair in pairs]
        self.register_buffer("students", torch.tensor(pairs)[:, 0], persistent=False)
        self.register_buffer("teachers", torch.tensor(pairs)[:, 1], persistent=False)
        self.register_buffer("prior", torch.tensor([one / sum(favours) for one in favours]), persistent=False)

    def forward(self, logits: Tensor, states: Tensor) -> Distillation:
        """Edges and their losses; gradients reach students and edges, not teachers. (V, B, C), (V, B, D)."""
        edges = self._edges(logits, states)
        weights = edges + self.prior.unsqueeze(1)
        student, teacher = states[self.students], states[self.teachers].detach()
        if self.separate_states:
            # Published: the mean cosine of the batch, not each sample's own, meets the weights.
            distances = positive_cosine(student, teacher).mean(1, keepdim=True)
        else:
            distances = (student - teacher).abs().sum(-1)
        logit_distances = (logits[self.students] - logits[self.teachers].detach()).abs().sum(-1)
        return Distillation(
            edges, REGULARIZATION * (edges.mean(1) - self.prior).square().sum(),
            (weights * logit_distances).mean(1).sum(), STATE_WEIGHT * (weights * distances).mean(1).sum())

    def _edges(self, logits: Tensor, states: Tensor) -> Tensor:
        """(V, B, C), (V, B, D) -> (P, B)."""
        vertices = torch.cat([self.logit_embedding(logits), self.state_embedding(states)], dim=-1)
        scores = self.edge(torch.cat([vertices[self.students], vertices[self.teachers]], dim=-1)).squeeze(-1)
        return (scores / TEMPERATURE).softmax(0)
