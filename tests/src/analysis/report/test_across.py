"""Probabilities of improvement are those of hand-counted pairs, and stand only where there are several conditions."""

import math

import pandas
import pytest

from src.analysis.records import Study
from src.analysis.report.across import across_tables, drawings, improvement
from src.analysis.report.style import marks


def study(scores, split="test"):
    """Accuracies on a split: condition -> variant -> one per seed."""
    rows = [{"dataset": "synthetic", "condition": condition, "backbone": "mult", "variant": variant, "method": variant,
             "fusion": "", "seed": seed, "selection": "best_valid_acc", "predictor": "prediction", "split": split,
             "analysis": "test", "setting": "", "measure": "accuracy", "value": value, "bits": ""}
            for condition, variants in scores.items() for variant, values in variants.items()
            for seed, value in enumerate(values)]
    return Study("", rows, [], [], [], [], {"synthetic": "accuracy"})


def test_ties_count_half():
    assert improvement([3, 1], [2, 1]) == pytest.approx((1 + 1 + 0 + 0.5) / 4)


def test_the_mean_is_over_conditions_and_a_t_interval_needs_three():
    scores = {"a": {"plain": [0.1, 0.2], "pool": [0.3, 0.4]}, "b": {"plain": [0.1, 0.3], "pool": [0.2, 0.3]},
              "c": {"plain": [0.5, 0.5], "pool": [0.5, 0.5]}}
    (_, _, (head, line)), = across_tables(study(scores))  # 1, 5/8 and 1/2: mean 17/24, deviation 0.2602, t 4.303
    assert head == ["variant", "n", "P on test"] and line == ["pool", "3", "0.71 [0.06, 1.00] p 0.300"]
    (_, _, (_, line)), = across_tables(study({name: scores[name] for name in "ab"}))
    assert line == ["pool", "2", "0.81"]


def test_gains_stand_beside_what_they_cost_and_the_greatest_comes_first():
    inside = {"plain": [0.5, 0.5, 0.5], "pool": [0.4, 0.4, 0.4], "tanh": [0.5, 0.6, 0.7]}
    shifted = {"plain": [0.2, 0.2, 0.2], "pool": [0.3, 0.4, 0.5], "tanh": [0.2, 0.3, 0.4]}
    both, broken = study({"a": inside, "b": inside}), study({"a": shifted, "b": shifted}, "test_shifted")
    both.rows = pandas.concat([both.rows, broken.rows], ignore_index=True)
    (caption, _, (head, *lines)), _ = across_tables(both)
    assert caption.startswith("Across conditions: gain over plain")
    assert head == ["variant", "n", "mean", "synthetic, a, mult", "synthetic, b, mult"]
    # 10, 20, 30: mean 20, deviation 10, t 4.303, so 24.8 to both sides; differences that are all equal have no interval
    assert lines == [["pool", "3", "+20.0", *["+20.0 [-4.8, +44.8] / -10.0"] * 2],
                     ["tanh", "3", "+10.0", *["+10.0 [-14.8, +34.8] / +10.0 [-14.8, +34.8]"] * 2]]
    first, _ = drawings(both, marks(["plain", "pool", "tanh"]))
    panel, other = first.figure.axes
    assert [label.get_text() for label in panel.get_yticklabels()] == ["pool", "tanh"]
    lines, *marked = other.collections
    assert lines.get_segments()[0].ravel().tolist() == [pytest.approx(-4.84, abs=0.01), 0,
                                                        pytest.approx(44.84, abs=0.01), 0]
    assert marked[0].get_offsets().ravel().tolist() == pytest.approx([20, 0, -10, 0])


def test_a_variant_without_a_mean_comes_last():
    scores = {"plain": [0.5, 0.5], "late": [0.6, 0.6], "pool": [math.nan, math.nan], "tanh": [0.7, 0.7]}
    both = study({"a": scores, "b": scores})
    both.rows = pandas.concat([both.rows, study({"a": scores, "b": scores}, "test_shifted").rows], ignore_index=True)
    (_, _, (_, *lines)), *_ = across_tables(both)
    assert [line[0] for line in lines] == ["tanh", "late", "pool"]


def test_one_condition_has_nothing_across():
    one = study({"a": {"plain": [0.1, 0.2], "pool": [0.3, 0.4]}})
    assert across_tables(one) == [] and list(drawings(one, marks(["plain", "pool"]))) == []


def test_the_table_names_the_rule_and_what_it_knew():
    both = {"plain": [0.1, 0.2], "pool": [0.3, 0.4]}
    (caption, _, _), = across_tables(study({"a": both, "b": both}))
    assert caption.endswith("(valid_score; known of a shift: not told)")


def test_a_variant_that_not_all_conditions_have_has_no_profile():
    both = {"plain": [0.1, 0.2], "pool": [0.3, 0.4]}
    scores = {"a": both | {"late": [0.9, 0.9]}, "b": both | {"late": [0.9, 0.9]}, "c": both}
    (drawing,) = drawings(study(scores), marks(["plain", "pool", "late"]))
    (panel,) = drawing.figure.axes
    assert [list(line.get_xdata()) for line in panel.get_lines()] == [
        [10, *[10] * 3, *[20] * 3], [30, *[30] * 3, *[40] * 3]]
