"""From a pickle in MulT's layout to tensors: specification, checks, cleaning, splits."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from src.datasets.labels import Finding, label_form
from src.datasets.safe_pickle import read_pickle
from src.registry import DATASETS
from src.structures import MODALITIES, DataInfo, InputError, UsageError

REQUIRED = ("train", "valid", "test")
EXTREME = 100  # times the first split's largest magnitude


@dataclass(frozen=True)
class NoOptions:
    """A dataset that is only read has no options."""


@dataclass(frozen=True)
class DatasetSpec:
    """What the code knows about a dataset besides its file."""

    name: str
    task: str  # name of the default task, see src/tasks.py
    source: str  # where the file comes from
    expected: Mapping[bool, str] = field(default_factory=dict)  # aligned -> shape of the known download
    preset: Mapping[str, Any] = field(default_factory=dict)  # defaults of flags for this dataset
    Options: type = NoOptions
    generate: Callable[[Any], dict] | None = None  # options -> content of the file where it is missing
    stem: Callable[[Any], str] | None = None  # options -> beginning of the file name, if not the name
    file: Path | None = None  # a user's own file


@dataclass
class Split:
    """The samples of one split."""

    inputs: dict[str, Tensor]  # modality -> (N, T, D) float32
    labels: Tensor | None  # as in the file, float32
    ids: list[str]

    def __len__(self) -> int:
        return len(self.inputs["text"])

    @property
    def nbytes(self) -> int:
        """Bytes of the inputs."""
        return sum(x.nbytes for x in self.inputs.values())

    def without(self, removed: frozenset[str]) -> "Split":
        """This split with the named modalities replaced by zeros, the published form of a missing modality."""
        inputs = {name: torch.zeros_like(x) if name in removed else x for name, x in self.inputs.items()}
        return Split(inputs, self.labels, self.ids)


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
    if name not in DATASETS:
        raise UsageError(f"unknown dataset {name!r}; choose from {', '.join(DATASETS)}, or give your own file as "
                         "path/to/file.pkl with --task")
    return DATASETS[name]


def data_file(folder: Path, spec: DatasetSpec, aligned: bool, options: Any = None) -> Path:
    """The file of a dataset: <dataset>_data.pkl, unaligned <dataset>_data_noalign.pkl, or a user's own."""
    if spec.file:
        return spec.file
    stem = spec.stem(options) if spec.stem else spec.name
    return folder / f"{stem}_data{'' if aligned else '_noalign'}.pkl"


def load(path: Path, spec: DatasetSpec, task: str, outputs: int, required: tuple[str, ...] = REQUIRED) -> Dataset:
    """Read, check and clean a data file; raises InputError with the first finding that forbids its use."""
    raw = open_file(path, spec, task)
    findings = []
    for finding in inspect(raw, task, required):
        if finding.level == "FAIL":
            raise InputError(f"{path}: {finding.text}")
        findings.append(finding)
    splits = {}
    for name in list(raw):
        splits[name] = _split(raw.pop(name))  # popped, so that only one copy of the file stays in memory
    first = next(iter(splits.values()))
    info = DataInfo(spec.name, task, outputs, {m: first.inputs[m].size(2) for m in MODALITIES},
                    {m: first.inputs[m].size(1) for m in MODALITIES}, file_hash(path))
    return Dataset(splits, info, findings)


def open_file(path: Path, spec: DatasetSpec, task: str) -> dict:
    """The raw content of a data file; raises InputError where it is missing or not a dictionary of splits.

    In MMSA's layout the labels stand under other names, which are put into place for the task.
    """
    if not path.is_file():
        known = (f": {spec.name} is expected there under that name; {spec.source}; --data_path names the folder, "
                 "data/README.md tells more") if spec.source else "; check the path"
        raise InputError(f"no data file at {path.absolute()}{known}")
    raw = read_pickle(path)
    if not isinstance(raw, dict) or not raw or not all(
            isinstance(name, str) and isinstance(split, dict) for name, split in raw.items()):
        raise InputError(f"{path} is not a dictionary of splits; expected {{'train' | 'valid' | 'test': "
                         "{'text', 'audio', 'vision', 'labels'}}}, see data/README.md")
    mmsa = "classification_labels" if task.startswith("classes:") else "regression_labels"
    return {name: split if "labels" in split or mmsa not in split else {**split, "labels": split[mmsa]}
            for name, split in raw.items()}


def inspect(raw: dict, task: str, required: tuple[str, ...] = REQUIRED) -> Iterator[Finding]:
    """Check a file's content item by item and clean its features in place; ends after a FAIL on its structure."""
    structure = list(_check_structure(raw, required))
    yield from structure
    if any(finding.level == "FAIL" for finding in structure):
        return
    largest: dict[str, float] = {}
    for name, split in raw.items():
        yield from _clean(name, split)
        yield from _check_range(name, split, largest)
        yield from _check_padding(name, split)
        if split.get("labels") is not None:
            for finding in label_form(task).check(split["labels"]):
                yield Finding(finding.level, f"{name} {finding.item}", f"{name} {finding.text}")
    yield _check_overlap(raw)


def file_hash(path: Path) -> str:
    """sha256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() if hasattr(hashlib, "file_digest") \
            else hashlib.sha256(file.read()).hexdigest()


def _check_structure(raw: dict, required: tuple[str, ...]) -> Iterator[Finding]:
    """Splits, keys, ranks, counts, and equal widths and lengths in all splits."""
    missing = [name for name in required if name not in raw]
    if missing:
        yield Finding("FAIL", "splits", f"split {missing[0]!r} is missing; found {', '.join(map(str, raw))}, "
                                        f"expected {', '.join(required)}")
        return
    yield Finding("PASS", "splits", ", ".join(raw))
    shapes: dict[str, tuple[int, ...]] = {}
    for name, split in raw.items():
        needed = (*MODALITIES, "labels") if name in required else MODALITIES
        problem = _split_problem(name, split, needed, shapes)
        if problem:
            yield Finding("FAIL", f"{name} arrays", problem)
            return
        counts = len(split["text"])
        sizes = ", ".join(f"{m} {split[m].shape[1]}x{split[m].shape[2]}" for m in MODALITIES)
        yield Finding("PASS", f"{name} arrays", f"{counts} samples, {sizes}, {split['text'].dtype}")


def _split_problem(name: str, split: dict, needed: tuple[str, ...], shapes: dict[str, tuple[int, ...]]) -> str | None:
    """What is wrong with a split's arrays, in one sentence, or None; the first split fills `shapes`."""
    missing = [key for key in needed if split.get(key) is None]
    if missing:
        return f"split {name!r} has no {missing[0]!r}; found {', '.join(map(str, split))}, expected {', '.join(needed)}"
    for key in (key for key in (*MODALITIES, "labels") if split.get(key) is not None):
        array = split[key]
        if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiu" or array.ndim == 0:
            return f"{key} of {name!r} is {_kind(array)}; expected an array of real numbers"
        if key in MODALITIES and (array.ndim != 3 or 0 in array.shape[1:]):
            return f"{key} of {name!r} has the shape {array.shape}; expected (samples, frames, features)"
        if len(array) != len(split["text"]):
            return f"{key} of {name!r} has {len(array)} samples, text has {len(split['text'])}; expected equal counts"
        if key in MODALITIES and shapes.setdefault(key, array.shape[1:]) != array.shape[1:]:
            return (f"{key} of {name!r} has frames x features {array.shape[1:]}, an earlier split "
                    f"{shapes[key]}; expected the same in all splits")
    if not len(split["text"]):
        return f"split {name!r} is empty; expected at least one sample"
    ids = split.get("id")
    if ids is not None and (not isinstance(ids, (list, tuple, np.ndarray)) or np.ndim(ids) == 0
                            or len(ids) != len(split["text"])):
        return f"id of {name!r} is {_kind(ids)}; expected one for each of {len(split['text'])} samples, or none"
    return None


def _kind(value: Any) -> str:
    return f"an array of {value.dtype}" if isinstance(value, np.ndarray) else f"a {type(value).__name__}"


def _clean(name: str, split: dict) -> Iterator[Finding]:
    """Cast the features to float32 and set non-finite values to 0, counting them."""
    for modality in MODALITIES:
        with np.errstate(over="ignore", invalid="ignore"):
            values = split[modality].astype(np.float32)  # float64 beyond float32's range becomes infinite
        finite = np.isfinite(values)
        split[modality], count = values, int(values.size - np.count_nonzero(finite))
        if count:
            values[~finite] = 0
            yield Finding("NOTE", f"{name} finite {modality}",
                          f"{count} of {values.size} values of {name} {modality} were -inf, inf or NaN and became 0")
        else:
            yield Finding("PASS", f"{name} finite {modality}", "all values are finite")


def _check_range(name: str, split: dict, largest: dict[str, float]) -> Iterator[Finding]:
    """Values far beyond those of the first split, which fills `largest`, are a failed extraction."""
    for modality in MODALITIES:
        magnitude = float(np.abs(split[modality]).max())
        known = largest.setdefault(modality, magnitude)
        if magnitude > EXTREME * known > 0:
            yield Finding("NOTE", f"{name} range {modality}",
                          f"{name} {modality} reaches {magnitude:.3g}, {magnitude / known:.0f} times the largest value "
                          "of the first split; the samples that hold it cannot be predicted well")


def _check_padding(name: str, split: dict) -> Iterator[Finding]:
    """MulT reads the last frame, so padding belongs at the front."""
    for modality in MODALITIES:
        first, last = ((split[modality][:, end] == 0).all(-1) for end in (0, -1))
        front, back = int((first & ~last).sum()), int((last & ~first).sum())
        text = (f"{name} {modality}: {back} of {len(last)} samples end in zero frames and {front} begin with them")
        if back > front:
            yield Finding("WARN", f"{name} padding {modality}",
                          text + "; MulT reads the last frame, move the padding to the front")
        else:
            yield Finding("NOTE" if back else "PASS", f"{name} padding {modality}", text)


def _check_overlap(raw: dict) -> Finding:
    """Samples whose three modalities are the same in two splits."""
    seen: dict[bytes, str] = {}
    shared: dict[tuple[str, str], int] = {}
    for name, split in raw.items():
        for sample in zip(*(split[m] for m in MODALITIES), strict=True):
            digest = hashlib.blake2b(b"".join(x.tobytes() for x in sample), digest_size=16).digest()
            owner = seen.setdefault(digest, name)
            if owner != name:
                shared[owner, name] = shared.get((owner, name), 0) + 1
    if not shared:
        return Finding("PASS", "overlap", "no sample stands in two splits")
    pairs = ", ".join(f"{count} of {a} also in {b}" for (a, b), count in shared.items())
    return Finding("WARN", "overlap", f"identical samples across splits: {pairs}; scores on them are optimistic")


def _split(raw: dict) -> Split:
    """Tensors of a checked split."""
    labels = raw.get("labels")
    ids = raw.get("id")
    return Split(
        inputs={m: torch.from_numpy(np.ascontiguousarray(raw[m])) for m in MODALITIES},
        labels=None if labels is None else torch.from_numpy(np.asarray(labels, dtype=np.float32)),
        ids=[str(row) for row in range(len(raw["text"]))] if ids is None else [_id(row) for row in ids])


def _id(row: Any) -> str:
    """One identifier from a string, bytes, or a row of them (MOSI keeps video, start, end)."""
    if isinstance(row, bytes):
        return row.decode("utf-8", "replace")
    if isinstance(row, (list, tuple, np.ndarray)) and np.ndim(row):
        return " ".join(filter(None, map(_id, row)))
    return str(row)
