"""A branch reads the data once, however many modalities go missing beside its own."""

import pytest
import torch

from src.analysis.remembering import branches_remembered
from src.analysis.trained import Trained
from src.build import build_data, build_model
from src.config import parse_config

CASES = ((), ("audio",), ("vision",), ("text",))


@pytest.fixture
def model(tiny):
    config = parse_config(tiny)
    data = build_data(config)
    return Trained(config, data, build_model(config, data.info), torch.device("cpu"))


def logits(model):
    return [model.removal("test", removed, "zero").values["logits"] for removed in CASES]


def test_predictions_keep_their_bits(model):
    expected = logits(model)
    with branches_remembered(model):
        assert all(map(torch.equal, logits(model), expected))


def test_the_text_branch_reads_the_data_and_what_stands_in_for_it_once_each(model):
    calls, branch = [], model.model.branches["text"]
    forward = branch.forward
    branch.forward = lambda sequence: calls.append(len(sequence)) or forward(sequence)
    with branches_remembered(model):
        logits(model)
    assert calls == [24, 24]
    logits(model)
    assert calls == [24] * 6  # afterwards as ever
