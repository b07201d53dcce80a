"""The report of a study: one HTML file that needs no network and no other file."""

import base64
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from src.analysis.records import RunRecord, Study, in_order, place_name
from src.analysis.report.charts_headline import ANSWER
from src.analysis.report.explorer import explorer_data
from src.analysis.report.figures import DPI, FigureFile
from src.analysis.report.fitting import Cells, bound, has_long_word, numeric_columns, split_columns
from src.analysis.report.headline import Headline, headlines
from src.writing import write_text

HERE = Path(__file__).parent
SHOWN_DPI = 132  # pixels of the page per inch of a figure, so that its 7 points are read without effort


def write_report(study: Study, figures: Sequence[FigureFile], path: Path) -> None:
    """Write the report, whole or not at all."""
    write_text(path, _page(study, figures))


def _page(study: Study, figures: Sequence[FigureFile]) -> str:
    """The whole document."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    world = Environment(loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
                        lstrip_blocks=True, keep_trailing_newline=True)
    world.policies["json.dumps_kwargs"] = {"separators": (",", ":"), "allow_nan": False}
    world.globals |= {"parts": split_columns, "numeric": numeric_columns, "image": _image, "long": has_long_word,
                      "bound": bound}
    answers = headlines(study)
    numbered = list(enumerate(figures, 1))
    sections = dict.fromkeys(figure.section for figure in figures if figure.section != ANSWER)
    return world.get_template("page.html.jinja").render(
        study=study, style=(HERE / "page.css").read_text(), script=(HERE / "page.js").read_text(), answers=answers,
        first=[(number, figure) for number, figure in numbered if figure.section == ANSWER],
        sections={name: [(number, figure) for number, figure in numbered if figure.section == name]
                  for name in sections},
        obtained=_obtained(study, answers), conditions=_conditions(study), facts=_facts(study.runs),
        runs=_single_runs(study.runs),
        explorer=explorer_data(study.samples, next(iter(answers), None), study.baseline)
        if any(r.ids for r in study.samples) else None)


def _obtained(study: Study, answers: Sequence[Headline]) -> list[str]:
    """How the answer came about, in sentences."""
    sentences = []
    if answers:
        sentences = [f"The method of the answer is {answers[0].method}. {answers[0].choice}",
                     f"Each run is paired with {study.baseline} of the same seed and data. The interval over seeds "
                     "says where the mean difference of further seeds would lie, and fewer than three allow none; the "
                     "one over samples says what other test samples would change."]
    runs = study.runs
    sentences.append(f"{len(runs)} {'run' if len(runs) == 1 else 'runs'}, {_duration(sum(r.seconds for r in runs))} of "
                     "training in all (one after the other). The last section holds every run and its command.")
    if study.rows["selection"].nunique() > 1:
        sentences.append(f"All figures show the checkpoints of {study.selection}.")
    return sentences


def _conditions(study: Study) -> Cells:
    """Runs by dataset and condition."""
    cells = [["data", "score shown", "backbones", "variants", "seeds", "runs", "time of training"]]
    for (dataset, condition), found in _places(study.runs).items():
        cells.append([place_name(dataset, condition), study.measure.get(dataset, ""),
                      _words(in_order("backbone", [run.backbone for run in found])),
                      _words(in_order("variant", [run.variant for run in found], study.baseline)),
                      _words(sorted({run.seed for run in found})), str(len(found)),
                      _duration(sum(run.seconds for run in found))])
    return cells


def _facts(runs: Sequence[RunRecord]) -> dict[str, list[str]]:
    """Revision, versions and the hashes of the data: name -> the values that runs have."""
    names = dict.fromkeys(name for run in runs for name in run.versions if name != "git")
    facts = {"git revision": [run.versions.get("git") or "unknown" for run in runs]}
    facts |= {name: [run.versions.get(name, "unknown") for run in runs] for name in names}
    facts |= {f"sha256 of {place_name(*key)}": [run.data_sha256 for run in found]
              for key, found in _places(runs).items()}
    return {name: list(dict.fromkeys(values)) for name, values in facts.items()}


def _single_runs(runs: Sequence[RunRecord]) -> Cells:
    """Every single run."""
    header = ["data", "backbone", "variant", "seed", "parameters", "selected epoch", "seconds", "folder"]
    return [header, *([place_name(run.dataset, run.condition), run.backbone, run.variant, str(run.seed),
                       f"{run.parameters:,}", str(run.epoch), f"{run.seconds:.0f}", str(run.folder)] for run in runs)]


def _places(runs: Iterable[RunRecord]) -> dict[tuple[str, str], list[RunRecord]]:
    """(dataset, condition) -> runs."""
    places: dict[tuple[str, str], list[RunRecord]] = {}
    for run in runs:
        places.setdefault((run.dataset, run.condition), []).append(run)
    return places


def _image(figure: FigureFile) -> dict[str, Any]:
    """A figure's content as text, and its size in inches and in pixels of the page."""
    content = figure.png.read_bytes()
    width, height = (int.from_bytes(content[at:at + 4], "big") / DPI for at in (16, 20))  # from the header of a PNG
    return {"data": base64.b64encode(content).decode(), "inches": round(width, 2),
            "width": round(width * SHOWN_DPI), "height": round(height * SHOWN_DPI)}


def _words(values: Iterable[Any]) -> str:
    return ", ".join(map(str, values))


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
