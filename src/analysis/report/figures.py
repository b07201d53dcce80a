"""All figures of a study, as PNG, SVG and PDF."""

import io
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from src.analysis.records import Study, ordered
from src.analysis.report import (
    across,
    charts_headline,
    charts_knowledge,
    charts_modalities,
    charts_models,
    charts_scores,
)
from src.analysis.report.style import STYLE, Drawing, marks
from src.analysis.workers import workers
from src.runtime import atomic_file

if TYPE_CHECKING:  # matplotlib is loaded only where figures are drawn
    from matplotlib.figure import Figure

MANY = 50_000  # scores of a study, some hundred runs, whose figures take longer than it takes to start processes
MOST = 4  # processes
DPI = 220  # of the PNG, which the report shows; SVG and PDF have no pixels


@dataclass(frozen=True)
class FigureFile:
    """A figure on disk."""

    name: str
    section: str
    title: str  # what it is about, beside the section: dataset, condition, ...
    caption: str
    png: Path
    svg: Path
    pdf: Path


def save_figures(study: Study, folder: Path) -> list[FigureFile]:
    """Draw and save every figure that the study has data for, in the order of the report.

    To save a figure takes three times as long as to draw it, so for a large study other processes do it meanwhile.
    """
    if len(study.rows) < MANY:
        return [save(drawing, folder, name) for name, drawing in figures(study)]
    with workers(min(MOST, os.cpu_count() or 1), "1") as submit:
        saved = [submit(_save_there, drawing, folder, name) for name, drawing in figures(study)]
        return [one.result() for one in saved]


def _save_there(drawing: Drawing, folder: Path, name: str) -> FigureFile:
    """`save` in a process that has no style yet."""
    import matplotlib

    with matplotlib.rc_context(STYLE):
        return save(drawing, folder, name)


def figures(study: Study) -> Iterator[tuple[str, Drawing]]:
    """Every figure with the name of its files, drawn when it is its turn."""
    import matplotlib

    variants = [*ordered(study.rows, "variant"), *(run.variant for run in study.runs)]
    looks = marks(list(dict.fromkeys(variants)))  # the same in every figure
    with matplotlib.rc_context(STYLE):
        charts = (across, charts_headline, charts_scores, charts_knowledge, charts_modalities, charts_models)
        for number, drawing in enumerate(chain(*(kind.drawings(study, looks) for kind in charts)), 1):
            yield f"{number:03}-{file_name(drawing.section, drawing.title)}", drawing


def save(drawing: Drawing, folder: Path, name: str) -> FigureFile:
    """Write one figure in all forms, each whole or not at all."""
    from PIL import Image

    png, svg, pdf = (folder / f"{name}.{form}" for form in ("png", "svg", "pdf"))
    buffer = io.BytesIO()
    settle(drawing.figure)
    write_image(drawing.figure, buffer, "png")
    # The figures have few colours: a palette makes them a third as large, and the report embeds all of them.
    small = Image.open(buffer).convert("RGB").quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    with atomic_file(png) as file:
        small.save(file, format="PNG", optimize=True)
    for path in (svg, pdf):
        with atomic_file(path) as file:
            write_image(drawing.figure, file, path.suffix[1:])
    return FigureFile(name, drawing.section, drawing.title, drawing.caption, png, svg, pdf)


def write_image(figure: "Figure", file: BinaryIO, form: str) -> None:
    """Write a settled figure as `png`, `svg` or `pdf`, without a date, so that the same figure is the same bytes.

    `Figure.savefig` draws a figure twice, the first time to lay it out, which `settle` has done.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.backends.backend_pdf import FigureCanvasPdf
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    figure.set_dpi(DPI)  # a canvas of vectors sets its own
    if form == "png":
        FigureCanvasAgg(figure).print_png(file)
    elif form == "svg":
        FigureCanvasSVG(figure).print_svg(file, metadata={"Date": None})
    else:
        FigureCanvasPdf(figure).print_pdf(file, metadata={"CreationDate": None})


def settle(figure: "Figure") -> None:
    """Lay a figure out, and round the places of its panels: their last bits differ from one process to the next."""
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    for axes in figure.axes:
        left, bottom, width, height = (round(edge, 6) for edge in axes.get_position().bounds)
        axes.set_position((left, bottom, width, height))


def file_name(*words: str) -> str:
    """Words as part of a file name."""
    return re.sub(r"[^a-z0-9.]+", "-", " ".join(words).lower()).strip("-")
