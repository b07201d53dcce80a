"""From checkpoints on disk to scores: every selected checkpoint of every run of a name."""

from dataclasses import replace
from pathlib import Path

import torch

from src.analysis.report import Column, prediction_rows, results_table, selection_columns
from src.build import build_data, build_model
from src.checkpoint import find_runs, load_checkpoint, load_weights, write_csv
from src.config import Config, config_from
from src.datasets.base import Dataset
from src.engine import EpochResult, evaluate, scores, trivial_scores
from src.options import SELECTIONS, InferenceOptions
from src.structures import DataInfo, InputError
from src.tasks import make_task


def evaluate_runs(options: InferenceOptions, device: torch.device) -> None:
    """Evaluate every run of the name, print a table per data file and task, and write predictions if asked for."""
    folders = find_runs(options, options.method, options.backbone)
    if options.predictions and len(folders) > 1:
        raise InputError(f"--predictions needs one run; {', '.join(f.name for f in folders)} were found, choose with "
                         "--method and --backbone")
    datasets: dict[str, Dataset] = {}
    tables: dict[str, list[Column]] = {}
    for folder in folders:
        selections = {}
        for name in SELECTIONS if options.selection == "both" else (options.selection,):
            if options.selection == "both" and not (folder / f"{name}.pt").exists():
                continue  # an imported run has one of the two
            key, results = _evaluate(options, folder / f"{name}.pt", device, datasets)
            selections[name] = scores(datasets[key], results)
        tables.setdefault(key, []).extend(selection_columns(folder.name, selections))
        if options.predictions:
            write_csv(options.predictions, prediction_rows(datasets[key], results))
            print(f"predictions written to {options.predictions}")
    for key, columns in tables.items():
        _print_table(datasets[key], columns)


def _print_table(dataset: Dataset, columns: list[Column]) -> None:
    """The results on one data file, beside the trivial predictor where there are training labels."""
    if not columns[0][1]:
        print("the file has no labels, so there is nothing to score; --predictions FILE writes what is predicted")
        return
    if "train" in dataset.splits and dataset.splits["train"].labels is not None:
        columns = [("trivial", trivial_scores(dataset)), *columns]
    print(results_table(columns, make_task(dataset.info.task)))


def _evaluate(options: InferenceOptions, path: Path, device: torch.device,
              datasets: dict[str, Dataset]) -> tuple[str, dict[str, EpochResult]]:
    """Rebuild one checkpoint's model and pass over the test splits; returns the key of its data in `datasets`."""
    saved = load_checkpoint(path, device)
    config = _overridden(config_from(saved["config"]), options)
    key = repr((config.data, config.dataset))
    if key not in datasets:
        datasets[key] = build_data(config, options.data_file)
        for text in datasets[key].notes:
            print(f"note: {text}")
    dataset = datasets[key]
    _check_fit(path, saved["info"], dataset.info, same_file=options.data_file is None)
    model = build_model(config, dataset.info, pretrained=False).to(device)
    load_weights(model, saved["model"], path)
    return key, evaluate(config, dataset, model, device, options.removed)


def _overridden(config: Config, options: InferenceOptions) -> Config:
    """The configuration of the training, with what the command line changes for this evaluation."""
    data = replace(config.data, data_device=options.data_device, data_path=options.data_path or config.data.data_path)
    size = options.batch_size or config.training.batch_size
    run = replace(config.run, dataset=options.dataset)  # an own file may have moved
    return replace(config, run=run, data=data, training=replace(config.training, batch_size=size))


def _check_fit(path: Path, trained: DataInfo, found: DataInfo, same_file: bool) -> None:
    """Raise InputError where the data is not what the checkpoint was trained on."""
    for what in ("task", "widths"):
        if getattr(trained, what) != getattr(found, what):
            raise InputError(f"{path} was trained on data with {what} {getattr(trained, what)}, this file has "
                             f"{getattr(found, what)}; use features of the same kind")
    if same_file and trained.sha256 and trained.sha256 != found.sha256:
        raise InputError(f"{path} was trained on a file with sha256 {trained.sha256[:12]}, this one has "
                         f"{found.sha256[:12]}; bring the old file back, or name this one with --data_file")
