"""How every figure looks: colours and markers, panels, dots with their spread, title and footnote.

A figure is as wide as one column of a paper or as two, and all of its text has 7 points, so that it is used as it is.
"""

import math
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast

from src.analysis.records import seeds_text
from src.analysis.report.fitting import LETTER, columns_of, fit_labels, folded, folded_names
from src.analysis.statistics import summary
from src.structures import MODALITIES

if TYPE_CHECKING:  # matplotlib is loaded only where figures are drawn
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Shared = bool | Literal["none", "all", "row", "col"]  # an axis, by which panels
NARROW, WIDE = 3.4, 7.0  # inches: one column of a paper, and two
ROOM = 12  # things side by side in a panel as wide as one column of a paper
SHRUNK = 0.7  # of the heights that the charts ask for
# Variants: Okabe and Ito's palette, told apart by the colour-blind, with grey in place of its yellow, which white paper
# swallows. Nothing else in any figure has these colours and markers, so a legend means the same everywhere.
COLOURS = ("#000000", "#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7F7F7F")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*", "p")  # no multiple of the colours, so that pairs repeat late
LINES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)))
# Modalities and classes: Tol's muted palette.
MODALITY_COLOURS = ("#332288", "#117733", "#AA4499")
CLASS_COLOURS = ("#CC6677", "#88CCEE", "#999933", "#882255", "#44AA99", "#661100", "#6699CC", "#DDCC77")
NEUTRAL = "#444444"  # of what stands for every variant
SPREAD = "error bars: standard deviation over seeds; small points: single seeds"
BARS = "error bars: standard deviation over seeds"
TRIVIAL_LINE: dict[str, Any] = {"color": "#7F7F7F", "linestyle": (0, (2, 2)), "linewidth": 1.2, "zorder": 1}
STYLE: Any = {  # matplotlib wants its own names as keys
    "font.size": 7, "axes.titlesize": 7, "axes.titleweight": "bold", "axes.labelsize": 7, "legend.fontsize": 7,
    "axes.linewidth": 0.6, "grid.linewidth": 0.5, "xtick.major.width": 0.6, "ytick.major.width": 0.6,
    "xtick.major.size": 2.5, "ytick.major.size": 2.5, "axes.titlepad": 4,
    "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "grid.color": "#E4E4E4",
    "axes.axisbelow": True, "legend.frameon": False, "figure.facecolor": "white", "pdf.fonttype": 42,
    "svg.fonttype": "none", "svg.hashsalt": "causalmer", "text.parse_math": False,  # names of splits may have dollars
}


@dataclass(frozen=True)
class Mark:
    """How one thing is told apart, by colour and without it."""

    colour: str
    marker: str
    line: Any


@dataclass
class Drawing:
    """A figure with its place in the report."""

    section: str
    title: str
    caption: str
    figure: "Figure"


def marks(names: Sequence[str]) -> dict[str, Mark]:
    """A mark for each name, by position."""
    return {name: Mark(COLOURS[i % len(COLOURS)], MARKERS[i % len(MARKERS)], LINES[i % len(LINES)])
            for i, name in enumerate(names)}


def modality_marks() -> dict[str, Mark]:
    """A mark for each modality, unlike those of the variants."""
    parts = zip(MODALITY_COLOURS, "<>d", LINES[1:], strict=False)
    return {name: Mark(*part) for name, part in zip(MODALITIES, parts, strict=True)}


def class_marks(names: Sequence[str]) -> dict[str, Mark]:
    """A mark for each class, unlike those of variants and modalities."""
    return {name: Mark(CLASS_COLOURS[i % len(CLASS_COLOURS)], "h8H"[i // len(CLASS_COLOURS) % 3], "")
            for i, name in enumerate(names)}


def panels(rows: Sequence[str], columns: Sequence[str], height: float, share_x: Shared = False,
           share_y: Shared = "row", narrow: int = 1, things: int = 0) -> tuple["Figure", dict[tuple[str, str], "Axes"]]:
    """A figure with one named panel per row and column; column names stand on top.

    narrow: the most columns with which it is as wide as one column of a paper; things: how many stand side by side.
    """
    from matplotlib.figure import Figure

    size = (NARROW if len(columns) <= narrow and things <= ROOM else WIDE, 0.2 + SHRUNK * height * len(rows))
    figure = Figure(figsize=size, layout="constrained")
    grid = figure.subplots(len(rows), len(columns), sharex=share_x, sharey=share_y, squeeze=False)
    for axes, name in zip(grid[0], columns, strict=True):
        axes.set_title(name)
    return figure, {(row, column): grid[i, j] for i, row in enumerate(rows) for j, column in enumerate(columns)}


def dots(axes: "Axes", found: Iterable[tuple[float, Sequence[float], Mark]], apart: tuple[float, float],
         upright: bool = True) -> None:
    """Mean and standard deviation over the seeds of each thing, single seeds beside it; hollow marks: one seed only.

    found: its place on one axis, its values on the other, and how it looks. apart: from its place to its mean, and to
    its seeds. All of a kind are one artist each, since thousands of lines are slow to draw.
    """
    shown = [(at + apart[0], at + apart[1], summary(values), values, mark) for at, values, mark in found if len(values)]

    def turned(places: Sequence[float], values: Sequence[float]) -> tuple[Sequence[float], Sequence[float]]:
        return (places, values) if upright else (values, places)

    many = [one for one in shown if one[2].n > 1]
    colours, at = [mark.colour for *_, mark in many], [place for place, *_ in many]
    low, high = ([total.mean + side * total.std for _, _, total, *_ in many] for side in (-1, 1))
    (axes.vlines if upright else axes.hlines)(at, low, high, colors=colours, linewidth=0.9, zorder=3)
    for end in (low, high):
        axes.scatter(*turned(at, end), s=3 ** 2, marker="_" if upright else "|", color=colours, linewidths=1, zorder=3)
    points(axes, *turned([place for place, *_ in shown], [total.mean for _, _, total, *_ in shown]),
           [mark for *_, mark in shown], [total.n > 1 for _, _, total, *_ in shown])
    seeds = [(place, value, mark.colour) for _, place, _, values, mark in many for value in values]
    places, values, colours = map(list, zip(*seeds, strict=True)) if seeds else ([], [], [])
    axes.scatter(*turned(places, values), s=2.5 ** 2, marker=".", color=colours, linewidths=1, alpha=0.55, zorder=2)


def ranges(axes: "Axes", ends: Mapping[float, tuple[float, float]], looks: Sequence[Mark], width: float) -> None:
    """A horizontal line at each height, from one end to the other."""
    axes.hlines(list(ends), [low for low, _ in ends.values()], [high for _, high in ends.values()], linewidth=width,
                colors=[mark.colour for mark in looks])


def points(axes: "Axes", x: Sequence[float], y: Sequence[float], looks: Sequence[Mark],
           filled: Sequence[bool]) -> None:
    """A mark at each place, hollow where it is not filled; those with the same marker are one artist."""
    from matplotlib.markers import MarkerStyle

    for marker in dict.fromkeys(mark.marker for mark in looks):
        own = [place for place, mark in enumerate(looks) if mark.marker == marker]
        made = axes.scatter([x[i] for i in own], [y[i] for i in own], s=4.2 ** 2, marker=marker, linewidths=1, zorder=3,
                            color=[looks[i].colour for i in own])
        if MarkerStyle(marker).is_filled():  # the signs of predictors are lines
            made.set_facecolor([looks[i].colour if filled[i] else "white" for i in own])


def dodge(count: int) -> tuple[list[float], float]:
    """Places of `count` things around a tick, and the distance between two."""
    step = 0.8 / max(count, 5)
    return [(i - (count - 1) / 2) * step for i in range(count)], step


def curve(axes: "Axes", places: Sequence[float], values: Sequence[Sequence[float]], mark: Mark, line: Any,
          filled: bool = True) -> None:
    """Means over seeds joined by a line, with standard deviations where there are two seeds or more."""
    found = [summary(seeds) for seeds in values]
    spread = [total.std if total.n > 1 else 0 for total in found]
    axes.errorbar(places, [total.mean for total in found], yerr=spread if any(spread) else None, color=mark.colour,
                  marker=mark.marker, markersize=3.5, markerfacecolor=mark.colour if filled else "white",
                  linestyle=line, linewidth=1.1, capsize=1.5, elinewidth=0.7)


def categories(axes: "Axes", names: Sequence[str]) -> None:
    """Name the places 0, 1, ... of the x axis, and separate them by lines instead of a grid through the dots."""
    from matplotlib.collections import LineCollection

    room = cast("Figure", axes.figure).get_figwidth() * 0.85 / columns_of(axes) / max(len(names), 1)
    whole = max((len(word) for name in names for word in name.split()), default=0) * LETTER < room
    lines = [folded(name, room if whole else 1.3, 9) for name in names]
    upright = not whole or max(line.count("\n") for line in lines) > 2
    most = max(1, int(room / 0.12))  # lines of upright text side by side
    axes.set_xticks(range(len(names)), folded_names(names, 1.3, most) if upright else lines,
                    rotation=90 if upright else 0)
    axes.set_xlim(-0.5, len(names) - 0.5)
    axes.tick_params(axis="x", length=0)
    axes.grid(False, axis="x")
    edges = LineCollection([[(edge - 0.5, 0), (edge - 0.5, 1)] for edge in range(1, len(names))], colors="#D0D0D0",
                           linewidths=0.6, zorder=0, transform=axes.get_xaxis_transform())
    axes.add_collection(edges, autolim=False)


def mark_handles(looks: dict[str, Mark], **changes: Any) -> list:
    """Entries of a legend for things shown by colour and marker; `changes` as for Line2D."""
    from matplotlib.lines import Line2D

    style: dict[str, Any] = {"linestyle": "", "markersize": 4} | changes
    return [Line2D([], [], color=mark.colour, marker=mark.marker, label=name, **style) for name, mark in looks.items()]


def line_handles(looks: dict[str, Mark]) -> list:
    """Handles of the lines of `curve`."""
    return [line_handle(name, color=mark.colour, marker=mark.marker, markersize=4, linestyle=mark.line)
            for name, mark in looks.items()]


def line_handle(label: str, **style: Any) -> Any:
    """Entry of a legend for a line."""
    from matplotlib.lines import Line2D

    return Line2D([], [], label=label, **style)


def finish(figure: "Figure", title: str, note: str, handles: list) -> None:
    """Title on top, legend below it, footnote at the bottom; the figure grows by what they need, in inches."""
    width, height = figure.get_size_inches()
    fit_labels(figure)
    letters = int(width / LETTER)
    title_lines, note_lines = textwrap.wrap(title, int(0.9 * letters)), textwrap.wrap(note, letters)
    for handle in handles:
        handle.set_label(folded(handle.get_label(), width - 0.5))
    across, legend = _legend_columns([handle.get_label() for handle in handles], width)
    head, foot = 0.08 + 0.125 * len(title_lines), 0.08 + 0.12 * len(note_lines)
    total = height + head + legend + foot
    figure.set_figheight(total)
    layout: Any = figure.get_layout_engine()
    layout.set(rect=(0, foot / total, 1, (height - 0.03) / total))
    figure.text(0.05 / width, 1 - 0.04 / total, "\n".join(title_lines), va="top", fontweight="bold")
    figure.text(0.05 / width, 0.04 / total, "\n".join(note_lines), va="bottom", color="#333333")
    if handles:
        figure.legend(handles=handles, loc="upper left", bbox_to_anchor=(0.03 / width, 1 - head / total),
                      ncols=across, borderaxespad=0, borderpad=0.2, columnspacing=1.6, labelspacing=0.3)


def _legend_columns(labels: Sequence[str], width: float) -> tuple[int, float]:
    """The most columns whose entries fit side by side, filled one column after the other, and their height."""
    sizes = [0.45 + LETTER * max(map(len, label.split("\n"))) for label in labels]
    across, rows = 1, len(labels)
    for across in range(len(labels), 0, -1):
        rows = math.ceil(len(labels) / across)
        if sum(max(sizes[start:start + rows]) for start in range(0, len(labels), rows)) <= width:
            break
    return across, 0.03 + 0.122 * rows + 0.11 * sum(label.count("\n") for label in labels) if labels else 0.0


def behind(models: Iterable[tuple[str, int]], spread: str = SPREAD) -> str:
    """The seeds behind a figure, and what shows their spread where there are two or more."""
    found = list(models)
    seeds = seeds_text(found)
    return f"{seeds}; {spread}" if len(set(found)) > len({model for model, _ in found}) else seeds
