"""Whatever a file has as identifiers is named or becomes bounded text."""

import numpy as np
import pytest

from src.datasets import identifiers as module
from src.datasets.identifiers import SHORTEST, identifiers, ids_problem

TEXT = np.zeros((3, 2, 1))


@pytest.mark.parametrize("ids, message", [
    (["a", "b"], "is a list of 2; expected one for each of 3 samples"),
    (7, "is a int; expected one"), ("abc", "is a str; expected one"), ({"a": 1}, "is a dict; expected one"),
    (np.array("a"), "is an array of <U1; expected one"),
    (np.zeros((3, 100)), "has the shape (3, 100)"),
    ([["a"], "b", ["c", ["d"]]], "holds a list of 2; expected one for each of 3 samples, or none, as text or numbers"),
    ([np.zeros(3), np.zeros(100), "a"], "holds a ndarray of 100"),
    ([{}, "a", "b"], "holds a dict of 0"), (["a"] * 2 + [["b"] * 17], "holds a list of 17"),
])
def test_identifiers_of_another_form_are_named(ids, message):
    assert message in ids_problem("train", {"text": TEXT, "id": ids})


def test_lists_that_double_are_not_walked():
    rows = ["a", "b", "c"]
    for _ in range(60):
        rows = [rows] * 3
    assert "holds a list of 3" in ids_problem("train", {"text": TEXT, "id": rows})


@pytest.mark.parametrize("ids, expected", [
    (None, ["0", "1", "2"]), (("a", b"b\xff", 3), ["a", "b\ufffd", "3"]), ([None, 2.5, True], ["None", "2.5", "True"]),
    ([["v", 1, b""], ("w", ""), np.array(["x", "y"])], ["v 1", "w", "x y"]),
    (np.array([[b"a", b""], [b"b", b"c"], [b"", b""]]), ["a", "b c", ""]),
    ([10**5000, -10**40, 2**70], ["a number of 16610 bits", "a number of 133 bits", str(2**70)]),
])
def test_identifiers_become_text(ids, expected):
    split = {"text": TEXT, "id": ids}
    assert ids_problem("train", split) is None and identifiers(split) == expected


def test_long_identifiers_are_cut(monkeypatch):
    split = {"text": TEXT, "id": ["x" * 10**6, b"y" * 10**6, ["z" * 10**6] * 16]}
    assert [len(text) for text in identifiers(split)] == [module.LONGEST] * 3
    monkeypatch.setattr(module, "ALL", 10)
    assert [len(text) for text in identifiers(split)] == [SHORTEST] * 3
