"""What a study holds: its runs, its scores in long format, single samples; and how rows are selected."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from src.datasets.synthetic import SHIFTS
from src.structures import printable

Row = dict[str, Any]  # dataset, condition, backbone, variant, seed, ..., measure, value

TRIVIAL = "trivial"  # the variant that looks at no input
PLAIN = "plain"  # the variant that every other one is compared with
EFFECTS = ("TE", "NDE_t", "NDE_a", "NDE_v", "TIE")
ORDER = {  # values that stand first, in this order; others follow as they appear
    "backbone": ("mult", "pmr", "dmd"),
    "variant": (PLAIN, "mask", "sum", "hm", "tanh"),
    "split": ("test", *SHIFTS),
    "setting": ("", "t", "a", "v", "ta", "tv", "av"),
}


@dataclass(frozen=True)
class RunRecord:
    """One trained model."""

    dataset: str
    condition: str
    backbone: str
    variant: str
    seed: int
    method: str
    fusion: str | int
    folder: Path
    command: str  # the main.py command that makes it again
    history: list[dict[str, float]]  # rows of history.csv
    seconds: float
    parameters: int
    data_sha256: str
    versions: dict[str, str]
    epoch: int  # of the selected checkpoint


@dataclass(frozen=True)
class SampleRecord:
    """One model's single samples: the first N of a split, and places of the first M."""

    dataset: str
    condition: str
    backbone: str
    variant: str
    seed: int
    split: str
    ids: list[str]  # N
    labels: list[str]  # N or M, whichever is more
    predictions: list[str]  # N
    classes: list[str]  # C
    effects: dict[str, list[list[float]]]  # one of EFFECTS -> (N, C); empty for the plain backbone
    embedding: list[list[float]]  # (M, 2) t-SNE of the joint state; may be empty
    correct: list[bool] = field(default_factory=list)  # N, by Task.correct; empty: where prediction and label are equal

    @property
    def right(self) -> list[bool]:
        """Whether each prediction is right. -> N."""
        return list(self.correct) or [a == b for a, b in zip(self.predictions, self.labels, strict=False)]

    @property
    def model(self) -> tuple[str, str, str, int, str]:
        """What a causal model shares with the plain one beside it: everything but the variant."""
        return self.dataset, self.condition, self.backbone, self.seed, self.split


@dataclass
class Study:
    """Everything that figures and the report show."""

    title: str
    rows: list[Row]
    runs: list[RunRecord]
    samples: list[SampleRecord]
    notes: list[str]
    tables: list[tuple[str, str, list[list[str]]]]  # caption, footnote, rows of cells; the first row is the header
    measure: dict[str, str]  # dataset -> the score that the figures show
    selection: str = "best_valid_acc"  # checkpoints that the figures show

    def places(self, **wanted: Any) -> dict[tuple[str, str], list[Row]]:
        """(dataset, condition) -> rows of the selected checkpoints; the trivial predictor stands beside all of them."""
        found = [row for row in select(self.rows, **wanted)
                 if row["selection"] == self.selection or row["variant"] == TRIVIAL]
        return grouped(found, "dataset", "condition")


@dataclass(frozen=True)
class Score:
    """How a measure is shown: shares in percent, the others as they are."""

    measure: str

    @property
    def share(self) -> bool:
        """Whether the measure lies in 0..1."""
        return self.measure not in ("mae", "pearson")

    @property
    def label(self) -> str:
        """Name and unit."""
        return f"{self.measure} (%)" if self.share else f"{self.measure}{self.hint}"

    @property
    def difference_label(self) -> str:
        """Name and unit of a difference."""
        return f"{self.measure}, {'percentage points' if self.share else 'difference'}{self.hint}"

    @property
    def hint(self) -> str:
        """Which end is the good one, where it is not the upper one."""
        return " (lower is better)" if self.measure == "mae" else ""

    def values(self, rows: Iterable[Row]) -> dict[int, float]:
        """Seed -> value as shown."""
        return {seed: value * (100 if self.share else 1) for seed, value in by_seed(rows).items()}


def select(rows: Iterable[Row], **wanted: Any) -> list[Row]:
    """Rows whose fields have the wanted values; a tuple, list or set allows any of its members."""
    allowed = {name: value if isinstance(value, (tuple, list, set)) else (value,) for name, value in wanted.items()}
    return [row for row in rows if all(row[name] in values for name, values in allowed.items())]


def by_seed(rows: Iterable[Row]) -> dict[int, float]:
    """Seed -> value, by seed; ValueError where two rows claim one seed, since a mean over them would be wrong."""
    found: dict[int, float] = {}
    for row in rows:
        if row["seed"] in found:
            raise ValueError(f"two values for seed {row['seed']}; one more field has to be selected: {row}")
        found[row["seed"]] = row["value"]
    return dict(sorted(found.items()))


def grouped(rows: Iterable[Row], *names: str) -> dict[tuple, list[Row]]:
    """Values of the named fields -> their rows, as they appear."""
    groups: dict[tuple, list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple(row[name] for name in names), []).append(row)
    return groups


def ordered(rows: Iterable[Row], name: str) -> list[Any]:
    """Distinct values of a field, known ones first; the trivial predictor is no backbone and no variant."""
    return in_order(name, [row[name] for row in rows if row["variant"] != TRIVIAL])


def in_order(name: str, values: Iterable[Any]) -> list[Any]:
    """Distinct values of a field in the order of every figure and table."""
    found = list(dict.fromkeys(values))
    known = ORDER.get(name, ())
    return sorted(found, key=lambda value: known.index(value) if value in known else len(known))


def place_name(dataset: str, condition: str) -> str:
    """What a figure of one dataset and condition is called."""
    return printable(f"{dataset}, {condition}" if condition else dataset)


def seeds_text(models: Iterable[tuple[str, int]]) -> str:
    """How many seeds stand behind a figure and which, from (model, seed); models with other seeds by name."""
    seeds: dict[str, set[int]] = {}
    for model, seed in models:
        seeds.setdefault(model, set()).add(seed)
    sets: dict[tuple[int, ...], list[str]] = {}
    for model, found in seeds.items():
        sets.setdefault(tuple(sorted(found)), []).append(model)
    (common, _), *others = sorted(sets.items(), key=lambda item: -len(item[1]))
    return "; ".join([_count(common), *(f"{', '.join(names)}: {_count(found)}" for found, names in others)])


def model_seeds(rows: Iterable[Row], *names: str) -> list[tuple[str, int]]:
    """(model, seed) behind rows for `seeds_text`; a model is told by its backbone, its variant and further fields."""
    return [(" ".join(str(row[name]) for name in ("backbone", "variant", *names)), row["seed"]) for row in rows
            if row["variant"] != TRIVIAL]


def _count(seeds: Sequence[int]) -> str:
    if len(seeds) == 1:
        return f"one seed only ({seeds[0]}): no spread, no interval"
    return f"{len(seeds)} seeds ({', '.join(map(str, seeds))})"
