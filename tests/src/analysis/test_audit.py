"""Distances and calibration are what they are by hand, and a model that knows the truth has none."""

import math
from types import SimpleNamespace

import pytest
import torch

from src.analysis.audit import audit_rows, calibration_error, divergence, log_distribution
from src.config import parse_config
from src.datasets.base import Split
from src.datasets.synthetic import generate
from src.datasets.truth import log_posterior
from src.engine import EpochResult
from src.methods.base import Predictor
from src.structures import MODALITIES, InputError
from src.tasks import make_task

EMOTIONS = make_task("emotion4")


def as_pairs(logits):
    """(N, 4) -> (N, 8), logits whose margins are these."""
    return torch.stack([torch.zeros_like(logits), logits], dim=2).flatten(1)


def test_margins_of_pairs_are_one_distribution():
    pairs = torch.tensor([[0.0, math.log(3), 0, 0, 0, 0, 2, 2 + math.log(2)]])
    assert log_distribution(EMOTIONS, pairs).exp().tolist() == [pytest.approx([3 / 7, 1 / 7, 1 / 7, 2 / 7])]


def test_the_divergence_of_a_certain_truth_is_the_log_loss():
    truth, model = torch.tensor([[1.0, 0.0]]).double().log(), torch.tensor([[0.25, 0.75]]).double().log()
    assert divergence(truth, model) == pytest.approx(math.log(4))


def test_the_calibration_error_weighs_bins_by_their_samples():
    model = torch.tensor([[0.9, 0.1], [0.9, 0.1], [0.9, 0.1], [0.6, 0.4]]).double().log()
    right = torch.tensor([True, True, False, True])
    # three at 0.9 of which two are right, one at 0.6 which is right: (|2 - 2.7| + |1 - 0.6|) / 4
    assert calibration_error(model, right) == pytest.approx(1.1 / 4)


@pytest.mark.parametrize("task", ["labels:3", "regression:2"])
def test_labels_of_another_kind_are_refused(task):
    with pytest.raises(InputError, match="exactly one"):
        log_distribution(make_task(task), torch.zeros(1, 6))


def audited(same_data=True, evidence=False):
    """(modality, measure) -> value, of a model that knows the rule, what text says, and of audio nothing.

    evidence: what text says is told beyond a prior, (0.4, 0.2, 0.2, 0.2), of which the model knows.
    """
    options = parse_config(["--shortcut_t", "0.8", "--synthetic_sizes", "1,1,50"]).dataset
    content = generate(options)["test_shifted"]
    inputs = {name: torch.from_numpy(content[name]) for name in MODALITIES}
    labels = torch.from_numpy(content["labels"])
    values = {"logits": as_pairs(log_posterior(options, inputs, MODALITIES, shortcut=False)),
              "direct_text": as_pairs(log_posterior(options, inputs, ("text",))), "audio": torch.zeros(50, 8)}
    if evidence:
        values["prior"] = as_pairs(torch.tensor([[2.0, 1, 1, 1]]).log()).expand(50, 8)
        values["direct_text"] = values["direct_text"] - values["prior"]
    trained = SimpleNamespace(
        task=EMOTIONS, config=SimpleNamespace(dataset=options), same_data=same_data,
        dataset=SimpleNamespace(splits={"test_shifted": Split(inputs, labels, [])}),
        model=SimpleNamespace(predictors={"prediction": Predictor("logits", "")}))
    return {(row["setting"], row["measure"]): row["value"]
            for row in audit_rows(trained, "test_shifted", EpochResult({}, values, labels))}


def test_of_another_file_only_the_calibration_is_known():
    assert list(audited(same_data=False)) == [("", "ece")]


def test_an_effect_beyond_the_prior_is_compared_with_the_truth_once_the_prior_is_given_back():
    assert audited(evidence=True)["text", "kl_effect"] == pytest.approx(0, abs=1e-12)


def test_a_model_that_knows_the_truth_has_no_distance_and_a_silent_effect_that_of_nothing():
    # what text says is 0.85, 0.05, 0.05, 0.05, so that its distance to saying nothing is log 4 minus its entropy
    told = math.log(4) + 0.85 * math.log(0.85) + 0.15 * math.log(0.05)
    assert audited() == {
        ("", "ece"): pytest.approx(0, abs=0.01), ("", "kl_rule"): pytest.approx(0, abs=1e-12),
        ("", "decides_by_rule"): 1, ("text", "kl_effect"): pytest.approx(0, abs=1e-12),
        ("text", "kl_no_effect"): pytest.approx(told, abs=1e-3), ("audio", "kl_effect"): pytest.approx(0, abs=1e-12),
        ("audio", "kl_no_effect"): pytest.approx(0, abs=1e-12)}
