"""All figures of a study, as PNG, SVG and PDF."""

import gc
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

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
    from PIL.Image import Image

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
    gc.freeze()  # the rows are no garbage while figures are drawn, nor is what was imported
    try:
        with workers(min(MOST, os.cpu_count() or 1), "1") as submit:
            saved = [submit(_save_there, drawing, folder, name) for name, drawing in figures(study)]
            return [one.result() for one in saved]
    finally:
        gc.unfreeze()


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
    """Write one figure in all forms, each whole or not at all.

    `Figure.savefig` draws twice for each of them, the first time to lay a figure out, which is done once here.
    """
    png, svg, pdf = (folder / f"{name}.{form}" for form in ("png", "svg", "pdf"))
    settle(drawing.figure)
    with atomic_file(png) as file:
        pixels(drawing.figure).save(file, format="PNG", compress_level=7)
    for path in (svg, pdf):
        with atomic_file(path) as file:
            write_vector(drawing.figure, file, path.suffix[1:])
    return FigureFile(name, drawing.section, drawing.title, drawing.caption, png, svg, pdf)


def pixels(figure: "Figure") -> "Image":
    """A settled figure as an image with a palette: it has few colours, and the report embeds a third as much."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    figure.set_dpi(DPI)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    whole = Image.frombuffer("RGBA", canvas.get_width_height(), canvas.buffer_rgba(), "raw", "RGBA", 0, 1)
    return whole.convert("RGB").quantize(256, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)


def write_vector(figure: "Figure", file: BinaryIO, form: str) -> None:
    """Write a settled figure as `svg` or `pdf`, without a date, so that the same figure is the same bytes."""
    from matplotlib.backends.backend_pdf import FigureCanvasPdf
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    figure.set_dpi(DPI)  # of what is drawn as pixels
    if form == "svg":
        FigureCanvasSVG(figure).print_svg(file, metadata={"Date": None})
    else:
        FigureCanvasPdf(figure).print_pdf(file, metadata={"CreationDate": None})


def settle(figure: "Figure") -> None:
    """Lay a figure out, and round the places of its panels: their last bits differ from one process to the next."""
    layout: Any = figure.get_layout_engine()
    layout.execute(figure)
    figure.set_layout_engine("none")
    for axes in figure.axes:
        left, bottom, width, height = (round(edge, 6) for edge in axes.get_position().bounds)
        axes.set_position((left, bottom, width, height))


def file_name(*words: str) -> str:
    """Words as part of a file name."""
    return re.sub(r"[^a-z0-9.]+", "-", " ".join(words).lower()).strip("-")
