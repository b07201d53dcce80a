from dataclasses import replace

from src.analysis.records import SampleRecord
from src.analysis.report.explorer import first_shown
from src.analysis.report.headline import headlines
from tests.src.analysis.report import example

STUDY = example.study()
BEST = headlines(STUDY)[0]


def place(samples: list[SampleRecord]) -> tuple[str, str, str, int]:
    """Backbone, variant, split and number of the sample that the explorer opens on."""
    model, sample = first_shown(samples, BEST, "plain")
    return samples[model].backbone, samples[model].variant, samples[model].split, sample


def test_the_explorer_opens_on_a_shifted_sample_that_the_best_method_rescued():
    assert place(STUDY.samples) == ("mult", "tanh", "test_shifted", 3)


def test_a_sample_that_the_subtraction_rescued_goes_before_one_that_training_did():
    plain, best = (next(record for record in STUDY.samples if (record.variant, record.split) == (name, "test_shifted"))
                   for name in ("plain", "tanh"))
    wrong = replace(plain, predictions=["angry", "angry", *plain.predictions[2:]])
    assert wrong.right[1] is False and place([wrong, best])[3] == 3


def test_without_a_rescued_sample_the_best_method_opens():
    samples = [record for record in STUDY.samples if record.variant != "plain"]
    assert place(samples) == ("mult", "tanh", "test_shifted", 0)


def test_without_a_best_method_any_causal_model_opens():
    assert first_shown(STUDY.samples, None, "plain") == [3, 0]
