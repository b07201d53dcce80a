"""Utterance features in conversations, as DialogueRNN, MMGCN and M3Net publish them for IEMOCAP and MELD.

A row of dictionaries, dialogue -> one entry per utterance: identifiers, speakers, labels, text, in files of 12 and 13
entries three further text features, audio, vision, sentences; then the dialogues of train and of test, and in MELD's
files of 10 and 13 entries sentiment, beside the emotions.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from src.datasets.convert.clips import Clips, Found, as_labels
from src.datasets.convert.drawing import Drawn
from src.datasets.safe_pickle import read_pickle
from src.registry import FORMATS
from src.structures import MODALITIES, InputError, quoted

BOTH = (10, 13)  # entries of a file with emotions and sentiment
FURTHER = {9: 0, 10: 0, 12: 3, 13: 3}  # entries of a file -> how many further text features it has
SENTIMENTS = "classes:3"  # the task whose labels are MELD's sentiment, neutral, positive, negative
ROW = "identifiers, speakers, labels, text, audio, vision, sentences, train, test"


@FORMATS.register("dialogue")
@dataclass(frozen=True)
class Dialogue(Drawn):
    """IEMOCAP_features.pkl, MELD_features_raw1.pkl and the like; every utterance is a clip of one frame."""

    def read(self, source: Path, task: str) -> Found:
        """The utterances as dialogue_number; a share of the training dialogues becomes valid."""
        row = read_pickle(source, mapped=True)
        if not isinstance(row, (list, tuple)) or len(row) not in FURTHER:
            what = f"{len(row)} entries" if isinstance(row, (list, tuple)) else quoted(row)
            raise InputError(f"{source} holds {what}; expected a row of 9, 10, 12 or 13 entries: {ROW}")
        more = FURTHER[len(row)]
        tables = {"labels": row[2], "text": row[3], "audio": row[4 + more], "vision": row[5 + more]}
        others = {"raw_text": row[6 + more]}
        if len(row) in BOTH:
            others |= {"emotion_labels": row[2], "sentiment_labels": row[-1]}
            tables["labels"] = row[-1] if task == SENTIMENTS else row[2]
        for name, table in tables.items():
            if not isinstance(table, dict):
                raise InputError(f"{source} has {quoted(table)} where {name} of the dialogues belong; expected {ROW}")
        train, valid = self.parted(_dialogues(row[7 + more], "train", tables, source))
        splits = {"train": train, "valid": valid, "test": _dialogues(row[8 + more], "test", tables, source)}
        others = {name: table for name, table in others.items()
                  if all(_has_all(table, dialogues, tables) for dialogues in splits.values())}
        return Found({name: _clips(dialogues, tables, others, source) for name, dialogues in splits.items()},
                     [f"{len(valid)} dialogues of train, drawn by the seed {self.seed}, are valid"])


def _dialogues(found: Any, split: str, tables: Mapping[str, dict], source: Path) -> list[Any]:
    """The dialogues of a split, sorted, since a set has no order; InputError where modalities do not fit."""
    if not isinstance(found, (list, tuple, set, frozenset)) or not all(type(key) in (str, int) for key in found):
        raise InputError(f"{source} has {quoted(found)} where the dialogues of {split} belong; expected {ROW}")
    for key in found:
        counts = {name: len(table[key]) if isinstance(table.get(key), (list, tuple, np.ndarray)) else None
                  for name, table in tables.items()}
        if None in counts.values() or len(set(counts.values())) > 1:
            told = ", ".join(f"{name} {'none' if count is None else count}" for name, count in counts.items())
            raise InputError(f"{source}: the dialogue {quoted(key)} has utterances of {told}; expected as many of "
                             "each")
    return sorted(found, key=lambda key: (str(type(key)), key))


def _clips(dialogues: Sequence[Any], tables: Mapping[str, dict], others: Mapping[str, Any], source: Path) -> Clips:
    """The utterances of some dialogues, with what else there is of each of them."""
    places = [(key, number) for key in dialogues for number in range(len(tables["labels"][key]))]
    columns: dict[str, Any] = {name: [table[key][number] for key, number in places]
                               for name, table in others.items()}
    columns |= {name: as_labels(column, source) for name, column in columns.items() if name != "raw_text"}
    return Clips({name: _frame(tables[name], places) for name in MODALITIES},
                 as_labels([tables["labels"][key][number] for key, number in places], source),
                 [f"{key}_{number}" for key, number in places], columns)


def _frame(table: Mapping[Any, Any], places: Sequence[tuple[Any, int]]) -> Callable[[int], np.ndarray]:
    """Number of a clip -> its one frame."""
    return lambda i: np.atleast_2d(np.asarray(table[places[i][0]][places[i][1]]))


def _has_all(table: Any, dialogues: Sequence[Any], tables: Mapping[str, dict]) -> bool:
    """Whether a table has something for every utterance, such as its words."""
    return isinstance(table, dict) and all(isinstance(table.get(key), (list, tuple, np.ndarray))
                                           and len(table[key]) == len(tables["labels"][key]) for key in dialogues)
