"""From checkpoints on disk to scores: every selected checkpoint of every run of a name."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from src.analysis.audit import audit_rows
from src.analysis.measures import Measured, contribution_rows, missing_rows
from src.analysis.missing import removals
from src.analysis.remembering import branches_remembered
from src.analysis.trained import Trained, load_trained
from src.checkpoint import find_runs, selected
from src.configured import known, title
from src.console import RuleTables, measure_table, missing_table, prediction_rows
from src.datasets.base import Dataset
from src.engine import EpochResult, Scores, scores, trivial_scores
from src.options import InferenceOptions
from src.parts import OwnCode
from src.selection import CHECKPOINTS
from src.strengths import not_published
from src.structures import InputError
from src.tasks import Task
from src.writing import write_csv


@dataclass(frozen=True)
class Evaluation:
    """One selected checkpoint of a run, evaluated on every test split."""

    folder: Path
    checkpoint: str
    key: str  # of its data and task
    trained: Trained
    results: dict[str, EpochResult]
    scores: Scores  # of the splits with labels

    @property
    def trivial(self) -> Scores | None:
        """Scores of the predictor that looks at no input, where there are training labels."""
        train = self.trained.dataset.splits.get("train")
        return None if train is None or train.labels is None else trivial_scores(self.trained.dataset)

    @property
    def title(self) -> str:
        """What tables call the run."""
        return title(self.trained.config)

    @property
    def known(self) -> str:
        """What the choice of the checkpoint knew of a shift."""
        return known(self.trained.config, self.checkpoint)


def evaluations(folders: Sequence[Path], options: InferenceOptions, device: torch.device) -> Iterator[Evaluation]:
    """Evaluate the checkpoints of some runs that are asked for, and write their predictions where these are.

    Those of several that ask for code of the user's own, which the command line does not name, are left out.
    """
    if options.predictions and len(folders) > 1:
        raise InputError(f"--predictions needs one run; {', '.join(f.name for f in folders)} were found, choose with "
                         "--method and --backbone")
    datasets: dict[str, Dataset] = {}
    left: dict[str, OwnCode] = {}
    for folder in folders:
        for name in _selections(options, folder):
            try:
                key, trained = load_trained(folder / f"{name}.pt", options, device, datasets)
            except OwnCode as error:
                left[folder.name] = error
                break
            results = {split: trained.removal(split, options.removed, options.fill)
                       for split in trained.dataset.test_splits}
            yield Evaluation(folder, name, key, trained, results, scores(trained.dataset, results))
            if options.predictions:
                write_csv(options.predictions,
                          prediction_rows(trained.dataset, results, trained.model.current_effects()))
                print(f"predictions written to {options.predictions}")
    if len(left) == len(folders):
        raise next(iter(left.values()))
    for run, reason in left.items():
        print(f"note: {run} is left out: {reason}")


def evaluate_runs(options: InferenceOptions, device: torch.device) -> None:
    """Evaluate every run of the name, print a table per data file and task, and whatever else is asked for."""
    tables: dict[str, RuleTables] = {}
    details = []
    for one in evaluations(find_runs(options, options.method, options.backbone), options, device):
        if one.scores:
            if one.key not in tables:
                tables[one.key] = RuleTables(one.trained.task, one.trivial)
            tables[one.key].add(one.checkpoint, one.title, one.scores, one.known)
        label = f"{one.folder.name} {CHECKPOINTS[one.checkpoint]}"
        if strengths := not_published(one.trained.model):
            print(f"{label} predicts by the strengths {strengths}")
        details += [f"{label}, {split}\n{_shown(options, one.trained.task, kind, rows)}"
                    for split, kind, rows in detail_rows(options, one)]
    if not tables:
        print("the file has no labels, so there is nothing to score; --predictions FILE writes what is predicted")
    for table in tables.values():
        print(table.whole())
    for text in details:
        print(f"\n{text}")


def _selections(options: InferenceOptions, folder: Path) -> list[str]:
    """The checkpoints of a run that are asked for; of all, those that are there: an imported run has one."""
    if options.selection != "both":
        return [selected(folder, options.selection).stem]
    return [name for name in CHECKPOINTS if (folder / f"{name}.pt").exists()]


def detail_rows(options: InferenceOptions, one: Evaluation) -> list[tuple[str, str, list[Measured]]]:
    """What is asked for of missing modalities, contributions and audit, for every test split with labels.

    -> split, which of the three, its rows.
    """
    with branches_remembered(one.trained):
        return list(_details(options, one))


def _details(options: InferenceOptions, one: Evaluation) -> Iterator[tuple[str, str, list[Measured]]]:
    """`detail_rows` one by one."""
    trained = one.trained
    if (options.missing or options.contributions or options.audit) and not one.scores:
        raise InputError("--missing, --contributions and --audit need labels, and the file has none; leave them out, "
                         "or give --predictions")
    for split in one.scores:
        passes = removals(trained, split, options.fill) if options.missing or options.contributions else {}
        if options.missing:
            yield split, "missing", list(missing_rows(trained, split, options.fill, passes))
        if options.contributions:
            yield split, "contributions", list(contribution_rows(trained, split, passes))
        if options.audit:
            yield split, "audit", list(audit_rows(trained, split, one.results[split]))


def _shown(options: InferenceOptions, task: Task, kind: str, rows: list[Measured]) -> str:
    """Rows of one kind as a table."""
    if kind == "missing":
        return missing_table(rows, options.fill)
    return measure_table(rows, "audit" if kind == "audit" else f"contributions to {task.exact}, fill {options.fill}")
