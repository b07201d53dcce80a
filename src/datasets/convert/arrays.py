"""Files that hold whole arrays already, one per split and modality: MMSA's and MulT's."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from src.datasets.base import DatasetSpec, open_file
from src.datasets.checks import per_sample, split_problem
from src.datasets.identifiers import ids_problem
from src.datasets.padding import padding_behind
from src.structures import MODALITIES, InputError

NEEDED = (*MODALITIES, "labels")


def read_arrays(source: Path, task: str) -> dict[str, dict[str, Any]]:
    """The splits of a pickle, or of a file of joblib, whose arrays stay on the disk until they are looked at."""
    return open_file(source, DatasetSpec(source.name, task="", source=""), task, mapped=True)


def array_frames(raw: dict[str, dict[str, Any]], source: Path) -> dict[str, dict[str, Callable[[int], np.ndarray]]]:
    """split -> modality -> number of a clip -> its frames without padding behind; InputError for others."""
    shapes: dict[str, tuple[int, ...]] = {}
    for name, split in raw.items():
        problem = split_problem(name, split, NEEDED, shapes) or ids_problem(name, split)
        if problem:
            raise InputError(f"{source}: {problem}")
    behind = {modality: padding_behind(raw, modality) for modality in MODALITIES}
    return {name: {modality: _frames(split, modality, behind[modality][name]) for modality in MODALITIES}
            for name, split in raw.items()}


def _frames(split: Mapping[str, Any], modality: str, behind: np.ndarray) -> Callable[[int], np.ndarray]:
    array = split[modality]
    return lambda number: array[number, :array.shape[1] - behind[number]]


def kept(split: Mapping[str, Any], keys: tuple[str, ...]) -> dict[str, Any]:
    """Those of the columns that a split has for each of its clips."""
    return {key: split[key] for key in keys if per_sample(split, key)}
