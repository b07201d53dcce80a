"""What the commands print: the table of results, and the CSV of predictions."""

from collections.abc import Mapping
from typing import Any

from src.datasets.base import Dataset
from src.engine import EpochResult
from src.metrics import Metrics
from src.structures import MODALITIES
from src.tasks import Task, make_task

Column = tuple[str, Mapping[str, Metrics]]  # heading, test split -> metrics


def results_table(columns: list[Column], task: Task) -> str:
    """One row per test split and metric, headline metrics first, one column per predictor; shares in percent."""
    rows = []
    for split in columns[0][1]:
        metrics = columns[0][1][split]
        for metric in sorted(metrics, key=lambda name: name not in task.headline):
            rows.append([f"{split} {metric}", *(_cell(metric, scores[split][metric]) for _, scores in columns)])
    return _align([["", *(heading for heading, _ in columns)], *rows])


def selection_columns(label: str, selections: Mapping[str, Mapping[str, Metrics]]) -> list[Column]:
    """Columns of a run, one per selection."""
    return [(f"{label} {name.removeprefix('best_')}", scores) for name, scores in selections.items()]


def prediction_rows(dataset: Dataset, results: Mapping[str, EpochResult]) -> list[dict[str, Any]]:
    """One row per sample: split, id, logits, prediction, label, and the effects on the predicted class if there are."""
    task = make_task(dataset.info.task)
    rows = []
    for name, result in results.items():
        logits, ids = result.values["logits"], dataset.splits[name].ids
        columns: dict[str, list[Any]] = {"split": [name] * len(ids), "id": ids}
        columns |= {f"logit_{i}": logits[:, i].tolist() for i in range(logits.size(1))}
        columns["prediction"] = task.decide(logits)
        columns["label"] = [""] * len(ids) if result.labels is None else task.describe(result.labels)
        if "total" in result.values:
            effects = {"TE": "total", **{f"NDE_{m[0]}": f"direct_{m}" for m in MODALITIES}, "TIE": "logits"}
            columns |= {head: task.evidence(result.values[key], logits).tolist() for head, key in effects.items()}
        rows += [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    return rows


def _cell(metric: str, value: float) -> str:
    if value != value:
        return "-"
    return f"{value:.4f}" if metric in ("mae", "pearson") else f"{100 * value:.2f}"


def _align(rows: list[list[str]]) -> str:
    """Rows as a text table: first column left, the others right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join("  ".join([row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in
                                                            zip(row[1:], widths[1:], strict=True))]) for row in rows)
