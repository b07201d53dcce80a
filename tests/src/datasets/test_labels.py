"""Labels of any type and range are named as they are, never rounded until they fit."""

import re

import numpy as np
import pytest

from src.datasets.labels import MOST_CLASSES, class_numbers, label_form, numbered
from src.structures import InputError


def failure(labels, task: str) -> str:
    """The text of the one finding on labels, empty where they pass."""
    finding, = label_form(task).check(np.asarray(labels))
    return "" if finding.level == "PASS" else finding.text


@pytest.mark.parametrize("labels, shown", [
    (np.array([0, -128], "i1"), "-128"), (np.array([0, -2**63]), "-9223372036854775808"),
    (np.array([0, 2**64 - 1], "u8"), "18446744073709551615"), (np.array([0, 1e300]), "1e+300"),
    (np.array([0, 4], "f2"), "4.0"), (np.array([0, np.nan], "f4"), "nan"), (np.array([0, 4], ">f8"), "4.0"),
    (np.array([0, np.inf], "g"), "inf"), (np.array([[[0]], [[-5]]]), "-5"),
])
@pytest.mark.parametrize("task", ["sentiment7", "sentiment", "sims5", "sims", "classes:3"])
def test_labels_out_of_range_are_named_whatever_their_type(labels, shown, task):
    assert f"labels hold {shown}; expected " in failure(labels, task) and "(1 of 2 do not fit)" in failure(labels, task)


@pytest.mark.parametrize("score, passes", [(0.1 * 3 * 10, True), (-3 - 9e-7, True), (3.00001, False), (-3.1, False)])
def test_scores_may_have_a_rounding_error(score, passes):
    assert (failure([score, 0.0], "sentiment7") == "") == passes
    assert passes or str(score) in failure([score, 0.0], "sentiment7")


def test_a_rounding_error_is_taken_away():
    assert label_form("sentiment").clean(np.float32([3.0000005, -1])).tolist() == [3, -1]


@pytest.mark.parametrize("shape", [(6,), (6, 1), (6, 1, 1)])
@pytest.mark.parametrize("task", ["sentiment7", "classes:3"])
def test_one_label_per_sample_may_have_further_axes_of_one(shape, task):
    assert failure(np.arange(6).reshape(shape) % 3, task) == ""


PAIRS = np.eye(2, dtype=np.float32)[np.eye(4, dtype=int)[[2, 0, 3]]]  # sad, neutral, angry


def test_pairs_of_which_one_is_present_are_four_exclusive_classes():
    form = label_form("classes:4")
    assert failure(PAIRS, "classes:4") == "" and form.clean(PAIRS).tolist() == [2, 0, 3]
    assert form.histogram(PAIRS) == {"0": 1, "2": 1, "3": 1}
    assert class_numbers(PAIRS, "classes:4").tolist() == class_numbers(PAIRS, "emotion4").tolist() == [2, 0, 3]
    assert "several in 0 and none in 1" in failure(np.eye(2)[[[0, 0, 0, 0], [0, 1, 0, 0]]], "classes:4")
    assert "expected one class per sample" in failure(PAIRS, "classes:3")


@pytest.mark.parametrize("task, labels, counts", [
    ("classes:6", [[1, 1, 0, 0, 0, 0], [0] * 6, [0] * 6, [0, 1, 0, 0, 0, 0]], "several classes in 1 and none in 2"),
    ("emotion4", np.eye(2, dtype=int)[[[1, 1, 0, 0], [0, 0, 0, 0], [0, 1, 0, 0]]], "several in 1 and none in 1;"),
])
def test_several_or_no_emotions_per_sample_are_counted(task, labels, counts):
    assert counts in failure(labels, task)


def test_the_number_of_classes_has_a_bound_with_a_reason():
    assert numbered(f"classes:{MOST_CLASSES}") == ("classes", MOST_CLASSES)
    for text in ("10001", "1000000000", "9" * 5000, "1", "-3", "²", "٣", "", "3.0", "0x3"):
        with pytest.raises(InputError, match="N from 2 to 10000, since every class is an output"):
            numbered(f"classes:{text}")


@pytest.mark.parametrize("task, labels, message", [
    ("labels:3", np.zeros((4, 2)), r"shape \(4, 2\); expected \(N, 3\), 1 for every label .* take --task classes:3"),
    ("labels:3", np.zeros(4), r"shape \(4,\); expected \(N, 3\)"),
    ("labels:2", [[0, 1], [0.5, 1]], r"labels hold 0.5; expected 1 .* \(1 of 4 do not fit\): set a threshold first"),
    ("labels:2", [[0, np.nan]], "labels hold nan; expected 1"),
    ("regression:2", np.zeros((4, 3)), r"shape \(4, 3\); expected \(N, 2\), 2 numbers per sample"),
    ("regression:1", np.zeros((4, 2)), r"shape \(4, 2\); expected \(N,\) or \(N, 1\), 1 number per sample"),
    ("regression:2", [[0, np.inf]], r"labels hold inf; expected numbers of at most 1e\+06 \(1 of 2 do not fit\)"),
    ("regression:1", [np.nan], "labels hold nan"),
    ("sims", [1.2], r"labels hold 1.2; expected scores in \[-1, 1\]")])
def test_labels_of_another_form_are_named_with_what_is_expected(task, labels, message):
    assert re.search(message, failure(labels, task))


def test_labels_of_every_new_kind_are_counted():
    def counts(task, labels):
        assert failure(labels, task) == ""
        return label_form(task).histogram(np.asarray(labels))

    assert counts("labels:2", [[1, 1], [0, 0], [0, 1]]) == {"0": 1, "1": 2}
    assert counts("sims5", [-1, 0.2, 0.4])["weakly positive"] == 2
    assert counts("regression:1", [0.0, 1, 1, 5]) == {"value 0 in [0, 1)": 1, "value 0 in [1, 2)": 2,
                                                     "value 0 in [2, 3)": 0, "value 0 in [3, 4)": 0,
                                                     "value 0 in [4, 5)": 1}


@pytest.mark.parametrize("task", ["labels:2", "regression:1"])
def test_samples_without_one_class_cannot_be_tied_to_a_cue(task):
    with pytest.raises(InputError, match=f"labels of the task {task} are not one class per sample"):
        class_numbers(np.zeros((3, 2)), task)
