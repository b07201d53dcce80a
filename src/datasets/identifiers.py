"""Identifiers of samples: whatever a file has for them becomes bounded text, without trusting its form."""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from src.structures import UsageError, quoted

SHORTEST, LONGEST = 200, 4096  # characters at which an identifier is cut off: less where there are many
ALL = 2**26  # characters of all identifiers of a split; a file may name one long text again and again
PARTS = 16  # of an identifier that is a row: MOSI's are video, start and end
SCALARS = (str, bytes, int, float, bool, type(None))
# What stands before the number of an utterance: video$_$3, video[3], video_3, Ses01F_impro01_F003.
GROUP = r"^(.+?)(?:\$_\$|\[|_[A-Z]?)\d+\]?$"


def ids_problem(name: str, split: dict) -> str | None:
    """What is wrong with the identifiers of a split, in one sentence, or None."""
    ids, count = split.get("id"), len(split["text"])
    if ids is None:
        return None
    what = f"an array of {ids.dtype}" if isinstance(ids, np.ndarray) else f"a {type(ids).__name__}"
    expected = f"expected one for each of {count} samples, or none"
    if not isinstance(ids, (list, tuple, np.ndarray)) or isinstance(ids, np.ndarray) and not ids.ndim:
        return f"id of {quoted(name)} is {what}; {expected}"
    if len(ids) != count:
        return f"id of {quoted(name)} is {what} of {len(ids)}; {expected}"
    if isinstance(ids, np.ndarray):
        return None if ids.size <= PARTS * count else f"id of {quoted(name)} has the shape {ids.shape}; {expected}"
    wrong = next((row for row in ids if not _is_id(row)), None)
    return None if wrong is None else f"id of {quoted(name)} holds {_kind(wrong)}; {expected}, as text or numbers"


def _is_id(row: Any) -> bool:
    """Whether a row is text or a number, or a short list of these."""
    if isinstance(row, np.ndarray):
        return row.size <= PARTS
    if type(row) in (list, tuple):
        return len(row) <= PARTS and all(type(part) in SCALARS or isinstance(part, np.generic) for part in row)
    return type(row) in SCALARS or isinstance(row, np.generic)


def _kind(row: Any) -> str:
    return f"a {type(row).__name__} of {len(row)}" if hasattr(row, "__len__") else f"a {type(row).__name__}"


def identifiers(split: dict) -> list[str]:
    """The identifiers of a checked split, or the numbers of its samples."""
    ids, count = split.get("id"), len(split["text"])
    limit = min(LONGEST, max(SHORTEST, ALL // count))
    return list(map(str, range(count))) if ids is None else [_text(row, limit) for row in ids]


def _text(row: Any, limit: int) -> str:
    """One identifier of at most `limit` characters; the parts of a row with spaces between, without empty ones."""
    if isinstance(row, bytes):
        return row[:limit].decode("utf-8", "replace")
    if isinstance(row, np.ndarray):
        row = row.ravel().tolist()
    if isinstance(row, (list, tuple)):
        return " ".join(filter(None, (_text(part, limit) for part in row)))[:limit]
    if type(row) is int:  # Python writes no numbers of thousands of digits
        return quoted(row)
    return str(row)[:limit]


def check_group(pattern: str) -> None:
    """Raise UsageError where --group is no regular expression with a bracket."""
    try:
        brackets = re.compile(pattern).groups
    except re.error as error:
        raise UsageError(f"--group is no regular expression ({error})") from None
    if not brackets:
        raise UsageError("--group needs a bracket around what names the video or speaker, such as '^(.+)_'")


def groups(ids: Sequence[str], pattern: str | None = None) -> list[str | None] | None:
    """The group, such as a video or speaker, that a pattern's first bracket finds in each identifier.

    Without a pattern the usual forms count: None for an identifier of another form, and for all where most are.
    Raises UsageError where a pattern does not find one in every identifier.
    """
    matches = [re.match(GROUP if pattern is None else pattern, name) for name in ids]
    found = [match and match.group(1) for match in matches]
    alone = [name for name, group in zip(ids, found, strict=True) if group is None]
    if pattern is not None and alone:
        raise UsageError(f"--group finds no video or speaker in {quoted(alone[0])}, nor in {len(alone) - 1} other "
                         f"identifiers of {len(ids)}; every one needs one")
    return None if 2 * len(alone) > len(ids) else found
