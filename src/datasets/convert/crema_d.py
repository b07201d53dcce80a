"""From CREMA-D's table of human votes to a data file (Cao et al., IEEE Transactions on Affective Computing 2014)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from src.datasets.convert.clips import Clips, Found
from src.datasets.convert.tables import read_table
from src.registry import FORMATS
from src.structures import MODALITIES, InputError, option, quoted

VOTES = {"ANG": "A", "DIS": "D", "FEA": "F", "HAP": "H", "NEU": "N", "SAD": "S"}  # intended emotion -> its column
INTENSITIES = ("meanAngerResp", "meanDisgustResp", "meanFearResp", "meanHappyResp", "meanNeutralResp", "meanSadResp")
CONDITIONS = {"1": "audio", "2": "vision", "3": "both"}  # first digit of a row's number
TAKE = "take tabulatedVotes.csv of the repository CheyneyComputerScience/CREMA-D"
TEST, VALID = 20, 10  # actors, the last and the next to last ones, as the README of the votes has them


@FORMATS.register("crema_d")
@dataclass(frozen=True)
class CremaD:
    """tabulatedVotes.csv, the human votes of CREMA-D."""

    label: str = option("intended", "the emotion acted, or the majority of those who heard and saw",
                        ("intended", "heard"))

    def read(self, source: Path, task: str) -> Found:
        """Clips that were judged in all three conditions."""
        return _found(source, self.label)


def _found(source: Path, label: str) -> Found:
    """Splits, and notes on what was left out.

    text (N, 1, 12) is the sentence, one-hot; audio and vision (N, 1, 12) are the shares of the six votes and the mean
    intensities, 0 to 1, of those who only heard, or only saw; labels (N,) are the intended emotion, or with the label
    `heard` what most of those said who heard and saw. No actor stands in two splits. Raises InputError for another
    table.
    """
    rows = _rows(source)
    clips: dict[str, dict[str, np.ndarray]] = {}
    for number, row in rows:
        clips.setdefault(row["fileName"], {})[CONDITIONS[row[""][0]]] = _judged(row, number, source)
    whole = sorted(name for name, conditions in clips.items() if len(conditions) == len(CONDITIONS))
    notes = [f"{len(clips) - len(whole)} clips lack a condition and are left out"] if len(whole) < len(clips) else []
    kept = whole
    if label == "heard":
        kept = [name for name in whole if _majority(clips[name]["both"]) is not None]
        notes += [f"{len(whole) - len(kept)} clips have no single majority and are left out"]
    sentences = sorted({name.split("_")[1] for name in kept})
    actors = sorted({name.split("_")[0] for name in kept})
    if len(actors) <= TEST + VALID:
        raise InputError(f"{source} has clips of {len(actors)} actors, and test and valid alone need {TEST + VALID}; "
                         f"{TAKE}")
    folds = {"train": actors[:-TEST - VALID], "valid": actors[-TEST - VALID:-TEST], "test": actors[-TEST:]}
    splits = {}
    for split, members in folds.items():
        names = [name for name in kept if name.split("_")[0] in members]
        said = [sentences.index(name.split("_")[1]) for name in names]
        told = [_majority(clips[name]["both"]) if label == "heard" else list(VOTES).index(name.split("_")[2])
                for name in names]
        frames = {"text": np.eye(len(sentences), dtype=np.float32)[said],
                  **{name: np.stack([clips[clip][name] for clip in names]) for name in ("audio", "vision")}}
        splits[split] = Clips({name: _one(frames[name]) for name in MODALITIES}, np.array(told),
                              columns={"id": np.array(names, "S32")})
    return Found(splits, notes)


def _one(vectors: np.ndarray) -> Callable[[int], np.ndarray]:
    return lambda number: vectors[number][None]


def _rows(source: Path) -> Sequence[tuple[int, Mapping[str, str]]]:
    """Numbered rows of the table; InputError where it is missing or another one."""
    rows = read_table(source, {"", "fileName", *VOTES.values(), *INTENSITIES}, TAKE)
    for number, row in rows:
        parts = (row["fileName"] or "").split("_")
        if len(parts) != 4 or parts[2] not in VOTES or (row[""] or "")[:1] not in CONDITIONS:
            raise InputError(f"line {number} of {source} is about {quoted(row['fileName'])}, number {quoted(row[''])}; "
                             "expected actor_sentence_emotion_level and a number that begins with 1, 2 or 3")
    return rows


def _judged(row: Mapping[str, str], number: int, source: Path) -> np.ndarray:
    """Shares of the votes for the six emotions, then their mean intensities from 0 to 1. -> (12,)."""
    try:
        votes = np.array([float(row[column]) for column in VOTES.values()])
        intensities = np.array([float(row[column]) for column in INTENSITIES])
    except (TypeError, ValueError):
        votes = intensities = np.full(6, np.nan)
    if not (np.isfinite(votes).all() and np.isfinite(intensities).all() and (votes >= 0).all() and votes.sum() > 0):
        raise InputError(f"line {number} of {source} has votes or intensities that are no numbers, or no votes at all; "
                         "bring back the published file")
    return np.concatenate([votes / votes.sum(), np.maximum(intensities, 0) / 100]).astype(np.float32)


def _majority(judged: np.ndarray) -> int | None:
    """The emotion with the most votes, or None in a tie."""
    best = np.flatnonzero(judged[:6] == judged[:6].max())
    return int(best[0]) if len(best) == 1 else None
