"""From a pickle in MulT's layout to tensors: specification, reading, splits."""

import functools
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from src.datasets.checks import REQUIRED, inspect, kind
from src.datasets.disk import Empty
from src.datasets.identifiers import identifiers
from src.datasets.labels import TASK_NAMES, Finding, label_form
from src.datasets.safe_pickle import read_pickle
from src.registry import DATASETS
from src.structures import MODALITIES, DataInfo, InputError, Labelled, UsageError, printable, quoted

LIGHT = {f"{name}_branch": "light" for name in MODALITIES}  # for presets of files that need no large branches
MOST_SPLITS = 100  # each is a column of every table
LONGEST_NAME = 100  # characters of the name of a split


@dataclass(frozen=True)
class NoOptions:
    """A part without options, such as a dataset that is only read."""


@dataclass(frozen=True)
class DatasetSpec:
    """What the code knows about a dataset besides its file."""

    name: str
    task: str  # name of the default task, see src/tasks
    source: str  # where the file comes from
    expected: Mapping[bool, str] = field(default_factory=dict)  # aligned -> shape of the known download
    preset: Mapping[str, Any] = field(default_factory=dict)  # defaults of flags for this dataset
    Options: type = NoOptions
    generate: Callable[[Any], dict] | None = None  # options -> content of the file where it is missing
    stem: Callable[[Any], str] | None = None  # options -> beginning of the file name, if not the name
    file: Path | None = None  # a user's own file
    class_names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # task -> names of its classes
    labels: Mapping[str, str] = field(default_factory=dict)  # task -> key of its labels in the file, if not labels
    group: str | None = None  # its first bracket is the video or speaker in an identifier; else the usual ones


@dataclass
class Split(Labelled):
    """The samples of one split."""

    inputs: dict[str, Tensor]  # modality -> (N, T, D) float32
    labels: Tensor | None  # as in the file, float32
    ids: list[str]
    _elsewhere: dict[torch.device, "Split"] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __len__(self) -> int:
        return len(self.inputs["text"])

    def on(self, storage: torch.device) -> "Split":
        """The split with its tensors there, moved once however many runs ask for it."""
        if self.inputs["text"].device == storage:
            return self
        if storage not in self._elsewhere:
            self._elsewhere[storage] = Split({name: x.to(storage) for name, x in self.inputs.items()},
                                             None if self.labels is None else self.labels.to(storage), self.ids)
        return self._elsewhere[storage]

    def taken(self, indices: Tensor) -> "Split":
        """Some of the samples, in the order of their indices (n,)."""
        return Split({name: x[indices] for name, x in self.inputs.items()},
                     None if self.labels is None else self.labels[indices], [self.ids[i] for i in indices.tolist()])

    @property
    def frames(self) -> int:
        """Frames of one sample, of all modalities together."""
        return sum(x.size(1) for x in self.inputs.values())

    @property
    def nbytes(self) -> int:
        """Bytes of the inputs."""
        return sum(x.nbytes for x in self.inputs.values())


@dataclass
class Dataset:
    """All splits of a file and what was measured on it."""

    splits: dict[str, Split]
    info: DataInfo
    findings: list[Finding]

    @property
    def notes(self) -> list[str]:
        """What a user should know about the file."""
        return [finding.text for finding in self.findings if finding.level in ("NOTE", "WARN")]

    @property
    def test_splits(self) -> list[str]:
        """`test` and every further split whose name begins so; in a file without one, all splits."""
        return [name for name in self.splits if name.startswith("test")] or list(self.splits)


def dataset_spec(name: str) -> DatasetSpec:
    """A registered dataset, or a user's own file given by a path that ends in .pkl."""
    if name.endswith(".pkl"):
        path = Path(name)
        return DatasetSpec(path.stem, task="", source="", file=path)
    if name not in DATASETS and Path(name).is_file():
        raise UsageError(f"the file {quoted(name)} does not end in .pkl; an own file is a pickled dictionary of arrays "
                         "(docs/data.md): read this one with what wrote it, and pickle that")
    if name not in DATASETS:
        raise UsageError(f"unknown dataset {quoted(name)}; choose from {', '.join(DATASETS)}, or give your own file as "
                         "path/to/file.pkl with --task")
    return DATASETS[name]


def data_file(folder: Path, spec: DatasetSpec, aligned: bool, options: Any = None) -> Path:
    """The file of a dataset: <dataset>_data.pkl, unaligned <dataset>_data_noalign.pkl, or a user's own."""
    if spec.file:
        return spec.file
    stem = spec.stem(options) if spec.stem else spec.name
    return folder / f"{stem}_data{'' if aligned else '_noalign'}.pkl"


def load(path: Path, spec: DatasetSpec, task: str, outputs: int, required: tuple[str, ...] = REQUIRED,
         padding: str = "auto", class_names: tuple[str, ...] = ()) -> Dataset:
    """Read, check and clean a data file; raises InputError with the first finding that forbids its use."""
    dataset = from_arrays(open_file(path, spec, task), path, spec.name, task, outputs, required, padding, class_names)
    return replace(dataset, info=replace(dataset.info, sha256=file_hash(path)))


def from_arrays(raw: dict, source: Path | str, name: str, task: str, outputs: int, required: tuple[str, ...] = REQUIRED,
                padding: str = "auto", class_names: tuple[str, ...] = ()) -> Dataset:
    """The data set in the raw content of a file; raises InputError, which names `source`, as `load` does."""
    findings = checked(raw, source, task, required, padding)
    splits = {}
    for split in list(raw):
        splits[split] = _split(raw.pop(split), task)  # popped, so that only one copy of the file stays in memory
    first = next(iter(splits.values()))
    info = DataInfo(name, task, outputs, {m: first.inputs[m].size(2) for m in MODALITIES},
                    {m: first.inputs[m].size(1) for m in MODALITIES}, class_names=class_names)
    return Dataset(splits, info, findings)


def checked(raw: dict, source: Path | str, task: str, required: tuple[str, ...] = REQUIRED,
            padding: str = "auto", empty: Empty = np.empty) -> list[Finding]:
    """What `inspect` finds, its content cleaned in place; raises InputError with the first that forbids its use."""
    findings = []
    for finding in inspect(raw, task, required, padding, empty):
        if finding.level == "FAIL":
            raise InputError(f"{source}: {finding.text}")
        findings.append(finding)
    return findings


def chosen_task(dataset: str, task: str) -> str:
    """The task that was asked for, or the dataset's own; UsageError where a user's own file leaves it open."""
    chosen = task or dataset_spec(dataset).task
    if not chosen:
        raise UsageError(f"--dataset {dataset} is a file of your own, so --task has to say what its labels are; choose "
                         f"from {TASK_NAMES}")
    return chosen


def open_file(path: Path, spec: DatasetSpec, task: str, mapped: bool = False) -> dict:
    """The raw content of a data file; raises InputError where it is missing or not a dictionary of splits.

    Labels that stand under other names, as in MMSA's layout or in a data set with several kinds of them, are put into
    place for the task. `mapped`: as in `read_pickle`.
    """
    if not path.is_file():
        known = (f": {spec.name} is expected there under that name; {spec.source}; --data_path names the folder, "
                 "docs/data.md tells more") if spec.source else "; check the path"
        raise InputError(f"no data file at {path.absolute()}{known}")
    raw = _with_split(read_pickle(path, mapped))
    problem = _layout_problem(raw)
    if problem:
        raise InputError(f"{path} is not a dictionary of splits: {problem}; expected {{'train' | 'valid' | 'test': "
                         "{'text', 'audio', 'vision', 'labels'}}, see docs/data.md")
    # Names of splits head columns and figures, so they are made printable.
    keys = (spec.labels.get(task, "labels"), "labels", mmsa_labels(task))
    return {printable(name): _named_labels(split, keys) for name, split in raw.items()}


def mmsa_labels(task: str) -> str:
    """Under which name MMSA's files have the labels of a task."""
    return "classification_labels" if task.startswith(("classes:", "labels:")) else "regression_labels"


def _named_labels(split: dict, keys: Sequence[str]) -> dict:
    """A split with its labels, under the first of some names, in their place; truth values count as 0 and 1."""
    labels = next((split[key] for key in keys if key in split), None)
    if isinstance(labels, np.ndarray) and labels.dtype == bool:
        labels = labels.astype(np.uint8)
    return split if labels is None else {**split, "labels": labels}


def _with_split(raw: Any) -> Any:
    """A bare split, or a bare sample of (frames, features), becomes the test split; anything else stays."""
    if not isinstance(raw, dict) or not all(isinstance(raw.get(name), np.ndarray) for name in MODALITIES):
        return raw
    if all(raw[name].ndim == 2 for name in MODALITIES):
        raw = {key: value[np.newaxis] if isinstance(value, np.ndarray) else [value] for key, value in raw.items()}
    return {"test": raw}


def _layout_problem(raw: Any) -> str | None:
    """What makes a file's content something else than splits, or None."""
    if not isinstance(raw, dict):
        return f"it holds {kind(raw)}"
    if not raw:
        return "it is empty"
    if len(raw) > MOST_SPLITS:
        return f"it has {len(raw)} entries, and a file has at most {MOST_SPLITS} splits"
    for name, split in raw.items():
        if not isinstance(name, str):
            return f"its key {quoted(name)} is {kind(name)}, where the name of a split, which is text, belongs"
        if not isinstance(split, dict):
            return f"{quoted(name)} is {kind(split)} beside the splits, remove it"
        if len(name) > LONGEST_NAME:
            return f"{quoted(name)} has {len(name)} characters, and the name of a split has at most {LONGEST_NAME}"
    if len(set(map(printable, raw))) < len(raw):
        return "two names of splits cannot be told apart once their control characters are written as escapes"
    return None


def file_hash(path: Path) -> str:
    """sha256 of a file, computed once as long as it stays as it is."""
    state = path.stat()
    return _hash(path, state.st_size, state.st_mtime_ns, state.st_ino)


@functools.lru_cache(maxsize=64)
def _hash(path: Path, *state: int) -> str:
    hasher = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(2**20):
            hasher.update(piece)
    return hasher.hexdigest()


def _split(raw: dict, task: str) -> Split:
    """Tensors of a checked split."""
    labels = raw.get("labels")
    if labels is not None:  # a copy, since what was read from the file cannot be written to
        labels = torch.from_numpy(label_form(task).clean(np.array(labels, dtype=np.float32)))
    # Of the same kind: an array as the file has it may be read-only, and lie where its type may not begin.
    inputs = {m: torch.from_numpy(np.require(raw[m], np.float32, ["C", "A", "W"])) for m in MODALITIES}
    return Split(inputs, labels, identifiers(raw))
