import pytest

from src.analysis.records import Study
from src.analysis.report.headline import Headline, headlines
from src.analysis.results import VALID
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
    assert "gains 21.0 percentage points of accuracy (95 % interval over 3 seeds +" in found
    assert "on test_shifted" in found
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


def test_validation_picks_the_method_whatever_the_test_says():
    study = example.study(backbones=("mult",))
    study.rows.loc[(study.rows["split"] == VALID) & (study.rows["variant"] == "mask"), "value"] = 0.99
    (found,) = headlines(study)
    assert found.best == "mask" and "no test score took part" in found.choice


def test_methods_with_the_same_mean_are_told():
    study = example.study(backbones=("mult",))
    study.rows.loc[study.rows["split"] == VALID, "value"] = 1.0
    (found,) = headlines(study)
    assert found.choice.endswith(" of the others have the same mean.")


def test_a_single_modality_is_not_what_debiases():
    study = example.study(backbones=("mult",))
    study.rows.loc[study.rows["variant"] == "mask", "method"] = "unimodal"
    study.rows.loc[(study.rows["split"] == VALID) & (study.rows["variant"] == "mask"), "value"] = 0.99
    (found,) = headlines(study)
    assert found.best != "mask"


def test_a_choice_by_the_test_score_is_named():
    study = example.study(backbones=("mult",))
    study.rows = study.rows[study.rows["split"] != VALID]
    (found,) = headlines(study)
    assert found.best == "tanh" and "by the very test score" in found.choice


def test_one_method_is_no_choice():
    (found,) = headlines(example.study(backbones=("mult",), variants=("plain", "tanh")))
    assert found.choice == "It is the only method beside plain."
