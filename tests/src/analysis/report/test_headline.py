import pytest

from src.analysis.records import RunRecord, Study
from src.analysis.report.headline import Headline, headlines
from tests.src.analysis.report import example
from tests.src.analysis.report.test_figures import row

FAR, NEAR, ALONE = (0.20, 0.21, 0.22), (-0.1, 0.0, 0.1), (0.2,)  # differences of the seeds


def headline(shifted: tuple[float, ...] = FAR, inside: tuple[float, ...] = NEAR, split: str = "test_shifted",
             measure: str = "accuracy") -> Headline:
    """The answer of a study in which tanh differs from plain by these values, seed by seed."""
    rows = []
    for name, differences in (("test", inside), (split, shifted)):
        for seed, difference in enumerate(differences):
            rows += [row(seed=seed, split=name, value=0.5, measure=measure, method="plain"),
                     row("tanh", seed, 0.5 + difference, split=name, measure=measure, method="causal")]
    return headlines(Study("Title", rows, [], [], [], [], {"synthetic": measure}))[0]


@pytest.mark.parametrize("shifted, verdict", [
    (FAR, "Yes"), (tuple(-value for value in FAR), "No"), (NEAR, "Nothing is shown"), (ALONE, "Nothing is shown"),
    (FAR[:2], "Nothing is shown")])
def test_only_an_interval_beside_zero_shows_something(shifted, verdict):
    assert headline(shifted).verdict == verdict and headline(shifted).answer.startswith(verdict)


def test_where_lower_is_better_a_loss_is_a_yes():
    assert headline(tuple(-value for value in FAR), measure="mae").verdict == "Yes"


def test_the_answer_holds_both_differences_and_their_intervals():
    found = headline().answer
    assert "gains 21.0 percentage points of accuracy (95 % interval +" in found and "on test_shifted" in found
    assert "in distribution it neither gains nor loses accuracy (" in found and "3 seeds" in found


def test_few_seeds_have_no_interval_in_the_answer():
    found = headline(FAR[:2], NEAR[:2]).answer
    assert "needs 3 seeds and there are 2 seeds" in found and "95 %" not in found


def test_the_reason_is_told_where_the_interval_covers_zero():
    assert "since the interval covers zero" in headline(NEAR).answer


def test_without_a_shifted_split_nothing_is_said_about_shortcuts():
    found = headline(split="holdout")
    assert found.shifted is None and "has no shifted test split" in found.answer


def test_the_shifted_split_stands_for_the_reversed_one_too():
    assert {found.splits[1] for found in headlines(example.study())} == {"test_shifted"}


def test_a_question_for_every_backbone():
    assert [found.question for found in headlines(example.study())] == [
        f"Does causal tanh debias {name} on synthetic, text 0.8?" for name in ("mult", "pmr")]


def test_without_a_plain_model_there_is_no_answer():
    assert headlines(example.study(variants=("mask", "tanh"))) == []


def run(variant: str, score: float) -> RunRecord:
    """A run whose selected epoch has this validation score."""
    history = [{"epoch": 1, "valid_accuracy": 1.0}, {"epoch": 7, "valid_accuracy": score}]
    return RunRecord(**example.run("mult", variant, 1111, 0) | {"history": history})


def test_validation_picks_the_method_whatever_the_test_says():
    study = example.study(backbones=("mult",))
    study.runs[:] = [run("mask", 0.9), run("tanh", 0.8)]
    (found,) = headlines(study)
    assert found.best == "mask" and "no test score took part" in found.choice


def test_a_choice_by_the_test_score_is_named():
    study = example.study(backbones=("mult",))
    study.runs.clear()
    (found,) = headlines(study)
    assert found.best == "tanh" and "by the very test score" in found.choice


def test_one_method_is_no_choice():
    (found,) = headlines(example.study(backbones=("mult",), variants=("plain", "tanh")))
    assert found.choice == "It is the only method beside plain."
