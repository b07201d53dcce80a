import pytest

from src.analysis.report.fitting import LINE, bound, folded, folded_names, has_long_word, is_number, split_columns

NAMES = ["backbone", "variant", "n"]


def table(*columns: tuple[str, str]) -> list[list[str]]:
    """One line of a model, and these headers and cells."""
    return [[*NAMES, *(name for name, _ in columns)], ["mult", "tanh", "5", *(cell for _, cell in columns)]]


def test_a_narrow_table_stays_whole():
    rows = table(("test", "89.1 ± 0.2"))
    assert split_columns(rows) == [rows]


def test_each_part_names_its_lines_and_no_column_is_lost():
    rows = table(*((f"score {i}", "89.1 ± 0.2") for i in range(20)))
    parts = split_columns(rows)
    assert len(parts) > 1 and all(part[0][:3] == NAMES and part[1][:3] == rows[1][:3] for part in parts)
    assert [name for part in parts for name in part[0][3:]] == rows[0][3:]


def test_a_difference_stays_beside_its_score():
    rows = table(*((name, "x" * 12) for _ in range(9) for name in ("test", "difference to plain")))
    assert all(part[0][3] == "test" and part[0][-1] == "difference to plain" for part in split_columns(rows))


def test_no_part_is_much_narrower_than_the_others():
    rows = table(*(("score", "9" * 18) for _ in range(5)))
    assert [len(part[0]) - 3 for part in split_columns(rows, 100)] == [3, 2]


def test_a_column_that_is_too_wide_has_a_part_of_its_own():
    rows = table(("a", "1"), ("b", "9" * LINE), ("c", "1"))
    assert [part[0][3:] for part in split_columns(rows)] == [["a"], ["b"], ["c"]]


def test_a_table_without_cells_is_left_alone():
    assert split_columns([[]]) == [[[]]]


@pytest.mark.parametrize("cell, yes", [("+1.2 [-0.3, +2.7] p 0.012", True), ("-", True), ("1, 2", False), ("x", False)])
def test_a_number_in_front_makes_a_number(cell, yes):
    assert is_number(cell) is yes


def test_only_long_words_may_be_broken():
    assert has_long_word("a.package.of:Methods") and not has_long_word("many words in one cell")


def test_a_number_is_broken_between_its_intervals_only():
    cell = bound("+12.3 seeds [+5.1, +19.5] samples [+1.0, +3.0] p 0.012")
    assert cell.split(" ") == ["+12.3", "seeds\xa0[+5.1,\xa0+19.5]", "samples\xa0[+1.0,\xa0+3.0]", "p\xa00.012"]
    assert " " not in bound("89.1 +- 0.2")


def test_text_is_folded_at_words():
    assert folded("tanh, fused auxiliary", 0.9) == "tanh, fused\nauxiliary"


def test_what_does_not_fit_loses_its_middle():
    assert folded("abcdefghijklmnopqrstuvwxyz", 0.6, 1) == "abcd…wxyz"


def test_names_that_differ_in_the_middle_stay_different():
    names = ["plain", *(f"a_laboratory.methods:Debiasing, strength {value}, warmed up" for value in (0.5, 0.75))]
    found = folded_names(names, 1.3, 2)
    assert len(set(found)) == 3 and "0.5" in found[1].replace("\n", "") and "0.75" in found[2].replace("\n", "")
