"""What an honest choice costs: published strengths, those of validation, and the oracle that looks at the test labels.

All are read off the record of every sample that `--log_samples` keeps, so nothing is trained for them.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from src.checkpoint import SAMPLES
from src.config import Config
from src.methods.base import Look, Method
from src.parts import named_class
from src.registry import METHODS
from src.samples import has_samples, read_samples
from src.selection import PUBLISHED, VALID, Strengths
from src.structures import InputError
from src.tasks import Task

ORACLE = "oracle"
CHOICES = (PUBLISHED, VALID, ORACLE)  # what may be chosen, from the least to the most
Record = Mapping[int, Mapping[str, Look]]  # epoch -> split -> what every path says of every sample


def read_record(folder: Path, config: Config) -> Record:
    """The samples of all epochs of a run; InputError where some were not kept."""
    if not has_samples(folder, config):
        raise InputError(f"{folder} has not the samples of all its epochs; train it again with --log_samples")
    return {int(path.stem.removeprefix("epoch_")): read_samples(path)
            for path in sorted((folder / SAMPLES).glob("epoch_*.npz"))}


def selected(record: Record, method: type[Method], strengths: Strengths, task: Task,
             split: str = "valid") -> tuple[int, dict[str, float]]:
    """The first epoch with the best score on a split, and the strengths that it was reached with."""
    chosen = {epoch: strengths.chosen(method, looks[split].values, looks[split].labels, task)
              for epoch, looks in record.items()}
    scores = {epoch: task.score(method.combined(looks[split].values, chosen[epoch]), looks[split].labels)
              for epoch, looks in record.items()}
    best = max(scores, key=scores.__getitem__)
    return best, chosen[best]


def choice_rows(folder: Path, config: Config, task: Task) -> Iterator[dict[str, Any]]:
    """The main score of every test split by each choice.

    Published: the epoch of the best validation score with published strengths. Valid: epoch and strengths of the best
    validation score. Oracle: epoch and strengths of the best score on that same test split, which nobody can attain.
    """
    record = read_record(folder, config)
    method: type[Method] = named_class(METHODS, config.run.method)
    start = {name: one.published for name, one in method.strengths(config.method).items()}
    grids = {name: one.grid for name, one in method.strengths(config.method).items()}
    few, many = Strengths(start, {}), Strengths(start, grids)
    found = {PUBLISHED: selected(record, method, few, task), VALID: selected(record, method, many, task)}
    for split in (name for name in next(iter(record.values())) if name.startswith("test")):
        for choice, (epoch, strength) in (found | {ORACLE: selected(record, method, many, task, split)}).items():
            look = record[epoch][split]
            right = task.correct(method.combined(look.values, strength), look.labels)
            yield {"predictor": "prediction", "split": split, "analysis": "choice", "setting": choice,
                   "measure": task.exact, "value": right.double().mean().item()}
