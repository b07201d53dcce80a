"""MERBench's layout (MER2023 and others): label*.npz, and three folders with one .npy per utterance.

The archive holds dictionaries X_corpus, utterance -> {"emo": class or its name, "val": valence or ""}, for X of train,
val, test, test1, test2, test3; IEMOCAP's two files hold one whole_corpus, which its users split by session.
"""

import re
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np

from src.datasets.checks import names
from src.datasets.convert.clips import Found
from src.datasets.convert.drawing import FOLDS, SHARE, Drawn, folded, read_folds
from src.datasets.convert.npy import NpyFolders
from src.datasets.identifiers import check_group, groups
from src.datasets.safe_pickle import parsed
from src.registry import FORMATS
from src.structures import InputError, UsageError, option, quoted, reason

CORPUS = "_corpus.npy"
MOST = 2**30  # bytes of a dictionary of labels
UNKNOWN = -10  # a valence that MERBench writes where there is none
SESSION = r"^(Ses\d+)"  # IEMOCAP's, each of two speakers of its own
FEWEST = 3  # groups, one for each split
TAKE = "take the label*.npz that MERBench's preprocessing writes"


@FORMATS.register("merbench")
@dataclass(frozen=True)
class MERBench(Drawn, NpyFolders):
    """A label*.npz of MERBench; folders with one .npy per utterance. Without val a share of train becomes valid."""

    label: str = option("emo", "what an utterance is judged by", ("emo", "val"))
    classes: tuple[str, ...] = option(("neutral", "angry", "happy", "sad", "worried", "surprise"),
                                      "names of the emotions in the order of their numbers")
    folds: Path | None = option(None, f"JSON of groups by split for a whole_corpus, such as sessions: {FOLDS}")
    test: float = option(0.2, "share of the groups of a whole_corpus that becomes test where there are no folds",
                         bounds=SHARE)
    group: str = option("", "regular expression whose first bracket is the group of an utterance of a whole_corpus "
                            "(default: the session of IEMOCAP, else the video or dialogue)")

    def __post_init__(self) -> None:
        if self.group:
            check_group(self.group)

    def read(self, source: Path, task: str) -> Found:
        """The utterances that have the label; where there are test1, test2, ... only, the first becomes test."""
        found = {"valid" if name == "val" else name: {utterance: self._label(label, utterance, source)
                                                      for utterance, label in corpus.items()}
                 for name, corpus in _corpora(source).items()}
        told: list[str] = []
        if list(found) == ["whole"]:
            found, told = self._split(found["whole"], source)
        elif self.folds or self.group:
            raise UsageError(f"{source} has splits of its own, {names(found)}; leave --folds and --group out")
        labels, notes = _judged(found)
        notes = [*told, *notes]
        if "test" not in labels and "test1" in labels:
            labels = {"test" if name == "test1" else name: corpus for name, corpus in labels.items()}
            notes.append("test1 is called test, as every file needs one")
        if "valid" not in labels and labels.get("train"):
            train, valid = self.parted(list(labels["train"]))
            every = labels.pop("train")
            labels = {"train": {name: every[name] for name in train}, "valid": {name: every[name] for name in valid},
                      **labels}
            notes.append(f"{len(valid)} utterances of train, drawn by the seed {self.seed}, are valid")
        return self.clips(source, labels, notes)

    def _split(self, corpus: dict[str, Any], source: Path) -> tuple[dict[str, dict[str, Any]], list[str]]:
        """The utterances of one corpus by split, so that no group stands in two, and notes on how."""
        ids = list(corpus)
        sessions = not self.group and all(re.match(SESSION, name) for name in ids)
        found = groups(ids, SESSION if sessions else self.group or None) or []
        owners = {name: name if group is None else group for name, group in zip(ids, found, strict=False)}
        known = sorted(set(owners.values()))
        if not FEWEST <= len(known) < len(ids):
            raise InputError(f"{source} has one whole_corpus without splits, and identifiers such as "
                             f"{quoted(next(iter(ids), ''))} tell {len(known)} groups of {len(ids)} utterances; name "
                             "the session or dialogue by --group, or write a table for --from folder with the splits")
        if self.folds:
            folds, told = read_folds(self.folds), []
        else:
            rest, test = self.parted(known, "test")
            train, valid = self.parted(rest)
            folds = {"train": train, "valid": valid, "test": test}
            told = [f"one whole_corpus of {len(known)} groups; by the seed {self.seed}, valid are {names(valid)}, test "
                    f"are {names(test)}; --folds chooses others"]
        splits, notes = folded(owners, folds)
        return {split: {name: corpus[name] for name in chosen} for split, chosen in splits.items()}, [*told, *notes]

    def _label(self, label: Any, utterance: Any, source: Path) -> float | None:
        """The number of a label, or None where there is none."""
        value = label.get(self.label) if isinstance(label, dict) and isinstance(utterance, str) else label
        if isinstance(value, np.generic):
            value = value.item()
        if self.label == "emo" and type(value) is str and value in self.classes:
            return self.classes.index(value)
        if self.label == "val" and (value is None or type(value) in (str, int, float) and (
                value in ("", UNKNOWN) or value != value)):
            return None
        if type(value) not in (int, float):
            raise InputError(f"{source}: {self.label} of {quoted(utterance)} is {quoted(value)}; expected a number" + (
                f", or one of {', '.join(self.classes)}; --classes names others" if self.label == "emo" else ""))
        return value


def _judged(labels: dict[str, dict[str, Any]]) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """Splits and utterances that have labels, and notes on the others."""
    kept = {name: {key: value for key, value in corpus.items() if value is not None}
            for name, corpus in labels.items()}
    notes = [f"{len(labels[name]) - len(corpus)} of {len(labels[name])} utterances of {name} have no label and are "
             "left out" for name, corpus in kept.items() if len(corpus) < len(labels[name])]
    return {name: corpus for name, corpus in kept.items() if corpus}, notes


def _corpora(source: Path) -> dict[str, dict[str, Any]]:
    """The dictionaries of the archive, read without executing anything."""
    try:
        with zipfile.ZipFile(source) as archive:
            entries = [entry for entry in archive.infolist() if entry.filename.endswith(CORPUS)]
            found = {}
            for entry in entries:
                with archive.open(entry) as file:
                    found[entry.filename.removesuffix(CORPUS)] = _dictionary(cast(BinaryIO, file), source, entry)
    except InputError:
        raise
    except Exception as error:  # the libraries raise nearly anything on a damaged archive
        raise InputError(f"{source} cannot be read as an archive of numpy ({reason(error)}); {TAKE}") from error
    if not found:
        raise InputError(f"{source} has no train{CORPUS.removesuffix('.npy')}; {TAKE}")
    return found


def _dictionary(file: BinaryIO, source: Path, entry: zipfile.ZipInfo) -> dict[str, Any]:
    """The dictionary that numpy wraps in an array of one object, which is a pickle behind a header."""
    read_header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    header = read_header[np.lib.format.read_magic(file)](file)
    if header[0] != () or not header[2].hasobject:
        raise ValueError(f"{quoted(entry.filename)} is no dictionary")
    data = file.read(MOST + 1)
    if len(data) > MOST:
        raise ValueError(f"{quoted(entry.filename)} is larger than {MOST} bytes")
    content = parsed(data, f"{source}, {entry.filename}")
    if not (isinstance(content, list) and len(content) == 1 and isinstance(content[0], dict)):
        raise ValueError(f"{quoted(entry.filename)} is no dictionary")
    return content[0]
