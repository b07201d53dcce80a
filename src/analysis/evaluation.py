"""From checkpoints on disk to scores: every selected checkpoint of every run of a name."""

from collections.abc import Mapping
from pathlib import Path

import torch

from src.analysis.audit import audit_rows
from src.analysis.measures import contribution_rows, missing_rows
from src.analysis.missing import removals
from src.analysis.remembering import branches_remembered
from src.analysis.trained import Trained, load_trained
from src.build import known, title
from src.checkpoint import find_runs
from src.console import RuleTables, measure_table, missing_table, prediction_rows
from src.datasets.base import Dataset
from src.engine import EpochResult, scores, trivial_scores
from src.options import InferenceOptions
from src.selection import CHECKPOINTS, not_published
from src.structures import InputError
from src.writing import write_csv


def evaluate_runs(options: InferenceOptions, device: torch.device) -> None:
    """Evaluate every run of the name, print a table per data file and task, and whatever else is asked for."""
    folders = find_runs(options, options.method, options.backbone)
    if options.predictions and len(folders) > 1:
        raise InputError(f"--predictions needs one run; {', '.join(f.name for f in folders)} were found, choose with "
                         "--method and --backbone")
    datasets: dict[str, Dataset] = {}
    tables: dict[str, RuleTables] = {}
    details = []
    for folder in folders:
        for name in _selections(options, folder):
            key, trained = load_trained(folder / f"{name}.pt", options, device, datasets)
            results = {split: trained.removal(split, options.removed, options.fill)
                       for split in trained.dataset.test_splits}
            scored = scores(trained.dataset, results)
            if scored:
                table = _table(tables, key, trained)
                table.add(name, title(trained.config), scored, known(trained.config, name))
            if strengths := not_published(trained.model):
                print(f"{folder.name} {CHECKPOINTS[name]} predicts by the strengths {strengths}")
            with branches_remembered(trained):
                details += _details(options, trained, results, f"{folder.name} {CHECKPOINTS[name]}")
        if options.predictions:
            write_csv(options.predictions, prediction_rows(datasets[key], results, trained.model.current_effects()))
            print(f"predictions written to {options.predictions}")
    if not tables:
        print("the file has no labels, so there is nothing to score; --predictions FILE writes what is predicted")
    for table in tables.values():
        print(table.whole())
    for text in details:
        print(f"\n{text}")


def _selections(options: InferenceOptions, folder: Path) -> list[str]:
    """The checkpoints of a run that are asked for; of all, those that are there: an imported run has one."""
    if options.selection != "both":
        return [options.selection]
    return [name for name in CHECKPOINTS if (folder / f"{name}.pt").exists()]


def _details(options: InferenceOptions, trained: Trained, results: Mapping[str, EpochResult],
             label: str) -> list[str]:
    """The tables of missing modalities, of contributions and of the audit, for every test split with labels."""
    names = [name for name in trained.dataset.test_splits if trained.dataset.splits[name].labels is not None]
    if (options.missing or options.contributions or options.audit) and not names:
        raise InputError("--missing, --contributions and --audit need labels, and the file has none; leave them out, "
                         "or give --predictions")
    details = []
    for name in names:
        passes = removals(trained, name, options.fill) if options.missing or options.contributions else {}
        if options.missing:
            rows = missing_rows(trained, name, options.fill, passes)
            details.append(f"{label}, {name}\n{missing_table(rows, options.fill)}")
        if options.contributions:
            rows = contribution_rows(trained, name, options.fill, passes)
            corner = f"contributions to {trained.task.exact}, fill {options.fill}"
            details.append(f"{label}, {name}\n{measure_table(rows, corner)}")
        if options.audit:
            rows = audit_rows(trained, name, results[name])
            details.append(f"{label}, {name}\n{measure_table(rows, 'audit')}")
    return details


def _table(tables: dict[str, RuleTables], key: str, trained: Trained) -> RuleTables:
    """The tables of a data file and task, with the trivial predictor where there are training labels."""
    if key not in tables:
        train = trained.dataset.splits.get("train")
        labelled = train is not None and train.labels is not None
        tables[key] = RuleTables(trained.task, trivial_scores(trained.dataset) if labelled else None)
    return tables[key]
