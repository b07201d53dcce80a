"""What the documents show of results is what the command makes from the rows in the repository."""

import io
import re
from itertools import takewhile
from pathlib import Path

import pytest

from src.analysis.report.figures import figures, settle, write_vector
from src.analysis.report.files import load_study
from src.analysis.report.formats import to_markdown

ROOT = Path(__file__).parent.parent
DOCUMENTS = [ROOT / "README.md", ROOT / "docs" / "results.md"]
FIGURES = ROOT / "docs" / "figures"  # a folder for each file of results
# How tables begin that no study writes, and the README's, which has some rows of one.
BY_HAND = ("| question |", "| you know |", "| flag |", "| equation |", "| variant | n | mean |")


def rounded(svg: str) -> str:
    """A drawing with its numbers to one decimal: processors round the last digits differently."""
    return re.sub(r"-?\d+\.\d+", lambda number: f"{float(number[0]) + 0:.1f}", svg)


def as_svg(figure):
    """A figure as the report writes it."""
    file = io.BytesIO()
    settle(figure)
    write_vector(figure, file, "svg")
    return file.getvalue().decode()


def first(found, last):
    """Figures up to the one of that name, so that no later one is drawn."""
    return takewhile(lambda one: one[0] <= last, found)


@pytest.mark.xdist_group("results")
def test_every_table_and_figure_of_the_documents_is_made_from_the_rows():
    paths = sorted((ROOT / "results").glob("*.csv"))
    studies = {path.stem: load_study(path) for path in paths}
    whole = "".join(map(to_markdown, studies.values()))
    shown = set()
    for text in (document.read_text() for document in DOCUMENTS):
        tables = [table for table in re.findall(r"(?:^\|.*\n)+", text, re.M) if not table.startswith(BY_HAND)]
        assert [table for table in tables if table not in whole] == []
        gains = [line for table in re.findall(r"^\| variant \| n \| mean \|.*\n(?:\|.*\n)+", text, re.M)
                 for line in table.splitlines()]  # the README shows some of the rows
        assert gains and [line for line in gains if f"{line}\n" not in whole] == []
        shown |= set(re.findall(r"figures/(\w+/[\w.-]+\.svg)", text))
    kept = {path.relative_to(FIGURES).as_posix(): path.read_text() for path in FIGURES.glob("*/*.svg")}
    assert shown and shown == set(kept)
    for name in {place.split("/")[0] for place in kept}:
        own = {place.split("/")[1][:-4]: text for place, text in kept.items() if place.startswith(f"{name}/")}
        drawn = {each: as_svg(drawing.figure)
                 for each, drawing in first(figures(studies[name]), max(own)) if each in own}
        assert {each: rounded(text) for each, text in drawn.items()} == {
            each: rounded(text) for each, text in own.items()}
