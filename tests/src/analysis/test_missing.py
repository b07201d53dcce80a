"""Missing modalities: what may change, what may not, and the summary numbers by hand."""

import pytest
import torch
from torch import nn

from src.analysis.missing import RATES, area, drop_spread, drops, random_removals, removals
from src.structures import LETTER, MODALITIES, BackboneOutput
from tests.src.analysis.conftest import trained


class Mixes(nn.Module):
    """Reads all modalities, each in its own way."""

    def forward(self, batch):
        parts = [batch.inputs[name].flatten(1).cumsum(1).sin().sum(1) * (i + 1) for i, name in enumerate(MODALITIES)]
        logits = torch.stack([sum(parts), parts[0] * parts[1] - parts[2]], 1)
        return BackboneOutput(logits, logits)


def test_no_removal_is_plain_evaluation_bit_for_bit():
    model = trained(Mixes())
    plain = model.predict(model.dataset.splits["test"], "test").values["logits"]
    for fill in ("zero", "mean", "shuffle"):
        assert torch.equal(removals(model, "test", fill)[""].values["logits"], plain)
        assert torch.equal(random_removals(model, "test", fill)[0.0].values["logits"], plain)


@pytest.mark.parametrize("fill", ["zero", "mean"])
@pytest.mark.parametrize("letters", ["t", "a", "v", "ta", "tv", "av"])
def test_the_content_of_a_removed_modality_changes_no_output(fill, letters):
    model = trained(Mixes())
    before = removals(model, "test", fill)
    for letter in letters:
        model.dataset.splits["test"].inputs[LETTER[letter]].uniform_()
    after = removals(model, "test", fill)
    assert torch.equal(before[letters].values["logits"], after[letters].values["logits"])
    assert not torch.equal(before[""].values["logits"], after[""].values["logits"])


def test_with_shuffle_a_samples_own_content_cannot_reach_its_output():
    model = trained(Mixes())
    before = removals(model, "test", "shuffle")["t"].values["logits"]
    model.dataset.splits["test"].inputs["text"][7].uniform_()
    changed = (removals(model, "test", "shuffle")["t"].values["logits"] != before).any(1)
    assert not changed[7] and changed.sum() == 1  # only the sample that was given number 7's text


def test_random_removal_at_a_high_rate_changes_most_samples():
    found = random_removals(trained(Mixes()), "test", "zero")
    assert list(found) == list(RATES) and RATES[-1] == 0.9
    changed = (found[0.9].values["logits"] != found[0.0].values["logits"]).any(1).float().mean()
    assert changed > 0.9


def test_drops_and_their_spread_by_hand():
    values = {"": 0.9, "t": 0.5, "a": 0.7, "v": 0.9, "ta": 0.3, "tv": 0.4, "av": 0.5}
    assert drops(values) == pytest.approx({"t": 0.4, "a": 0.2, "v": 0.0, "ta": 0.6, "tv": 0.5, "av": 0.4})
    # Single: 0.4, 0.2, 0.0 have mean 0.2 and variance 0.08 / 3; all six: mean 0.35, variance 0.235 / 6.
    assert drop_spread(values) == pytest.approx({"single": (0.08 / 3) ** 0.5, "all": (0.235 / 6) ** 0.5})


def test_area_is_the_mean_of_the_piecewise_linear_curve():
    assert area({0.0: 1.0, 0.1: 0.5, 0.3: 0.5}) == pytest.approx((0.075 + 0.1) / 0.3)
