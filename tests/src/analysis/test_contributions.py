"""Shapley values and perceptual scores against games solved by hand."""

import itertools
import math

import pytest
import torch
from torch import nn

from src.analysis.contributions import (
    accuracy,
    contributions,
    imbalance,
    perceptual_scores,
    shares,
    spread,
)
from src.analysis.missing import REMOVALS
from src.engine import EpochResult
from src.shapley import shapley_values
from src.structures import MODALITIES
from src.tasks import make_task
from tests.src.analysis.conftest import trained

COALITIONS = [frozenset(c) for size in (1, 2, 3) for c in itertools.combinations(MODALITIES, size)]


def test_a_game_of_three_players_by_hand():
    # v(t) = 6, v(a) = 12, v(v) = 0, v(ta) = 18, v(tv) = 6, v(av) = 24, v(all) = 36.
    worth = dict(zip(COALITIONS, (6.0, 12, 0, 18, 6, 24, 36), strict=True))
    found = shapley_values({coalition: torch.tensor([value]) for coalition, value in worth.items()})
    # t: 6/3 + (18-12)/6 + (6-0)/6 + (36-24)/3 = 8; a: 12/3 + (18-6)/6 + (24-0)/6 + (36-6)/3 = 20; v: 0 + 0 + 2 + 6 = 8.
    assert {name: value.item() for name, value in found.items()} == pytest.approx(
        {"text": 8, "audio": 20, "vision": 8})


def results(right):
    """Passes over samples of classes:2 whose decision is right as `right` says: letters -> list of bools."""
    return {letters: EpochResult({}, {"logits": torch.tensor([[0.0, 1.0] if ok else [1.0, 0.0] for ok in row])},
                                 torch.ones(len(row))) for letters, row in right.items()}


def test_the_values_of_every_sample_add_up_to_the_worth_of_all():
    random = torch.Generator().manual_seed(0)
    right = {letters: (torch.rand(50, generator=random) < 0.5).tolist() for letters in REMOVALS}
    found = contributions(make_task("classes:2"), results(right), "logits")
    assert torch.allclose(sum(found.values()), 3 * torch.tensor(right[""]).double(), atol=1e-12)


def test_equal_modalities_get_equal_shares():
    # Right with all three, and with any two.
    right = {letters: [len(letters) < 2] for letters in REMOVALS}
    found = contributions(make_task("classes:2"), results(right), "logits")
    assert {name: value.item() for name, value in found.items()} == pytest.approx(dict.fromkeys(MODALITIES, 1.0))
    assert imbalance(shares(found)) == pytest.approx(0)


def test_one_modality_that_does_it_all_gets_less_than_all_because_worth_grows_with_the_coalition():
    # Right exactly where text is there: v(t) = 1, v(ta) = v(tv) = 2, v(all) = 3, so text 1/3 + 2/6 + 2/6 + 3/3 = 2.
    right = {letters: ["t" not in letters] for letters in REMOVALS}
    found = contributions(make_task("classes:2"), results(right), "logits")
    assert [found[name].item() for name in MODALITIES] == pytest.approx([2, 0.5, 0.5])
    assert imbalance(shares(found)) == pytest.approx(0.5)


def test_nothing_right_has_no_shares():
    right = {letters: [False] for letters in REMOVALS}
    assert all(math.isnan(part) for part in shares(contributions(make_task("classes:2"), results(right),
                                                                 "logits")).values())


class Reads(nn.Module):
    """Decides by the sign of one modality's sum and ignores the others."""

    def __init__(self, modality):
        super().__init__()
        self.modality = modality

    def forward(self, batch):
        from src.structures import BackboneOutput
        score = batch.inputs[self.modality].sum((1, 2))
        logits = torch.stack([-score, score], 1)
        return BackboneOutput(logits, logits)


def test_an_ignored_modality_has_a_perceptual_score_of_zero():
    model = trained(Reads("audio"))
    whole = model.removal("test", (), "zero")
    assert accuracy(model.task, whole, "logits") == 1
    found = {name: [accuracy(model.task, result, "logits") for result in passes]
             for name, passes in perceptual_scores(model, "test", 3).items()}
    assert found["text"] == found["vision"] == [1, 1, 1]
    assert max(found["audio"]) < 0.8


def test_permutations_differ_and_their_spread_is_given():
    assert spread([0.1, 0.3]) == pytest.approx((0.2, 0.02 ** 0.5))
    model = trained(Reads("audio"))
    passes = perceptual_scores(model, "test", 2)["audio"]
    assert not torch.equal(passes[0].values["logits"], passes[1].values["logits"])
