"""A CSV of labels and three folders of .npy files: the form that is easiest to make."""

import math
from dataclasses import dataclass
from pathlib import Path

from src.datasets.convert.clips import Found
from src.datasets.convert.npy import NpyFolders
from src.datasets.convert.tables import read_table
from src.registry import FORMATS
from src.structures import InputError, quoted

ADVICE = "expected id, split, and label or label_0, label_1, ..."


@FORMATS.register("folder")
@dataclass(frozen=True)
class Folder(NpyFolders):
    """A CSV with the columns id, split, and label or label_0, label_1, ...; folders with one .npy per id."""

    def read(self, source: Path, task: str) -> Found:
        """The clips of the table, in its order."""
        labels: dict[str, dict[str, float | list[float]]] = {}
        for number, row in read_table(source, ("id", "split"), ADVICE):
            clips = labels.setdefault(row["split"] or "", {})
            if any(row["id"] in others for others in labels.values()):
                raise InputError(f"line {number} of {source} has the identifier {quoted(row['id'])} a second time; "
                                 "expected each once, give every clip its own")
            clips[row["id"] or ""] = _label(row, number, source)
        return self.clips(source, labels)


def _label(row: dict[str, str], number: int, source: Path) -> float | list[float]:
    """The number, or numbers, of a row."""
    columns, values = ["label"] if "label" in row else _several(row, source), []
    for name in columns:
        try:
            values.append(float(row[name]))
        except (TypeError, ValueError):
            values.append(math.nan)
        if not math.isfinite(values[-1]):
            raise InputError(f"line {number} of {source} has the {name} {quoted(row[name])}; expected a number")
    return values[0] if "label" in row else values


def _several(row: dict[str, str], source: Path) -> list[str]:
    """The columns label_0, label_1, ... in the order of their numbers, wherever in the table they stand."""
    found = sorted((name for name in row if name and name.startswith("label_")), key=lambda name: (len(name), name))
    absent = next((name for name in (f"label_{number}" for number in range(len(found))) if name not in found), None)
    if not found or absent:
        raise InputError(f"{source} has no column {quoted(absent or 'label')}; {ADVICE}")
    return found
