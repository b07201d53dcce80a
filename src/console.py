"""The few tables that commands print, and the CSV of predictions."""

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from src.datasets.base import Dataset
from src.engine import EpochResult
from src.metrics import Metrics
from src.selection import CHECKPOINTS
from src.structures import LETTER
from src.tasks import Task, make_task

Column = tuple[str, Mapping[str, Metrics]]  # heading, test split -> metrics
SPECIAL = {"single": "all single removals", "all": "all six removals", "area": "random, area under 0.0 to 0.9"}


def results_table(columns: list[Column], task: Task) -> str:
    """One row per test split and metric, headline metrics first, one column per predictor; shares in percent."""
    return _scores(columns, ((split, metric) for split, metrics in columns[0][1].items()
                             for metric in sorted(metrics, key=lambda name: name not in task.headline)))


def headline_table(columns: list[Column], task: Task) -> str:
    """The rows that matter: of one test split all headline metrics, of several the first, and one on every split."""
    splits = list(columns[0][1])
    if len(splits) == 1:
        return _scores(columns, ((splits[0], metric) for metric in task.headline))
    return _scores(columns, dict.fromkeys([(splits[0], task.headline[0]), *((split, task.exact) for split in splits)]))


def _scores(columns: list[Column], wanted: Iterable[tuple[str, str]]) -> str:
    """One row per split and metric."""
    return align([["", *(heading for heading, _ in columns)],
                  *([f"{split} {metric}", *(_cell(metric, scores[split][metric]) for _, scores in columns)]
                    for split, metric in wanted)])


def selection_columns(label: str, selections: Mapping[str, Mapping[str, Metrics]]) -> list[Column]:
    """Columns of a run, one per selection."""
    return [(f"{label} {CHECKPOINTS.get(name, name)}", scores) for name, scores in selections.items()]


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


def missing_table(rows: Iterable[Mapping[str, Any]], fill: str) -> str:
    """What the prediction scores with modalities missing: a line per setting, a column per measure."""
    return _pivot([row for row in rows if row["predictor"] == "prediction"], f"missing, fill {fill}",
                  lambda row: _setting(row["setting"]), lambda row: row["measure"])


def contribution_table(rows: Iterable[Mapping[str, Any]], corner: str) -> str:
    """What each modality contributes: a line per measure and modality, a column per predictor."""
    return _pivot(rows, corner, lambda row: ", ".join(filter(None, (
        f"perceptual score {row['measure']}" if row["analysis"] == "perceptual" else row["measure"], row["setting"]))),
        lambda row: row["predictor"])


def _pivot(rows: Iterable[Mapping[str, Any]], corner: str, line: Callable[[Mapping[str, Any]], str],
           column: Callable[[Mapping[str, Any]], str]) -> str:
    """Measured rows as a text table, lines and columns in the order in which they appear."""
    lines: dict[str, dict[str, str]] = {}
    for row in rows:
        lines.setdefault(line(row), {})[column(row)] = _cell(row["measure"], row["value"])
    columns = list(dict.fromkeys(name for cells in lines.values() for name in cells))
    return align([[corner, *columns], *([name, *(cells.get(head, "") for head in columns)]
                                        for name, cells in lines.items())])


def _setting(setting: str) -> str:
    """Words for the setting of a measurement: letters of what is missing, a rate, or what is summed up."""
    if setting in SPECIAL:
        return SPECIAL[setting]
    if setting and setting[0].isdigit():
        return f"random, rate {setting}"
    return "without " + " and ".join(LETTER[letter] for letter in setting) if setting else "all present"


def _cell(metric: str, value: float) -> str:
    """A number as it is printed, `-` for one that is undefined."""
    if not math.isfinite(value):
        return "-"
    return f"{value:.4f}" if metric in ("mae", "pearson", "shapley") else f"{100 * value:.2f}"


def align(rows: list[list[str]]) -> str:
    """Rows as a text table: first column left, the others right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join("  ".join([row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in
                                                            zip(row[1:], widths[1:], strict=True))]).rstrip()
                     for row in rows)
