"""Shapley values of the modalities in a game whose coalitions are worth tensors."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from math import comb

import torch
from torch import Tensor

from src.structures import MODALITIES

Game = Mapping[frozenset[str], Tensor]  # coalition -> its worth, of any shape; the empty one is worth 0 and left out


def shapley_values(game: Game, players: Sequence[str] = MODALITIES) -> dict[str, Tensor]:
    """phi_i = sum over S without i of |S|! (n - |S| - 1)! / n! (v(S + i) - v(S)); they add up to v(all).

    With three modalities that is v(i)/3 + sum_j [v(ij) - v(j)]/6 + [v(all) - v(jk)]/3. -> player -> tensor.
    """
    values = {}
    for player in players:
        others = [other for other in players if other != player]
        values[player] = torch.stack([
            (game[frozenset({player, *rest})] - (game[frozenset(rest)] if rest else 0))
            / (len(players) * comb(len(others), size))
            for size in range(len(players)) for rest in combinations(others, size)]).sum(0)
    return values
