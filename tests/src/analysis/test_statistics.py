"""Means, intervals and tests against numbers worked out by hand."""

import math

import numpy as np
import pytest

from src.analysis.statistics import (
    FEWEST_SAMPLES,
    holm,
    packed,
    paired_difference,
    sample_interval,
    summary,
    unpacked,
)


def test_summary_by_hand():
    found = summary([1.0, 2.0, 6.0])
    assert (found.mean, found.n) == (3, 3) and found.std == pytest.approx(7 ** 0.5)  # (4 + 1 + 9) / 2


@pytest.mark.parametrize("differences", [[0.2], [0.1, 0.3]])
def test_fewer_than_three_seeds_have_no_interval_and_no_test(differences):
    found = paired_difference(differences)
    assert found.mean == pytest.approx(0.2) and found.n == len(differences)
    assert math.isnan(found.low) and math.isnan(found.high) and math.isnan(found.p)
    assert math.isnan(summary([0.5]).std)


def test_interval_and_p_are_those_of_the_paired_t_test():
    # 1, 2, 3 have mean 2 and standard error 1 / sqrt 3; t is 4.3027 at 97.5 % with two degrees of freedom, and
    # t = 2 sqrt 3 has p = 1 - t / sqrt(t^2 + 2).
    found = paired_difference([1, 2, 3])
    assert (found.low, found.high) == pytest.approx((2 - 4.302653 / 3 ** 0.5, 2 + 4.302653 / 3 ** 0.5))
    assert found.p == pytest.approx(1 - 12 ** 0.5 / 14 ** 0.5)


@pytest.mark.parametrize("n", [3, 5, 10])
def test_the_interval_of_normal_differences_covers_their_mean_as_often_as_it_says(n):
    draws = np.random.default_rng(n).normal(0.3, 1.0, size=(1000, n))
    found = [paired_difference(row) for row in draws]
    # The standard error of a share of 0.95 among 1000 is 0.007.
    assert np.mean([one.low <= 0.3 <= one.high for one in found]) == pytest.approx(0.95, abs=0.02)


def test_equal_differences_allow_no_interval_and_no_difference_is_no_evidence():
    found, none = paired_difference([1, 1, 1]), paired_difference([0, 0, 0])
    assert math.isnan(found.low) and math.isnan(found.p) and math.isnan(none.low) and none.p == 1


def test_the_interval_over_samples_is_that_of_a_share():
    # 6000 of 10000 samples gain 1: the standard error is sqrt(0.6 * 0.4 / 10000) = 0.0049, and 1.96 of it 0.0096.
    low, high = sample_interval(np.repeat([1.0, 0.0], [6000, 4000]))
    assert (low, high) == pytest.approx((0.6 - 0.0096, 0.6 + 0.0096), abs=0.0006)


def test_the_interval_over_samples_is_that_of_the_binomial_distribution():
    # Of B(100, 0.6) at most 50 has probability 0.0271 and at most 49 0.0168; at most 69 0.9752, at most 68 0.9602.
    assert sample_interval(np.repeat([1.0, 0.0], [60, 40])) == (0.50, 0.69)
    # Two seeds and one third: the same shifted and divided.
    assert sample_interval(np.repeat([0.5, 0.0], [60, 40]), 2) == (0.25, 0.345)
    assert sample_interval(np.repeat([0.0, -1 / 3], [60, 40]), 3) == pytest.approx((-0.5 / 3, -0.31 / 3))


def test_the_interval_over_samples_covers_as_often_as_it_says():
    draws = np.random.default_rng(0).choice([-1.0, 0.0, 1.0], size=(500, 200), p=(0.1, 0.7, 0.2))
    found = [sample_interval(row) for row in draws]
    assert np.mean([low <= 0.1 <= high for low, high in found]) == pytest.approx(0.95, abs=0.03)


def test_few_samples_have_no_interval():
    assert math.isnan(sample_interval(np.ones(FEWEST_SAMPLES - 1))[0])
    assert sample_interval(np.ones(FEWEST_SAMPLES)) == (1, 1)


def test_correctness_is_packed_into_hexadecimal_digits_and_back():
    correct = [True, False, False, True, False, True, False, False, True]
    assert packed(correct) == "9x9480"  # 1001 0100 1
    assert unpacked("9x9480").tolist() == correct and unpacked("0x").size == 0


@pytest.mark.parametrize("text", ["", "x", "9x94", "9x948", "ax94", "-1x", "9xzz00"])
def test_text_that_is_no_correctness_is_refused(text):
    with pytest.raises(ValueError):
        unpacked(text)


def test_holm_by_hand():
    # Sorted 0.01, 0.03, 0.04: times 3, 2, 1 gives 0.03, 0.06, 0.04, and no value falls below an earlier one.
    assert holm([0.03, math.nan, 0.01, 0.04])[2] == pytest.approx(0.03)
    assert holm([0.03, math.nan, 0.01, 0.04])[::3] == pytest.approx([0.06, 0.06])
    assert math.isnan(holm([0.03, math.nan])[1]) and holm([0.6, 0.7]) == [1, 1]


def test_seeds_without_a_value_do_not_count():
    found = summary([1.0, math.nan, 3.0])
    assert (found.mean, found.n) == (2, 2)
    assert paired_difference([1, math.nan, math.nan]).n == 1


def test_no_value_at_all_has_no_mean():
    assert math.isnan(summary([math.nan]).mean) and summary([]).n == 0
    assert math.isnan(paired_difference([math.nan]).mean)
