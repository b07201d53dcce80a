"""A checkpoint brought back to life: its model beside the data that it was trained on."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from src.build import build_data, build_model, check_size, empty_model
from src.checkpoint import load_checkpoint, load_weights
from src.config import Config, config_from
from src.configured import task_name
from src.datasets.absence import everywhere, stand_ins, without
from src.datasets.base import Dataset, Split
from src.engine import EpochResult, predict
from src.methods.base import Method
from src.options import InferenceOptions
from src.structures import DataInfo, InputError, UsageError, quoted
from src.tasks import Task, task_of


@dataclass
class Trained:
    """What every analysis starts from."""

    config: Config
    dataset: Dataset
    model: Method
    device: torch.device
    same_data: bool = True  # as that of the training, and not another file that `--data_file` names

    @property
    def task(self) -> Task:
        """What the model's logits mean."""
        return task_of(self.dataset.info)

    def predict(self, split: Split, title: str) -> EpochResult:
        """One pass over a split, whole or with something missing."""
        return predict(self.config, self.model, self.device, split, title)

    def removal(self, name: str, removed: Collection[str], fill: str, seed: int = 0) -> EpochResult:
        """One pass over a split of the data from which modalities are missing everywhere."""
        split = self.dataset.splits[name]
        if removed:
            split = without(split, everywhere(split, removed), stand_ins(self.dataset, split, fill, seed))
        return self.predict(split, f"{name} without {', '.join(removed)}" if removed else name)


def load_trained(path: Path, options: InferenceOptions, device: torch.device,
                 datasets: dict[str, Dataset]) -> tuple[str, Trained]:
    """Rebuild a checkpoint's model; its data is read unless `datasets` has it. -> key in `datasets`, model and data.

    Raises InputError where the checkpoint is missing or damaged, or where the data is not what it was trained on.
    """
    saved = load_checkpoint(path, device)
    config = _overridden(config_from(saved["config"], (options.backbone, options.method)), options)
    if options.task and options.task != task_name(config):
        raise UsageError(f"{path} was trained for the task {task_name(config)}, not {quoted(options.task)}; leave out "
                         "--task, or evaluate a run of that task")
    key = repr((config.data, config.dataset))
    if key not in datasets:
        datasets[key] = build_data(config, options.data_file)
        for text in datasets[key].notes:
            print(f"note: {text}")
    dataset = datasets[key]
    _check_fit(path, saved["info"], dataset.info, same_file=options.data_file is None)
    model = rebuilt(config, dataset.info, saved, path, device)
    return key, Trained(config, dataset, model, device, options.data_file is None
                        or saved["info"].sha256 == dataset.info.sha256)


def rebuilt(config: Config, found: DataInfo, saved: Mapping[str, Any], path: Path, device: torch.device) -> Method:
    """A checkpoint's model, made for data that may have other lengths; InputError where it cannot take them."""
    _check_size(config, found, saved, path)
    model = build_model(config, found, pretrained=False).to(device)
    load_weights(model, saved["model"], path)
    return model


def _check_size(config: Config, found: DataInfo, saved: Mapping[str, Any], path: Path) -> None:
    """As `check_size`, but other lengths of the data, where a model cannot take them, are named as the reason."""
    try:
        check_size(config, found, saved["model"], path)
    except InputError as error:
        lengths = saved["info"].lengths
        if lengths == found.lengths:
            raise
        empty_model(config, found)  # raises, too, where no weights are at fault but sequences shorter than a kernel
        raise InputError(f"{path} was trained on sequences of the lengths {_words(lengths)}, this file has "
                         f"{_words(found.lengths)}, and the {config.run.backbone} model is made for fixed lengths; cut "
                         "the sequences, or pad them with zero frames at the front, to those lengths") from error


def _words(lengths: dict[str, int]) -> str:
    return ", ".join(f"{name} {length}" for name, length in lengths.items())


def _overridden(config: Config, options: InferenceOptions) -> Config:
    """The configuration of the training, with what the command line changes for this evaluation."""
    data = replace(config.data, data_device=options.data_device, data_path=options.data_path or config.data.data_path,
                   padding=options.padding or config.data.padding)
    size = options.batch_size or config.training.evaluation_batch_size
    run = replace(config.run, dataset=options.dataset)  # an own file may have moved
    return replace(config, run=run, data=data, training=replace(config.training, evaluation_batch_size=size))


def _check_fit(path: Path, trained: DataInfo, found: DataInfo, same_file: bool) -> None:
    """Raise InputError where the data is not what the checkpoint was trained on."""
    for what in ("task", "widths"):
        if getattr(trained, what) != getattr(found, what):
            raise InputError(f"{path} was trained on data with {what} {getattr(trained, what)}, this file has "
                             f"{getattr(found, what)}; use features of the same kind")
    if same_file and trained.sha256 and trained.sha256 != found.sha256:
        raise InputError(f"{path} was trained on a file with sha256 {trained.sha256[:12]}, this one has "
                         f"{found.sha256[:12]}; bring the old file back, or name this one with --data_file")
