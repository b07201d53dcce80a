import pytest

from src.structures import LONGEST, InputError, printable, quoted


@pytest.mark.parametrize("text, shown", [
    ("plain é 情", "plain é 情"), ("a\nb\r\x1b[31m", "a\\nb\\r\\x1b[31m"), ("\u202egpj", "\\u202egpj"),
    ("\ud800", "\\ud800"), ("\0", "\\x00")])
def test_only_printable_characters_are_shown_as_they_are(text, shown):
    assert printable(text) == shown


@pytest.mark.parametrize("value, shown", [
    ("x", "'x'"), (b"\xff", "'\xff'"), (3, "3"), (1.5, "1.5"), (None, "None"), (10**5000, "a number of 16610 bits"),
    ([["x"]], "a list"), ("a" * 100 + "b" * 100, f"'{'a' * 30}...{'b' * 30}'")], ids=range(8))
def test_a_quoted_value_is_short_and_never_nested(value, shown):
    assert quoted(value) == shown


def test_a_message_is_one_line_that_keeps_its_beginning_and_its_end():
    text = str(InputError("what came" + "\n\x1b[2J" * 10**5 + "what to do"))
    assert LONGEST - 2 < len(text) <= LONGEST and text.startswith("what came\\n") and text.endswith("what to do")
