"""The posterior of synthetic data is what the generator's numbers give by hand."""

import math

import pytest
import torch

from src.datasets.synthetic import SyntheticOptions, generate
from src.datasets.truth import log_posterior
from src.structures import MODALITIES


def drawn(**options):
    """Options, and inputs and emotions of 200 test samples that show their digits and shortcuts without noise."""
    made = SyntheticOptions(synthetic_sizes=(1, 1, 200), synthetic_noise=1e-2, **options)
    test = generate(made)["test"]
    return made, {name: torch.from_numpy(test[name]) for name in MODALITIES}, torch.from_numpy(test["labels"])[..., 1]


def test_a_shortcut_of_four_fifths_tells_its_emotion_with_a_probability_of_85_percent():
    options, inputs, _ = drawn(shortcut_t=0.8)
    told = log_posterior(options, inputs, ("text",)).exp()  # 0.8 + 0.2 / 4, and 0.2 / 4 for each of the others
    assert told.sort(1).values.tolist() == [pytest.approx([0.05, 0.05, 0.05, 0.85])] * 200


def test_the_rule_needs_all_three_modalities():
    options, inputs, emotions = drawn(shortcut_t=0.8)
    assert log_posterior(options, inputs, ("audio", "vision")).exp().tolist() == [pytest.approx([0.25] * 4)] * 200
    assert log_posterior(options, inputs, MODALITIES, shortcut=False).exp().tolist() == [
        pytest.approx(row) for row in emotions.tolist()]


def test_two_shortcuts_that_agree_are_multiplied():
    options, inputs, _ = drawn(shortcut_t=0.6, shortcut_a=0.6)
    told = log_posterior(options, inputs, ("text", "audio")).exp().max(1).values
    # each says its emotion with 0.7, the others with 0.1: agreeing 0.49 / (0.49 + 3 * 0.01), else 0.07 / 0.16
    assert sorted({round(one, 4) for one in told.tolist()}) == [0.4375, 0.9423]


def test_no_known_modality_leaves_the_class_frequencies():
    options, inputs, _ = drawn(synthetic_shape="iemocap", synthetic_lengths=(2, 2, 2), synthetic_widths=(8, 8, 8))
    counts = (954, 338, 690, 735)
    assert log_posterior(options, inputs, ())[0].tolist() == pytest.approx([math.log(one / 2717) for one in counts])
