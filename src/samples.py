"""What every path of a model says of every single sample after an epoch, so that a later question needs no training."""

import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from src.checkpoint import SAMPLES
from src.config import Config
from src.configured import method_class
from src.engine import EpochResult
from src.methods.base import Look
from src.runtime import atomic_file
from src.structures import MODALITIES, InputError
from src.tasks import Task

PATHS = ("logits", "backbone", *MODALITIES, "fused")  # kept as log-probabilities; other values stay as they are
LARGEST = 2**31  # bytes of a file


def samples_file(folder: Path, epoch: int) -> Path:
    """The file of one epoch in a run's folder."""
    return folder / SAMPLES / f"epoch_{epoch:05d}.npz"


def sample_files(folder: Path) -> dict[int, Path]:
    """Epoch -> its file in a run's folder, in the order of the epochs; other files there do not count."""
    found = {path.stem.removeprefix("epoch_"): path for path in (folder / SAMPLES).glob("epoch_*.npz")}
    return {int(epoch): found[epoch] for epoch in sorted(filter(str.isdecimal, found), key=int)}


def write_samples(folder: Path, epoch: int, results: Mapping[str, EpochResult], task: Task) -> None:
    """Keep the values (N, C) of every split: paths as log-probabilities, effects as they are; and the labels."""
    arrays = {}
    for split, result in results.items():
        for name, values in result.values.items():
            if values.ndim == 2 and values.size(1) == task.outputs and name != "hidden":
                kept = task.log_probabilities(values.float()) if name in PATHS else values
                arrays[f"{split}/{name}"] = kept.cpu().numpy()
        if result.labels is not None:
            arrays[f"{split}/labels"] = result.labels.cpu().numpy()
    path = samples_file(folder, epoch)
    path.parent.mkdir(exist_ok=True)
    with atomic_file(path) as file:
        np.savez(file, allow_pickle=False, **arrays)


def read_samples(path: Path) -> dict[str, Look]:
    """Split -> what `write_samples` kept of it; InputError where the file is missing or is none."""
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
        if size > LARGEST:
            raise ValueError(f"it holds {size:,} bytes, at most {LARGEST:,} are read")
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: torch.from_numpy(file[name]) for name in file.files}
        found: dict[str, dict[str, Tensor]] = {}
        for name, array in arrays.items():
            split, _, value = name.rpartition("/")
            found.setdefault(split, {})[value] = array
        return {split: Look(values, values.pop("labels")) for split, values in found.items() if "labels" in values}
    except (OSError, ValueError, KeyError, TypeError, EOFError, MemoryError, zipfile.BadZipFile, NotImplementedError,
            RuntimeError, zlib.error) as error:
        raise InputError(f"{path} cannot be used ({' '.join(str(error).split())}); train the run again with "
                         "--log_samples") from error


def has_samples(folder: Path, config: Config) -> bool:
    """Whether a finished run has kept the samples of every epoch that could be selected."""
    kept = list(sample_files(folder))
    if not config.training.patience:
        return len(kept) == config.training.num_epochs
    history = folder / "history.csv"
    last = history.read_text(encoding="utf-8").count("\n") - 1 if history.is_file() else 0
    method = method_class(config)
    return bool(kept) and kept == list(range(method.epochs_ahead(config.method) + 1, last + 1))
