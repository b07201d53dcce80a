"""Text of others in Markdown and LaTeX: shown as it is, never obeyed."""

import re

import pytest

from src.analysis.records import Study
from src.analysis.report.formats import markdown, tex, to_markdown, to_tex

HOSTILE = ["<img src=x onerror=alert(1)>", "a|b", "a\\|b", "two\nlines", "[x](http://a)", "![x][y]", "`code`", "$x$",
           "^^5cinput", "\\input{/etc/passwd}", "{brace", "~", "100 %", "a_b & #", "\x1b[31m", "\u202egpj", "[first",
           "*first", "\ud800"]


@pytest.mark.parametrize("text", HOSTILE)
def test_every_row_of_a_table_keeps_its_columns_and_its_line(text):
    study = Study(text, [], [], [], [text], [(text, text, [[text, "b", "c"], ["d", text, "e"]])], {})
    rows = [line for line in to_markdown(study).splitlines() if line.startswith("| ")]
    assert [len(re.findall(r"(?<!\\)(?:\\\\)*\|", row)) for row in rows] == [4, 4, 4]
    assert to_tex(study).count("\n") == 13 and to_tex(study).replace("\n", "").isprintable()


@pytest.mark.parametrize("text", HOSTILE)
def test_braces_and_dollars_of_latex_are_balanced(text):
    shown = re.sub(r"\\[\\{}$&#%_]", "", tex(text))
    assert shown.count("{") == shown.count("}") and shown.count("$") % 2 == 0
    assert "^" not in shown and not re.search(r"\\(?!text(backslash|ascii\w+)\{\}|pm\$)", shown)


def test_markdown_has_no_element_no_link_and_no_image():
    assert markdown("<b>&") == "&lt;b&gt;&amp;"
    assert markdown("![x](http://a)") == "\\![x\\](http://a)"


def test_what_tables_hold_of_their_own_stays_readable():
    assert markdown("+25.0 [+20.0, +30.0] p 0.126 z_m") == "+25.0 [+20.0, +30.0] p 0.126 z_m"
    assert tex("80.0 +- 14.1 p < 0.001") == r"80.0 $\pm$ 14.1 p $<$ 0.001" and tex("[a") == "{}[a"
