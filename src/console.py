"""What the commands print: results, missing modalities, contributions; and the CSV of predictions."""

import math
from collections.abc import Mapping
from typing import Any

from src.analysis.contributions import (
    PERMUTATIONS,
    accuracy,
    contributions,
    imbalance,
    perceptual_scores,
    shares,
    spread,
)
from src.analysis.missing import area, drop_spread, drops, random_removals, removals
from src.analysis.trained import Trained
from src.datasets.base import Dataset
from src.engine import EpochResult
from src.metrics import Metrics
from src.structures import LETTER, MODALITIES
from src.tasks import Task, make_task

Column = tuple[str, Mapping[str, Metrics]]  # heading, test split -> metrics


def results_table(columns: list[Column], task: Task) -> str:
    """One row per test split and metric, headline metrics first, one column per predictor; shares in percent."""
    rows = []
    for split in columns[0][1]:
        metrics = columns[0][1][split]
        for metric in sorted(metrics, key=lambda name: name not in task.headline):
            rows.append([f"{split} {metric}", *(_cell(metric, scores[split][metric]) for _, scores in columns)])
    return align([["", *(heading for heading, _ in columns)], *rows])


def selection_columns(label: str, selections: Mapping[str, Mapping[str, Metrics]]) -> list[Column]:
    """Columns of a run, one per selection."""
    return [(f"{label} {name.removeprefix('best_')}", scores) for name, scores in selections.items()]


def prediction_rows(dataset: Dataset, results: Mapping[str, EpochResult],
                    effects: Mapping[str, str]) -> list[dict[str, Any]]:
    """One row per sample: split, id, logits, prediction, label, and the effects on the predicted class if there are."""
    task = make_task(dataset.info.task)
    rows = []
    for name, result in results.items():
        logits, ids = result.values["logits"], dataset.splits[name].ids
        columns: dict[str, list[Any]] = {"split": [name] * len(ids), "id": ids}
        columns |= {f"logit_{i}": logits[:, i].tolist() for i in range(logits.size(1))}
        columns["prediction"] = task.decide(logits)
        columns["label"] = [""] * len(ids) if result.labels is None else task.describe(result.labels)
        columns |= {head: task.evidence(result.values[key], logits).tolist() for head, key in effects.items()}
        rows += [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    return rows


def predictors(trained: Trained) -> dict[str, str]:
    """What a model offers to decide by: its name -> the name of its logits in the values of a pass."""
    return {name: one.values for name, one in trained.model.predictors.items()}


def missing_table(trained: Trained, split: str, fill: str) -> str:
    """The seven settings and the random ones: headline metrics, and in brackets what each loses."""
    task = trained.task
    whole, random = (run(trained, split, fill) for run in (removals, random_removals))
    columns = {}
    for metric in task.headline:
        fixed = {letters: _metric(task, result, metric) for letters, result in whole.items()}
        curve = {rate: _metric(task, result, metric) for rate, result in random.items()}
        spreads = drop_spread(fixed)
        lost = {"": "", **{letters: f" ({_cell(metric, drop)})" for letters, drop in drops(fixed).items()}}
        columns[metric] = {
            **{_setting(letters): _cell(metric, value) + lost[letters] for letters, value in fixed.items()},
            "std of the drops, single removals": _cell(metric, spreads["single"]),
            "std of the drops, all six": _cell(metric, spreads["all"]),
            **{f"random, rate {rate:.1f}": _cell(metric, value) for rate, value in curve.items() if rate},
            "random, area under 0.0 to 0.9": _cell(metric, area(curve))}
    return _table(f"missing, fill {fill}", columns)


def contribution_table(trained: Trained, split: str, fill: str) -> str:
    """Mean Shapley values, shares and perceptual scores by modality, of the prediction and of the backbone's logits."""
    task, results = trained.task, removals(trained, split, fill)
    exchanged = perceptual_scores(trained, split, PERMUTATIONS)
    columns = {}
    for name, values in predictors(trained).items():
        found = contributions(task, results, values)
        parts = shares(found)
        right = accuracy(task, results[""], values)
        column = {f"Shapley value, {modality}": f"{found[modality].mean():.4f}" for modality in MODALITIES}
        column |= {f"share, {modality}": _cell("share", part) for modality, part in parts.items()}
        column["imbalance (largest share - smallest)"] = _cell("share", imbalance(parts))
        for modality, passes in exchanged.items():
            lost, std = spread([right - accuracy(task, result, values) for result in passes])
            column[f"perceptual score, {modality}"] = f"{_cell('drop', lost)} +- {_cell('drop', std)}"
        columns[name] = column
    return _table(f"contributions to {task.exact}, fill {fill}", columns)


def _metric(task: Task, result: EpochResult, metric: str) -> float:
    return task.metrics(result.values["logits"], result.labels)[metric]


def _setting(letters: str) -> str:
    """Words for the letters of what is missing."""
    return "without " + " and ".join(LETTER[letter] for letter in letters) if letters else "all present"


def _table(corner: str, columns: Mapping[str, Mapping[str, str]]) -> str:
    """A text table of columns with the same rows."""
    names = list(next(iter(columns.values())))
    return align([[corner, *columns], *([name, *(column[name] for column in columns.values())] for name in names)])


def _cell(metric: str, value: float) -> str:
    """A number as it is printed, `-` for one that is undefined."""
    if not math.isfinite(value):
        return "-"
    return f"{value:.4f}" if metric in ("mae", "pearson") else f"{100 * value:.2f}"


def align(rows: list[list[str]]) -> str:
    """Rows as a text table: first column left, the others right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join("  ".join([row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in
                                                            zip(row[1:], widths[1:], strict=True))]) for row in rows)
