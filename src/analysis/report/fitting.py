"""Names that fit the room they have: lines of text in a figure, columns of a table on a page."""

import re
import textwrap
from collections.abc import Sequence
from os.path import commonprefix
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # matplotlib is loaded only where figures are drawn
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LETTER = 0.06  # inches: a letter of 7 points, rather wide
LINE = 112  # letters of a table's line that fit a window of 1,000 pixels and a printed A4 page
GAP = 2  # letters between two columns
FOLDED = 28  # letters of a number with its intervals, which may have several lines, broken beside brackets only
WRAPPED = 16  # letters of a cell of words, which may have several lines
KEYS = {"data", "dataset", "condition", "backbone", "variant", "method", "split", "seed", "n"}  # they name a line
BELONGS = ("difference", "interval")  # how a column's name begins that belongs to the one before it
Cells = list[list[str]]  # the first row is the header


def folded(text: str, inches: float, lines: int = 3) -> str:
    """Text in lines that are no longer than this, the middle of a longer text left out."""
    letters = max(6, int(inches / LETTER))
    if len(found := textwrap.wrap(text, letters)) > lines:
        half = (letters * lines - 1) // 2
        return _chopped(f"{text[:half]}…{text[-half:]}", letters)
    return "\n".join(found)


def _chopped(text: str, letters: int) -> str:
    return "\n".join(text[start:start + letters] for start in range(0, len(text), letters))


def folded_names(names: Sequence[str], inches: float, lines: int = 3) -> list[str]:
    """Names in lines; where cutting makes two alike, they are cut so that what differs is seen."""
    labels = [folded(name, inches, lines) for name in names]
    alike = [name for name, label in zip(names, labels, strict=True) if labels.count(label) > 1]
    if len(alike) < 2:
        return labels
    letters, start = max(6, int(inches / LETTER)), len(commonprefix(alike))
    cut = {name: f"{place}: …{name[max(start - letters, 0):]}"[:lines * letters - 1] + "…"
           for place, name in enumerate(names, 1) if name in alike}
    return [_chopped(cut[name], letters) if name in cut else label for name, label in zip(names, labels, strict=True)]


def columns_of(axes: "Axes") -> int:
    """How many panels share the width of the figure."""
    place = axes.get_subplotspec()
    return place.get_gridspec().ncols if place else 1


def fit_labels(figure: "Figure") -> None:
    """Fold the titles and labels of all panels into the room of their panel."""
    width, height = figure.get_size_inches()
    for axes in figure.axes:
        place = axes.get_subplotspec()
        if place is None:  # a colour scale
            continue
        grid = place.get_gridspec()
        across, along = 0.8 * width / grid.ncols, 0.9 * height / grid.nrows
        axes.set_title(folded(axes.get_title(), 0.9 * across))  # bold letters are wider
        axes.set_xlabel(folded(axes.get_xlabel(), across))
        axes.set_ylabel("\n".join(folded(line, along, 2) for line in axes.get_ylabel().split("\n")))


def split_columns(rows: Cells, most: int = LINE) -> list[Cells]:
    """One table as several that are no wider than this; the columns that name a line stand in each of them."""
    if not rows or not rows[0]:
        return [rows]
    header = rows[0]
    keys = next((i for i, name in enumerate(header) if name not in KEYS), len(header)) or 1
    groups: list[list[int]] = []
    for i in range(keys, len(header)):
        if groups and header[i].startswith(BELONGS):
            groups[-1].append(i)
        else:
            groups.append([i])
    room = most - sum(_width(rows, i) for i in range(keys))
    widths = [sum(_width(rows, i) for i in group) for group in groups]
    count = len(_packed(widths, room))
    even = next((less for less in range(1, room) if len(_packed(widths, less)) == count), room)
    parts = [[i for group in part for i in groups[group]] for part in _packed(widths, even)]
    return [[[row[i] for i in (*range(keys), *part)] for row in rows] for part in parts]


def _packed(widths: Sequence[int], room: int) -> list[list[int]]:
    """Places of widths, in lines of this room; what is wider has a line of its own."""
    lines: list[list[int]] = [[]]
    for i, width in enumerate(widths):
        if lines[-1] and sum(widths[j] for j in lines[-1]) + width > room:
            lines.append([])
        lines[-1].append(i)
    return lines


def is_number(cell: str) -> bool:
    """Whether a cell begins like a number and is no list, except in brackets, or stands for a missing one."""
    outside = re.sub(r"[\[(].*?[\])]", "", cell)
    return outside.strip() in ("", "-", "–") or (outside.lstrip("+-−±< ")[:1].isdigit() and ", " not in outside)


def bound(cell: str) -> str:
    """A number with its intervals, to be broken between them only; a short one nowhere."""
    if len(cell) <= FOLDED:
        return cell.replace(" ", "\xa0")
    return re.sub(r"\S+ ?[\[(][^\])]*[\])]|\S+ [±<]\S* \S+|p \S+", lambda part: part[0].replace(" ", "\xa0"), cell)


def numeric_columns(rows: Cells) -> list[bool]:
    """Which columns hold numbers only, and stand on the right."""
    header, *body = rows
    return [any(row[i] for row in body) and all(is_number(row[i]) for row in body) for i in range(len(header))]


def has_long_word(cell: str) -> bool:
    """Whether a cell of words has one that may be broken."""
    return any(len(word) > WRAPPED for word in cell.split())


def _width(rows: Sequence[Sequence[str]], i: int) -> int:
    """Letters of a column; words are wrapped, and so are numbers with intervals, but no single number."""
    header, *body = (row[i] for row in rows)
    longest = max(map(len, body), default=0)
    numeric = all(is_number(cell) for cell in body)
    most = max(FOLDED, *(len(piece) for cell in body for piece in bound(cell).split(" "))) if numeric else WRAPPED
    return GAP + max(min(longest, most), *(len(word) for word in header.split() or [""]))
