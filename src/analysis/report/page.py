"""The report of a study: one HTML file that needs no network and no other file."""

import base64
import json
import math
import re
from collections.abc import Iterable, Sequence
from html import escape
from itertools import count
from pathlib import Path
from typing import Any

from src.analysis.records import EFFECTS, RunRecord, SampleRecord, Study, in_order, place_name
from src.analysis.report.figures import DPI, FigureFile
from src.checkpoint import write_text

HERE = Path(__file__).parent
SHOWN_DPI = 96  # a browser's pixels per inch; figures appear at their size in inches, or as wide as the window
DECIMALS = 4  # of effects in the file
TOLERANCE = 1e-3  # of TE - NDE_t - NDE_a - NDE_v = TIE, relative to the largest effect
# Nothing is ever loaded, so nothing may be.
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"


def write_report(study: Study, figures: Sequence[FigureFile], path: Path) -> None:
    """Write the report, whole or not at all."""
    write_text(path, _page(study, figures))


def _page(study: Study, figures: Sequence[FigureFile]) -> str:
    """The whole document."""
    sections = [("What was run", _what_was_run(study))]
    if study.notes:
        sections.append(("Notes", _list("ul", [escape(note) for note in study.notes])))
    if study.tables:
        sections.append(("Tables", "\n".join(_numbered_table(i, *table) for i, table in enumerate(study.tables, 1))))
    numbers = count(1)
    for name in dict.fromkeys(figure.section for figure in figures):
        sections.append((name, _figures([(next(numbers), figure) for figure in figures if figure.section == name])))
    data = ""
    if any(record.ids for record in study.samples):
        sections.append(("Effects of single samples", EXPLORER))
        data = f'<script type="application/json" id="effects-data">{_json(_explorer_data(study.samples))}</script>'
    sections.append(("Every run and its command", _every_run(study.runs)))
    contents = _list("ol", [f'<a href="#section-{i}">{escape(title)}</a>' for i, (title, _) in enumerate(sections, 1)])
    body = "\n".join(f'<section id="section-{i}" aria-labelledby="heading-{i}">\n<h2 id="heading-{i}">{i}. '
                     f"{escape(title)}</h2>\n{content}\n</section>" for i, (title, content) in enumerate(sections, 1))
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(study.title)}</title>
<style>
{(HERE / "page.css").read_text()}</style>
</head>
<body>
<a class="skip" href="#main">Skip to the content</a>
<header><h1>{escape(study.title)}</h1></header>
<nav aria-label="Contents"><h2>Contents</h2>
{contents}</nav>
<main id="main">
{body}
</main>
{data}
<script>
{(HERE / "page.js").read_text()}</script>
</body>
</html>
"""


def _what_was_run(study: Study) -> str:
    """Runs by dataset and condition; software, data and the exact commands."""
    runs = study.runs
    places: dict[tuple[str, str], list[RunRecord]] = {}
    for run in runs:
        places.setdefault((run.dataset, run.condition), []).append(run)
    cells = [["data", "score shown", "backbones", "variants", "seeds", "runs", "time of training"]]
    for (dataset, condition), found in places.items():
        cells.append([place_name(dataset, condition), study.measure.get(dataset, ""),
                      _words(in_order("backbone", [run.backbone for run in found])),
                      _words(in_order("variant", [run.variant for run in found])),
                      _words(sorted({run.seed for run in found})), str(len(found)),
                      _duration(sum(run.seconds for run in found))])
    total = f"{len(runs)} runs, {_duration(sum(run.seconds for run in runs))} of training in all (one after the other)."
    if study.rows["selection"].nunique() > 1:
        total += f" Figures show the checkpoints of {study.selection}."
    facts = [("git revision", [run.versions.get("git") or "unknown" for run in runs])]
    names = dict.fromkeys(name for run in runs for name in run.versions if name != "git")
    facts += [(name, [run.versions.get(name, "unknown") for run in runs]) for name in names]
    facts += [(f"sha256 of {place_name(*key)}", [run.data_sha256 for run in found]) for key, found in places.items()]
    terms = "\n".join(f"<dt>{escape(name)}</dt><dd><code>{'</code>, <code>'.join(map(escape, dict.fromkeys(values)))}"
                      "</code></dd>" for name, values in facts)
    return (f'<p>{escape(total)} The last section holds every run and its command.</p>\n'
            f"{_table('Runs by data set and condition', cells)}\n"
            f'<details open><summary>Versions, revision and data</summary><dl class="facts">\n{terms}</dl></details>')


def _every_run(runs: list[RunRecord]) -> str:
    """Every single run, and the commands that make them again."""
    single = [["data", "backbone", "variant", "seed", "parameters", "selected epoch", "seconds", "folder"]]
    single += [[place_name(run.dataset, run.condition), run.backbone, run.variant, str(run.seed), f"{run.parameters:,}",
                str(run.epoch), f"{run.seconds:.0f}", str(run.folder)] for run in runs]
    commands = "\n".join(escape(run.command) for run in runs)
    return (f"<details><summary>All {len(runs)} runs</summary>{_table('Single runs', single)}</details>\n"
            f"<details><summary>All {len(runs)} commands</summary><pre tabindex='0'>{commands}</pre></details>")


def _figures(numbered: list[tuple[int, FigureFile]]) -> str:
    """Figures of one section, with links to each where there are several."""
    links = "".join(f'<li><a href="#figure-{number}">{escape(figure.title)}</a></li>' for number, figure in numbered)
    shown = f'<ul class="jump" aria-label="Figures of this section">{links}</ul>\n' if len(numbered) > 1 else ""
    return shown + "\n".join(_figure(number, figure) for number, figure in numbered)


def _figure(number: int, figure: FigureFile) -> str:
    """One embedded figure with its caption."""
    content = figure.png.read_bytes()
    width, height = (int.from_bytes(content[at:at + 4], "big") / DPI for at in (16, 20))  # from the header of a PNG
    return (f'<figure id="figure-{number}"><img src="data:image/png;base64,{base64.b64encode(content).decode()}" '
            f'width="{width * SHOWN_DPI:.0f}" height="{height * SHOWN_DPI:.0f}" style="--inches: {width:.2f}" '
            f'alt="{escape(f"Chart. {figure.section}: {figure.title}")}">\n'
            f"<figcaption><b>Figure {number}. {escape(f'{figure.section}: {figure.title}.')}</b> "
            f'{escape(figure.caption)} <span class="file">{escape(figure.png.stem)}</span></figcaption></figure>')


def _numbered_table(number: int, caption: str, footnote: str, rows: list[list[str]]) -> str:
    """A table of the study with its footnote."""
    note = f'<p class="footnote">{escape(footnote)}</p>' if footnote else ""
    return _table(f"Table {number}. {caption}", rows) + note


def _table(caption: str, rows: list[list[str]]) -> str:
    """Rows of cells, the first row as header; columns of numbers stand on the right."""
    header, *body = rows
    right = [any(row[i] for row in body) and all(_is_number(row[i]) for row in body) for i in range(len(header))]
    head = "".join(f'<th scope="col"{_right(right[i])}>{escape(cell)}</th>' for i, cell in enumerate(header))
    lines = "\n".join("<tr>" + "".join(f"<td{_right(right[i])}>{escape(cell)}</td>" for i, cell in enumerate(row))
                      + "</tr>" for row in body)
    return (f'<div class="scroll" role="region" tabindex="0" aria-label="{escape(caption)}"><table>\n'
            f"<caption>{escape(caption)}</caption>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{lines}\n</tbody>"
            "</table></div>")


def _is_number(cell: str) -> bool:
    """Whether a cell begins like a number and is no list, except in brackets, or stands for a missing one."""
    outside = re.sub(r"[\[(].*?[\])]", "", cell)
    return outside.strip() in ("", "-", "–") or (outside.lstrip("+-−±< ")[:1].isdigit() and ", " not in outside)


def _right(yes: bool) -> str:
    return ' class="number"' if yes else ""


def _list(kind: str, items: Iterable[str]) -> str:
    """HTML items as a list."""
    return f"<{kind}>\n" + "\n".join(f"<li>{item}</li>" for item in items) + f"\n</{kind}>"


def _words(values: Iterable[Any]) -> str:
    return ", ".join(map(str, values))


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _explorer_data(records: list[SampleRecord]) -> dict[str, Any]:
    """What page.js shows: every model with its samples, and where the plain model beside it stands."""
    plain = {record.model: i for i, record in enumerate(records) if not record.effects}
    return {"names": EFFECTS, "models": [{
        "name": f"{place_name(record.dataset, record.condition)}: {record.backbone} {record.variant}, "
                f"seed {record.seed}, {record.split}",
        "classes": record.classes, "ids": record.ids, "labels": record.labels[:len(record.ids)],
        "predictions": record.predictions, "right": record.right, "plain": plain.get(record.model, -1),
        "unit": _adds_up(record),
        "effects": [_rounded(record.effects[name]) for name in EFFECTS] if record.effects else []}
        for record in records]}


def _adds_up(record: SampleRecord) -> bool:
    """Whether TE - NDE_t - NDE_a - NDE_v = TIE for every sample and class, that is, whether all weights are 1."""
    if not record.effects:
        return True
    total, *direct, indirect = ([value for sample in record.effects[name] for value in sample] for name in EFFECTS)
    largest = max(map(abs, total), default=0)
    return all(abs(te - sum(ndes) - tie) <= TOLERANCE * (1 + largest)
               for te, tie, *ndes in zip(total, indirect, *direct, strict=True))


def _rounded(values: list[list[float]]) -> list[list[float | None]]:
    """Values for JSON, which has no NaN and no infinity."""
    return [[round(value, DECIMALS) if math.isfinite(value) else None for value in sample] for sample in values]


def _json(content: Any) -> str:
    """JSON that cannot end the script element it stands in."""
    text = json.dumps(content, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


EXPLORER = """<p>The prediction of a causal model is the total indirect effect: what is left of the total effect TE of a
sample on each class after the direct effects of text, audio and vision are taken away,
TE − NDE_t − NDE_a − NDE_v = TIE. Choose a model and a sample; the address of the page then leads to it.</p>
<noscript><p class="warning">This section needs JavaScript, which is switched off here; all other sections work without
it.</p></noscript>
<div id="explorer" hidden>
<div class="controls">
<div><label for="model">Model</label><select id="model"></select></div>
<div><label for="show">Samples</label><select id="show"></select></div>
<div><label for="sample">Sample (<span id="number"></span>)</label><select id="sample" size="8"></select></div>
</div>
<div aria-live="polite"><p id="verdict"></p></div>
<div id="chart"></div>
<div id="sums" class="scroll" role="region" tabindex="0" aria-label="Effects as numbers"></div>
</div>"""
