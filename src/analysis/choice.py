"""What an honest choice costs: published strengths, those of validation, and the oracle that looks at the test labels.

All are read off the record of every sample that `--log_samples` keeps, so nothing is trained for them.
"""

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from src.analysis.statistics import CORRECT, packed
from src.checkpoint import SAMPLES
from src.config import Config
from src.configured import method_class
from src.methods.base import Look, Method
from src.samples import has_samples, read_samples, sample_files
from src.selection import SHIFTED, Latest, unbiased_order
from src.strengths import BY_VALIDATION, PUBLISHED, VALID, Losses, Regrets, Strengths, strengths
from src.structures import InputError
from src.tasks import Task

ORACLE = "oracle"
CHOICES = (PUBLISHED, *BY_VALIDATION, ORACLE)  # what may be chosen; the last by nobody
DECLARED = "declared"
KNOWN = (10, 25, 50, 100, 200, 400)  # unbiased validation samples that a choice may see
Record = Mapping[int, Mapping[str, Look]]  # epoch -> split -> what every path says of every sample
Choices = Mapping[str, Mapping[str, tuple[int, dict[str, float]]]]  # test split -> setting -> epoch and strengths


def read_record(folder: Path, config: Config) -> Record:
    """The samples of all epochs of a run; InputError where some were not kept, or where they are of several forms."""
    if not has_samples(folder, config):
        raise InputError(f"{folder} has not the samples of all its epochs; train it again with --log_samples")
    found = {epoch: read_samples(path) for epoch, path in sample_files(folder).items()}
    first, *others = ({split: (look.labels.shape, {name: values.shape for name, values in look.values.items()})
                       for split, look in looks.items()} for looks in found.values())
    if "valid" not in first or any(form != first for form in others):
        raise _unfit(folder)
    return found


def _unfit(folder: Path) -> InputError:
    return InputError(f"what {folder / SAMPLES} holds is not what every epoch of this run writes; train it again with "
                      "--log_samples")


def selected(record: Record, method: type[Method], among: Strengths, task: Task,
             split: str = "valid") -> tuple[int, dict[str, float]]:
    """The first epoch with the best score on a split, and the strengths chosen there; on test, the best of all."""
    choosing = not split.startswith("test")
    judge = task.score if choosing else task.share
    own = {epoch: looks[split] for epoch, looks in record.items()}
    chosen = {epoch: among.by(split, method, look, task, among.regrets(method, look, task)) if choosing else
              among.chosen(method, look.values, look.labels, _wrong(task), 0.0) for epoch, look in own.items()}
    scores = {epoch: judge(method.combined(look.values, chosen[epoch]), look.labels) for epoch, look in own.items()}
    best = max(scores, key=scores.__getitem__)
    return best, chosen[best]


def _wrong(task: Task) -> Losses:
    """1 where a sample is decided wrongly, 0 elsewhere."""
    return lambda logits, labels: (~task.correct(logits, labels)).double()


def _choices(record: Record, method: type[Method], config: Config, task: Task) -> Choices:
    """Published: the epoch of the best validation score with published strengths. Valid, and cautious where there are
    classes: the strengths that validation chooses in each epoch by that rule, but for those that `--unwanted` declares,
    and the epoch whose score with them is best there. Oracle: epoch and strengths of the best score on that same test
    split, which nobody can attain.
    """
    own = method.strengths(config.method)
    few = Strengths({name: one.published for name, one in own.items()}, {})
    rules = BY_VALIDATION if task.has_classes else (VALID,)
    many = Strengths(few.start, {name: one.grid for name, one in own.items()})
    found = {PUBLISHED: selected(record, method, few, task)}
    found |= {rule: selected(record, method, strengths(method, config.method, rule, config.choice.unwanted), task)
              for rule in rules}
    return {split: found | {ORACLE: selected(record, method, many, task, split)} for split in _tests(record)}


def _known(record: Record, method: type[Method], config: Config, task: Task) -> Choices:
    """A number up to `--unbiased`: so many unbiased validation samples choose; 0: validation as train chooses.

    Both cautiously, where the run does. Declared: the last epoch, where validation as train chooses the strengths that
    do not follow from `--unwanted`.
    """
    rule = config.choice.strength if config.choice.strength in BY_VALIDATION else VALID
    free, declared = (strengths(method, config.method, rule, names) for names in ((), config.choice.unwanted))
    found = {"0": selected(record, method, free, task)}
    regrets = {epoch: free.regrets(method, looks["valid"], task) for epoch, looks in record.items()}
    order = unbiased_order(len(next(iter(record.values()))[SHIFTED].labels))
    for count in (count for count in KNOWN if count <= min(config.choice.unbiased, len(order))):
        granted = {epoch: _taken(looks[SHIFTED], order[:count]) for epoch, looks in record.items()}
        found[str(count)] = _granted(granted, method, free, task, regrets)
    if config.choice.unwanted:
        last = max(record)
        valid = record[last]["valid"]
        found[DECLARED] = last, declared.by("valid", method, valid, task, declared.regrets(method, valid, task))
    return dict.fromkeys(_tests(record), found)


def _granted(record: Mapping[int, Look], method: type[Method], among: Strengths, task: Task,
             regrets: Mapping[int, Regrets]) -> tuple[int, dict[str, float]]:
    """The last epoch that unbiased samples do not show to be worse than one before, and its averaged strengths."""
    found, latest = {}, Latest([])
    for epoch, look in sorted(record.items()):
        strength = among.by(SHIFTED, method, look, task, regrets[epoch])
        if latest.takes(task.misfit(method.combined(look.values, strength), look.labels)):
            found[epoch] = strength
    return max(found), found[max(found)]


def _tests(record: Record) -> list[str]:
    return [name for name in next(iter(record.values())) if name.startswith("test")]


def _taken(look: Look, places: Tensor) -> Look:
    return Look({name: values[places] for name, values in look.values.items()}, look.labels[places])


CHOSEN = {"choice": _choices, "knowledge": _known}


def choice_rows(folder: Path, config: Config, task: Task, analysis: str = "choice") -> Iterator[dict[str, Any]]:
    """The main score of every test split by each choice of epoch and strengths, and which samples are right.

    analysis: `choice`, by whose labels it is made, or `knowledge`, by how many unbiased samples. Raises InputError
    where the samples were not kept or are damaged.
    """
    method = method_class(config)
    record = read_record(folder, config)
    try:
        for split, settings in CHOSEN[analysis](record, method, config, task).items():
            for setting, (epoch, strength) in settings.items():
                look = record[epoch][split]
                right = task.correct(method.combined(look.values, strength), look.labels)
                row = {"predictor": "prediction", "split": split, "analysis": analysis, "setting": setting}
                yield row | {"measure": task.exact, "value": right.double().mean().item()}
                yield row | {"measure": CORRECT, "value": math.nan, "bits": packed(right.tolist())}
    except (KeyError, IndexError, RuntimeError, ValueError) as error:
        raise _unfit(folder) from error
