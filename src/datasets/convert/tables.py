"""Tables of labels, and which of their clips have all three modalities."""

import csv
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from src.structures import InputError, quoted, reason


def read_table(source: Path, needed: Collection[str], advice: str) -> list[tuple[int, dict[str, str]]]:
    """Rows of a CSV file with the numbers of their lines; InputError where it is missing, damaged or lacks a column."""
    try:
        with source.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            missing = sorted(set(needed) - set(reader.fieldnames or ()))
            if missing:
                raise InputError(f"{source} has no column {quoted(missing[0])}; {advice}")
            return [(reader.line_num, row) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{source} cannot be read as a CSV file ({reason(error)}); {advice}") from None


def complete(labels: Mapping[str, Mapping[str, Any]], has: Mapping[str, Collection[str]],
             skip: bool) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """The clips that have every modality, split -> identifier -> label, and a note on those that were left out.

    `has`: modality -> identifiers that it has features of. Raises InputError for clips that lack one, unless they are
    to be skipped.
    """
    every = [name for clips in labels.values() for name in clips]
    lacking = {modality: [name for name in every if name not in there] for modality, there in has.items()}
    told = [f"{modality} has no features of {len(clips)} of {len(every)} clips, the first is {quoted(clips[0])}"
            for modality, clips in lacking.items() if clips]
    if told and not skip:
        raise InputError(f"{'; '.join(told)}; extract them, or leave these clips out with --skip_missing")
    out = {name for clips in lacking.values() for name in clips}
    return ({split: {name: label for name, label in clips.items() if name not in out}
             for split, clips in labels.items()},
            [f"{len(out)} of {len(every)} clips are left out: {'; '.join(told)}"] if told else [])
