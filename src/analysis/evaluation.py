"""From checkpoints on disk to scores: every selected checkpoint of every run of a name."""

import torch

from src.analysis.measures import contribution_rows, missing_rows
from src.analysis.missing import removals
from src.analysis.trained import Trained, load_trained
from src.checkpoint import find_runs
from src.console import (
    Column,
    contribution_table,
    missing_table,
    prediction_rows,
    results_table,
    selection_columns,
)
from src.datasets.base import Dataset
from src.engine import scores, trivial_scores
from src.options import InferenceOptions
from src.selection import CHECKPOINTS, not_published
from src.structures import InputError
from src.tasks import make_task
from src.writing import write_csv


def evaluate_runs(options: InferenceOptions, device: torch.device) -> None:
    """Evaluate every run of the name, print a table per data file and task, and whatever else is asked for."""
    folders = find_runs(options, options.method, options.backbone)
    if options.predictions and len(folders) > 1:
        raise InputError(f"--predictions needs one run; {', '.join(f.name for f in folders)} were found, choose with "
                         "--method and --backbone")
    datasets: dict[str, Dataset] = {}
    tables: dict[str, list[Column]] = {}
    details = []
    for folder in folders:
        selections = {}
        for name in CHECKPOINTS if options.selection == "both" else (options.selection,):
            if options.selection == "both" and not (folder / f"{name}.pt").exists():
                continue  # an imported run has one of them
            key, trained = load_trained(folder / f"{name}.pt", options, device, datasets)
            results = {split: trained.removal(split, options.removed, options.fill)
                       for split in trained.dataset.test_splits}
            selections[name] = scores(trained.dataset, results)
            if strengths := not_published(trained.model):
                print(f"{folder.name} {CHECKPOINTS[name]} predicts by the strengths {strengths}")
            details += _details(options, trained, f"{folder.name} {CHECKPOINTS[name]}")
        tables.setdefault(key, []).extend(selection_columns(folder.name, selections))
        if options.predictions:
            write_csv(options.predictions, prediction_rows(datasets[key], results, trained.model.effects))
            print(f"predictions written to {options.predictions}")
    for key, columns in tables.items():
        _print_table(datasets[key], columns)
    for text in details:
        print(f"\n{text}")


def _details(options: InferenceOptions, trained: Trained, label: str) -> list[str]:
    """The tables of missing modalities and of contributions, for every test split with labels."""
    names = [name for name in trained.dataset.test_splits if trained.dataset.splits[name].labels is not None]
    if (options.missing or options.contributions) and not names:
        raise InputError("--missing and --contributions need labels, and the file has none; leave them out, or give "
                         "--predictions")
    details = []
    for name in names:
        passes = removals(trained, name, options.fill) if options.missing or options.contributions else {}
        if options.missing:
            rows = missing_rows(trained, name, options.fill, passes)
            details.append(f"{label}, {name}\n{missing_table(rows, options.fill)}")
        if options.contributions:
            rows = contribution_rows(trained, name, options.fill, passes)
            corner = f"contributions to {trained.task.exact}, fill {options.fill}"
            details.append(f"{label}, {name}\n{contribution_table(rows, corner)}")
    return details


def _print_table(dataset: Dataset, columns: list[Column]) -> None:
    """The results on one data file, beside the trivial predictor where there are training labels."""
    if not columns[0][1]:
        print("the file has no labels, so there is nothing to score; --predictions FILE writes what is predicted")
        return
    if "train" in dataset.splits and dataset.splits["train"].labels is not None:
        columns = [("trivial", trivial_scores(dataset)), *columns]
    print(results_table(columns, make_task(dataset.info.task)))
