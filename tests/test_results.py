"""What the documents show of results is what the command makes from the rows in the repository."""

import re
from itertools import takewhile
from pathlib import Path

from src.analysis.report.figures import figures, save
from src.analysis.report.files import load_study
from src.analysis.report.formats import to_markdown

ROOT = Path(__file__).parent.parent
DOCUMENTS = [ROOT / "README.md", ROOT / "docs" / "results.md"]


def rounded(svg: str) -> str:
    """A drawing with its numbers to one decimal: processors round the last digits differently."""
    return re.sub(r"-?\d+\.\d+", lambda number: f"{float(number[0]) + 0:.1f}", svg)


def test_every_table_and_figure_of_the_documents_is_made_from_the_rows(tmp_path):
    studies = {path.stem: load_study(path) for path in (ROOT / "results").glob("*.csv")}
    whole = "".join(map(to_markdown, studies.values()))
    shown = set()
    for text in (document.read_text() for document in DOCUMENTS):
        tables = [table for table in re.findall(r"(?:^\|.*\n)+", text, re.M) if "samples [" in table]
        assert tables and [table for table in tables if table not in whole] == []
        shown |= set(re.findall(r"figures/([\w.-]+\.svg)", text))
    kept = {path.stem: path.read_text() for path in (ROOT / "docs" / "figures").glob("*.svg")}
    assert shown and shown == {f"{name}.svg" for name in kept}
    upto = takewhile(lambda found: found[0] <= max(kept), figures(studies["shift"]))
    drawn = {name: save(drawing, tmp_path, name).svg.read_text() for name, drawing in upto if name in kept}
    assert {name: rounded(text) for name, text in drawn.items()} == {name: rounded(text) for name, text in kept.items()}
