"""Text, YAML, JSON, CSV and pickles on disk: written whole or not at all, and read back with what was undefined."""

import csv
import io
import json
import math
import pickle
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from src.runtime import atomic_file
from src.structures import InputError, printable

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\uff1d", "\uff0b", "\uff0d", "\uff20")  # what a spreadsheet computes
BLANKS = " \n\0\ufeff"  # what some spreadsheets skip in front of it


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    with atomic_file(path) as file:
        file.write(content)


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all; half characters, as in names that are not UTF-8, become escapes."""
    write_bytes(path, text.encode("utf-8", "backslashreplace"))


def write_yaml(path: Path, content: Mapping[str, Any], remark: str = "") -> None:
    """Write a mapping as YAML, readable by --config, below a remark of one line."""
    head = f"# {printable(remark)}\n" if remark else ""
    write_text(path, head + yaml.safe_dump(dict(content), sort_keys=False))


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write JSON; what is not finite, which JSON lacks, becomes null."""
    write_text(path, json.dumps(without_nan(content), indent=2) + "\n")


def write_pickle(path: Path, content: Any, protocol: int = 4) -> None:
    """Write plain data as a pickle; protocol 5 writes arrays from where they lie, without a copy of them in memory."""
    with atomic_file(path) as file:
        pickle.dump(content, file, protocol=protocol)


def check_free(path: Path, flag: str, overwrite: bool) -> None:
    """Raise InputError where a file or folder stands that a command would replace, unless it is to be overwritten."""
    if path.exists() and not overwrite:
        raise InputError(f"{path} exists and is kept; choose another {flag}, or give --overwrite to replace it")


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON file; InputError where it is missing or damaged."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path} cannot be read ({' '.join(str(error).split())}); train the run again") from error


def write_csv(path: Path, rows: list[dict[str, Any]]) -> None:
    """Write rows with the columns of the first, in a form that is text and numbers to every program."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, rows[0].keys())
    writer.writerow({name: _csv_cell(name) for name in rows[0]})
    writer.writerows({name: _csv_cell(value) for name, value in row.items()} for row in rows)
    write_text(path, text.getvalue())


def _csv_cell(value: Any) -> Any:
    """A cell of a CSV file: empty for a number that is none; text never begins like a formula of a spreadsheet."""
    if isinstance(value, float):
        return value if math.isfinite(value) else ""
    plain = not isinstance(value, (str, Path)) or _is_number(str(value))
    return value if plain or not str(value).lstrip(BLANKS).startswith(FORMULA) else f"'{value}"


def _is_number(text: str) -> bool:
    """Whether a cell is a number in words that `_csv_cell` leaves alone, such as a negative score."""
    return re.fullmatch(r"[-+]?\d+(\.\d+)?(e[-+]?\d+)?", text, re.ASCII) is not None


def number(value: float | str | None) -> float:
    """A number as `write_json` or `write_csv` left it: what was undefined is NaN again."""
    return math.nan if value is None or value == "" else float(value)


def without_nan(value: Any) -> Any:
    """Nested data as JSON can hold it."""
    if isinstance(value, Mapping):
        return {key: without_nan(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [without_nan(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
