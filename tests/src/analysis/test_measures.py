"""What a study measures stays measurable on degenerate models."""

import math

import pytest
import torch

from src.analysis.measures import contribution_rows, embed, measure, missing_rows
from src.analysis.missing import realised_rate, removals
from src.analysis.statistics import unpacked
from tests.src.analysis.conftest import trained
from tests.src.analysis.test_contributions import Reads

STATES = torch.randn(9, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize("states", [torch.ones(9, 8), torch.zeros(30, 8), STATES[:4], torch.full((9, 8), math.nan),
                                    torch.full((9, 8), math.inf), torch.cat([STATES, STATES / 0])])
def test_states_that_have_no_place_are_not_placed(states):
    assert embed(states.double()) == []


@pytest.mark.parametrize("scale", [1e-300, 1e-40, 1e-13, 1.0, 1e13, 1e30, 1e200])
def test_states_of_any_scale_are_placed(scale):
    placed = torch.tensor(embed(STATES * scale))
    assert placed.shape == (9, 2) and placed.isfinite().all()


def test_states_that_are_nearly_alike_are_placed():
    one = torch.ones(9, 8, dtype=torch.float64)
    last = one + 2**-52 * (torch.arange(9) == 8).double()[:, None]  # by the last bit
    assert len(embed(1 + 1e-12 * STATES)) == len(embed(last)) == 9
    assert len(embed(torch.cat([torch.ones(29, 8), torch.zeros(1, 8)]))) == 30
    assert len(embed(torch.arange(9.0).unsqueeze(1))) == 9  # a joint state of one number, as of a single modality


def values(rows):
    """(predictor, analysis, setting, measure) -> value."""
    return {(row["predictor"], row["analysis"], row["setting"], row["measure"]): row["value"] for row in rows}


def test_the_correctness_of_every_sample_is_kept_beside_the_scores():
    rows = measure(trained(Reads("audio")), ())
    (bits,) = [row["bits"] for row in rows if row["measure"] == "correct"]
    assert unpacked(bits).tolist() == [1] * 60 and values(rows)["prediction", "test", "", "accuracy"] == 1


def test_rows_of_missing_modalities_are_those_of_the_study():
    model = trained(Reads("audio"))
    found = values(missing_rows(model, "test", "zero", removals(model, "test", "zero")))
    assert found["prediction", "missing_zero", "tv", "drop"] == 0 < found["prediction", "missing_zero", "a", "drop"]
    assert found.items() <= values(measure(model, ("missing",), ("zero",))).items()


def test_a_single_sample_has_contributions_but_nobody_to_exchange_a_modality_with():
    model = trained(Reads("audio"))
    model.dataset.splits["test"] = model.dataset.splits["test"].taken(torch.tensor([0]))
    found = values(contribution_rows(model, "test", removals(model, "test", "zero")))
    assert {analysis for _, analysis, *_ in found} == {"contribution"}


def test_rows_of_contributions_are_those_of_the_study():
    model = trained(Reads("audio"))
    found = values(contribution_rows(model, "test", removals(model, "test", "zero")))
    assert found["prediction", "perceptual", "text", "drop"] == 0 < found["prediction", "perceptual", "audio", "drop"]
    assert found.items() <= values(measure(model, ("contributions",), ("zero",))).items()


def test_fewer_modalities_are_missing_than_the_rate_says_since_one_always_stays():
    # Of three modalities at a rate of 1 two are missing; at 0.9 they are 0.9 - 0.9^3 / 3 = 0.657.
    assert realised_rate(100, 1.0) == pytest.approx(2 / 3) and realised_rate(100, 0.0) == 0
    assert realised_rate(100_000, 0.9) == pytest.approx(0.657, abs=0.002)
    model = trained(Reads("audio"))
    found = values(missing_rows(model, "test", "zero", removals(model, "test", "zero")))
    assert found["prediction", "random_missing", "0.9", "realised_rate"] == realised_rate(60, 0.9)
