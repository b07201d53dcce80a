"""MERBench's layout (MER2023 and others): label*.npz, and three folders with one .npy per utterance.

The archive holds dictionaries X_corpus, utterance -> {"emo": class or its name, "val": valence or ""}, for X of train,
val, test, test1, test2, test3.
"""

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np

from src.datasets.convert.clips import Found
from src.datasets.convert.drawing import Drawn
from src.datasets.convert.npy import NpyFolders
from src.datasets.safe_pickle import parsed
from src.registry import FORMATS
from src.structures import InputError, option, quoted, reason

CORPUS = "_corpus.npy"
MOST = 2**30  # bytes of a dictionary of labels
UNKNOWN = -10  # a valence that MERBench writes where there is none
TAKE = "take the label*.npz that MERBench's preprocessing writes"


@FORMATS.register("merbench")
@dataclass(frozen=True)
class MERBench(Drawn, NpyFolders):
    """A label*.npz of MERBench; folders with one .npy per utterance. Without val a share of train becomes valid."""

    label: str = option("emo", "what an utterance is judged by", ("emo", "val"))
    classes: tuple[str, ...] = option(("neutral", "angry", "happy", "sad", "worried", "surprise"),
                                      "names of the emotions in the order of their numbers")

    def read(self, source: Path, task: str) -> Found:
        """The utterances that have the label; where there are test1, test2, ... only, the first becomes test."""
        corpora = _corpora(source)
        if "whole" in corpora:
            raise InputError(f"{source} has one whole_corpus without splits; write a table for --from folder that says "
                             "which session belongs to which split")
        labels, notes = _judged({
            "valid" if name == "val" else name: {utterance: self._label(label, utterance, source)
                                                 for utterance, label in corpus.items()}
            for name, corpus in corpora.items()})
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
