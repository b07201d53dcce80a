"""Means, intervals and tests against numbers worked out by hand."""

import math

import pytest

from src.analysis.statistics import holm, paired_difference, summary


def test_summary_by_hand():
    found = summary([1.0, 2.0, 6.0])
    assert (found.mean, found.n) == (3, 3) and found.std == pytest.approx(7 ** 0.5)  # (4 + 1 + 9) / 2


def test_one_seed_has_no_spread_no_interval_and_no_test():
    assert math.isnan(summary([0.5]).std)
    found = paired_difference([0.7], [0.5])
    assert found.mean == pytest.approx(0.2) and found.n == 1
    assert math.isnan(found.low) and math.isnan(found.high) and math.isnan(found.p)


def test_the_interval_of_two_seeds_spans_their_two_differences():
    # Resampled means are 1, 2 or 3 with chances 1/4, 1/2, 1/4, so both tails of 2.5 % lie inside the outer values.
    found = paired_difference([11, 23], [10, 20])
    assert (found.mean, found.low, found.high) == (2, 1, 3)


def test_the_p_value_is_that_of_the_paired_t_test():
    # Differences 1, 2, 3: t = 2 / (1 / sqrt 3) = 3.4641 with two degrees of freedom, where p = 1 - t / sqrt(t^2 + 2).
    found = paired_difference([1, 2, 3], [0, 0, 0])
    assert found.p == pytest.approx(1 - 12 ** 0.5 / 14 ** 0.5)


def test_pairing_takes_away_what_the_seeds_share():
    found = paired_difference([10.5, 90.6, 50.4], [10, 90, 50])
    assert found.low > 0.3 and found.high < 0.7


def test_equal_differences_allow_no_t_test_and_no_difference_is_no_evidence():
    assert math.isnan(paired_difference([2, 3], [1, 2]).p) and paired_difference([1, 2], [1, 2]).p == 1


def test_holm_by_hand():
    # Sorted 0.01, 0.03, 0.04: times 3, 2, 1 gives 0.03, 0.06, 0.04, and no value falls below an earlier one.
    assert holm([0.03, math.nan, 0.01, 0.04])[2] == pytest.approx(0.03)
    assert holm([0.03, math.nan, 0.01, 0.04])[::3] == pytest.approx([0.06, 0.06])
    assert math.isnan(holm([0.03, math.nan])[1]) and holm([0.6, 0.7]) == [1, 1]


def test_seeds_without_a_value_do_not_count():
    found = summary([1.0, math.nan, 3.0])
    assert (found.mean, found.n) == (2, 2)
    found = paired_difference([1, math.nan, 3], [0, 1, math.nan])
    assert (found.mean, found.n) == (1, 1) and math.isnan(found.low)


def test_no_value_at_all_has_no_mean():
    assert math.isnan(summary([math.nan]).mean) and summary([]).n == 0
    assert math.isnan(paired_difference([math.nan], [1]).mean)
