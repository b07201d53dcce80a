"""The few tables that commands print, and the CSV of predictions."""

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from src.datasets.base import Dataset
from src.engine import EpochResult
from src.metrics import Metrics, is_share
from src.selection import CHECKPOINTS, rule
from src.structures import LETTER
from src.tasks import Task, task_of

Scored = Mapping[str, Metrics]  # test split -> metrics
SPECIAL = {"single": "all single removals", "all": "all six removals", "area": "random, area under 0.0 to 0.9"}


class RuleTables:
    """Scores of several runs, gathered by the rule that chose their epochs, since one table has one rule."""

    def __init__(self, task: Task, trivial: Scored | None) -> None:
        self.task, self.trivial = task, trivial
        self.columns: dict[str, dict[str, Scored]] = {}  # checkpoint -> run -> its scores
        self.known: dict[str, dict[str, None]] = {}  # checkpoint -> states of knowledge

    def add(self, checkpoint: str, run: str, scored: Scored, known: str) -> None:
        """Take in what one checkpoint of a run scores, and what its choice knew."""
        self.columns.setdefault(checkpoint, {})[run] = scored
        self.known.setdefault(checkpoint, {})[known] = None

    def whole(self) -> str:
        """A table per rule with one row per test split and metric, headline metrics first, one column per run."""
        return "\n\n".join(f"{self._head(checkpoint)}\n{self._table(checkpoint)}" for checkpoint in self.columns)

    def short(self, checkpoint: str) -> str:
        """One row per run; of one test split all headline metrics, of several the first, and one on every split."""
        columns = self._columns(checkpoint)
        splits = list(next(iter(columns.values())))
        metrics = [(split, self.task.exact) for split in splits]
        if len(splits) == 1:
            metrics = [(splits[0], metric) for metric in self.task.headline]
        wanted = dict.fromkeys([(splits[0], self.task.headline[0]), *metrics])
        return "\n".join([self._head(checkpoint), align([
            ["", *(f"{split} {metric}" for split, metric in wanted)],
            *([run, *(cell(metric, scored[split][metric]) for split, metric in wanted)]
              for run, scored in columns.items())])])

    def _head(self, checkpoint: str) -> str:
        """The rule and the state of knowledge, which stand above every table."""
        known = " / ".join(self.known[checkpoint])
        return f"{CHECKPOINTS[checkpoint]}: {rule(checkpoint).words}; known of a shift: {known}"

    def _columns(self, checkpoint: str) -> dict[str, Scored]:
        return ({"trivial": self.trivial} if self.trivial else {}) | self.columns[checkpoint]

    def _table(self, checkpoint: str) -> str:
        columns = self._columns(checkpoint)
        wanted = [(split, metric) for split, metrics in next(iter(columns.values())).items()
                  for metric in sorted(metrics, key=lambda name: name not in self.task.headline)]
        return align([["", *columns], *([f"{split} {metric}", *(cell(metric, scored[split][metric])
                                                                for scored in columns.values())]
                                        for split, metric in wanted)])


def prediction_rows(dataset: Dataset, results: Mapping[str, EpochResult],
                    effects: Mapping[str, str]) -> list[dict[str, Any]]:
    """One row per sample: split, id, and `prediction_columns`."""
    task = task_of(dataset.info)
    rows = []
    for name, result in results.items():
        ids = dataset.splits[name].ids
        columns = {"split": [name] * len(ids), "id": ids, **prediction_columns(task, result, effects)}
        rows += [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    return rows


def prediction_columns(task: Task, result: EpochResult, effects: Mapping[str, str]) -> dict[str, list[Any]]:
    """Of every sample: logits, prediction, label, effects on the predicted class and probabilities if there are.

    -> name -> N values.
    """
    logits = result.values["logits"]
    columns: dict[str, list[Any]] = {f"logit_{i}": logits[:, i].tolist() for i in range(logits.size(1))}
    columns["prediction"] = task.decide(logits)
    columns["label"] = [""] * len(logits) if result.labels is None else task.describe(result.labels)
    columns |= {head: task.evidence(result.values[key], logits).tolist() for head, key in effects.items()}
    if task.has_classes:
        likely = task.probabilities(logits)
        columns |= {f"probability_{name}": likely[:, i].tolist() for i, name in enumerate(task.classes)}
    return columns


def missing_table(rows: Iterable[Mapping[str, Any]], fill: str) -> str:
    """What the prediction scores with modalities missing: a line per setting, a column per measure."""
    return _pivot([row for row in rows if row["predictor"] == "prediction"], f"missing, fill {fill}",
                  lambda row: _setting(row["setting"]), lambda row: row["measure"])


def measure_table(rows: Iterable[Mapping[str, Any]], corner: str) -> str:
    """Contributions, or an audit: a line per measure and modality, a column per predictor."""
    return _pivot(rows, corner, lambda row: ", ".join(filter(None, (
        f"perceptual score {row['measure']}" if row["analysis"] == "perceptual" else row["measure"], row["setting"]))),
        lambda row: row["predictor"])


def _pivot(rows: Iterable[Mapping[str, Any]], corner: str, line: Callable[[Mapping[str, Any]], str],
           column: Callable[[Mapping[str, Any]], str]) -> str:
    """Measured rows as a text table, lines and columns in the order in which they appear."""
    lines: dict[str, dict[str, str]] = {}
    for row in rows:
        lines.setdefault(line(row), {})[column(row)] = cell(row["measure"], row["value"])
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


def cell(metric: str, value: float) -> str:
    """A number as it is printed, `-` for one that is undefined."""
    if not math.isfinite(value):
        return "-"
    return f"{100 * value:.2f}" if is_share(metric) and metric != "shapley" else f"{value:.4f}"


def align(rows: list[list[str]]) -> str:
    """Rows as a text table: first column left, the others right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join("  ".join([row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in
                                                            zip(row[1:], widths[1:], strict=True))]).rstrip()
                     for row in rows)
