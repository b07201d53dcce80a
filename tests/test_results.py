"""What the documents show of results is what the command makes from the rows in the repository."""

import re
from pathlib import Path

import pytest

from src.analysis.report import __main__ as report
from src.analysis.report.files import load_study
from src.analysis.report.formats import to_markdown

ROOT = Path(__file__).parent.parent
DOCUMENTS = [ROOT / "README.md", ROOT / "docs" / "results.md"]


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """Tables and figures of results/shift.csv, made anew."""
    folder = tmp_path_factory.mktemp("made") / "shift"
    assert report.main([str(ROOT / "results" / "shift.csv"), "--out", str(folder)]) == 0
    return folder


def rounded(svg: str) -> str:
    """A drawing with its numbers to one decimal: processors round the last digits differently."""
    return re.sub(r"-?\d+\.\d+", lambda number: f"{float(number[0]) + 0:.1f}", svg)


def test_every_table_and_figure_of_the_documents_is_made_from_the_rows(made):
    others = [path for path in (ROOT / "results").glob("*.csv") if path.stem != made.name]
    whole = "".join([(made / "tables.md").read_text(), *(to_markdown(load_study(path)) for path in others)])
    shown = set()
    for text in (document.read_text() for document in DOCUMENTS):
        tables = [table for table in re.findall(r"(?:^\|.*\n)+", text, re.M) if "samples [" in table]
        assert tables and [table for table in tables if table not in whole] == []
        shown |= set(re.findall(r"figures/([\w.-]+\.svg)", text))
    kept = {path.name: path.read_text() for path in (ROOT / "docs" / "figures").glob("*.svg")}
    assert shown and shown == kept.keys()
    for name, text in kept.items():
        assert rounded(text) == rounded((made / "figures" / name).read_text()), name
