"""A CSV of labels and three folders of .npy files: the form that is easiest to make."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from src.datasets.convert.clips import Found
from src.datasets.convert.npy import NpyFolders
from src.datasets.convert.tables import read_table
from src.registry import FORMATS
from src.structures import InputError, option, quoted

ADVICE = "expected a CSV with commas whose first line has id, split, and label or label_0, label_1, ..."
VALID = {"dev": "valid", "val": "valid"}  # what others call that split


@FORMATS.register("folder")
@dataclass(frozen=True)
class Folder(NpyFolders):
    """A CSV with the columns id, split, and label or label_0, label_1, ...; folders with one .npy per id."""

    class_names: tuple[str, ...] = option((), "where labels are words: those of class 0, 1, ... in this order")

    def read(self, source: Path, task: str) -> Found:
        """The clips of the table, in its order."""
        labels: dict[str, dict[str, float | list[float]]] = {}
        for number, row in read_table(source, ("id", "split"), ADVICE):
            clips = labels.setdefault(VALID.get(row["split"], row["split"] or ""), {})
            if any(row["id"] in others for others in labels.values()):
                raise InputError(f"line {number} of {source} has the identifier {quoted(row['id'])} a second time; "
                                 "expected each once, give every clip its own")
            clips[row["id"] or ""] = _label(row, number, source, self.class_names)
        return self.clips(source, labels)


def _label(row: dict[str, str], number: int, source: Path, words: Sequence[str]) -> float | list[float]:
    """The number, or numbers, of a row; one of some words is its place among them."""
    columns, values = ["label"] if "label" in row else _several(row, source), []
    for name in columns:
        try:
            values.append(float(words.index(row[name]) if row[name] in words else row[name]))
        except (TypeError, ValueError):
            values.append(math.nan)
        if not math.isfinite(values[-1]):
            allowed = (f"a number, or one of {', '.join(words)}" if words else
                       "a number; where labels are words, give those of class 0, 1, ... as --class_names")
            raise InputError(f"line {number} of {source} has the {name} {quoted(row[name])}; expected {allowed}")
    return values[0] if "label" in row else values


def _several(row: dict[str, str], source: Path) -> list[str]:
    """The columns label_0, label_1, ... in the order of their numbers, wherever in the table they stand."""
    found = sorted((name for name in row if name and name.startswith("label_")), key=lambda name: (len(name), name))
    absent = next((name for name in (f"label_{number}" for number in range(len(found))) if name not in found), None)
    if not found or absent:
        raise InputError(f"{source} has no column {quoted(absent or 'label')}; {ADVICE}")
    return found
