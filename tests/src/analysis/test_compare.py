"""Any two scores of results.csv, seed by seed."""

import pytest

from src.analysis.compare import main
from tests.src.analysis.test_results import score, written

FIRST, SECOND = {1: (0.50, 0.40), 2: (0.60, 0.40), 3: (0.70, 0.40)}, {1: (0.45, 0.45), 2: (0.50, 0.40), 4: (0.1, 0.1)}


def runs(scores, variant, **changes):
    """One run per seed, with one score on each of two splits, or a pair of one score by two numbers of samples."""
    for seed, (test, shifted) in scores.items():
        yield {"variant": variant, "seed": seed} | changes, [
            score(test), score(shifted, split="test_shifted"), score(0.9, split="valid", analysis="valid"),
            score(test + 0.1, analysis="knowledge", setting="25"), score(test - 0.1, analysis="knowledge", setting="0")]


@pytest.fixture
def path(tmp_path):
    return written(tmp_path / "one.csv", *runs(FIRST, "tanh"), *runs(SECOND, "mask"))


def lines(capsys, *words):
    """The cells of the table that a command line prints, by its first words."""
    assert main(list(map(str, words))) == 0
    shown = capsys.readouterr().out.splitlines()
    return [" ".join(line.split()) for line in shown[:shown.index("")]]


def test_the_difference_of_two_variants_is_over_the_seeds_that_both_have(capsys, path):
    # Seeds 1 and 2: 50 - 45 and 60 - 50 on test, 40 - 45 and 40 - 40 on the shifted split.
    assert lines(capsys, path, "variant=tanh", "--to", "variant=mask") == [
        "split n score compared with difference",
        "test 2 55.0 +- 7.1 47.5 +- 3.5 +7.5 seeds (n too small)",
        "test_shifted 2 40.0 +- 0.0 42.5 +- 3.5 -2.5 seeds (n too small)"]


def test_scores_of_another_file_are_met_by_all_fields_that_to_does_not_name(capsys, path, tmp_path):
    other = written(tmp_path / "two.csv", *runs({1: (0.4, 0.4), 2: (0.5, 0.3), 3: (0.6, 0.2)}, "plain",
                                                condition="longer", selection="best_valid_loss"))
    found = lines(capsys, path, "variant=tanh", "split=test_shifted", "--to", other, "variant=plain",
                  "condition=longer")
    # 0, 10 and 20: a mean of 10, a deviation of 10, t(0.975, 2) = 4.303, so 10 +- 4.303 * 10 / sqrt(3).
    assert found[1] == "3 40.0 +- 0.0 30.0 +- 10.0 +10.0 seeds [-14.8, +34.8] p 0.225"


def test_what_more_samples_are_worth_is_a_difference_of_settings(capsys, path):
    found = lines(capsys, path, "variant=tanh", "analysis=knowledge", "setting=25", "--to", "setting=0")
    assert found[1] == "3 70.0 +- 10.0 50.0 +- 10.0 +20.0 seeds (all equal)"


def test_a_tie_is_a_line_too(capsys, tmp_path):
    path = written(tmp_path / "tie.csv", *runs(FIRST, "tanh"), *runs(FIRST, "mask"))
    assert lines(capsys, path, "variant=tanh", "split=test", "--to", "variant=mask")[1:] == [
        "3 60.0 +- 10.0 60.0 +- 10.0 +0.0 seeds (all equal) p 1.000"]


@pytest.mark.parametrize(("words", "told"), [
    (["variant=tanh", "--to", "variant=sum"], "no such score has variant=sum; choose from 'tanh', 'mask'"),
    (["variant=tanh", "--to", "seed=2"], "'seed=2' does not say which scores"),
    (["variant=tanh", "--to", "variant=tanh"], "no two scores with a seed in common"),
    (["other.csv", "--to", "variant=tanh"], "2 files are named where one is compared")])
def test_words_that_find_nothing_are_told_in_one_sentence(capsys, path, words, told):
    assert main([str(path), *words]) == 2
    assert told in capsys.readouterr().err


def test_a_command_without_a_file_says_so(capsys):
    assert main(["variant=tanh", "--to", "variant=mask"]) == 2
    assert "no files are named" in capsys.readouterr().err
