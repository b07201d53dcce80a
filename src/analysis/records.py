"""What a study holds: its runs, its scores in long format, single samples; and how rows are selected."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from src.datasets.synthetic import SHIFTS
from src.methods import BASELINE
from src.metrics import is_share
from src.registry import METHODS
from src.selection import CHECKPOINTS
from src.structures import MODALITIES, printable

if TYPE_CHECKING:  # pandas is loaded only where there are rows
    from pandas import DataFrame

TRIVIAL = "trivial"  # the variant that looks at no input
EFFECTS = ("TE", *(f"NDE_{name[0]}" for name in MODALITIES), "TIE")  # in the order of the page
PLACE = ("dataset", "condition", "backbone", "variant", "method", "fusion", "seed", "selection")  # of a run
SCORE = ("predictor", "split", "analysis", "setting", "measure")
COLUMNS = (*PLACE, *SCORE, "value", "bits")  # bits: which samples are right, `packed`, beside the share that they are
ORDER = {  # values that stand first, in this order; others follow as they appear
    "backbone": ("mult", "pmr", "dmd"),
    "variant": (BASELINE, *MODALITIES, "late", "pool", "mask", "sum", "hm", "tanh", "evidence"),
    "split": ("test", *SHIFTS), "setting": ("", "t", "a", "v", "ta", "tv", "av"),
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
    direct_weights: dict[str, float] = field(default_factory=dict)  # modality -> weight of its NDE in TIE; may be empty

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
    rows: "DataFrame"  # COLUMNS; dictionaries with them become such rows
    runs: list[RunRecord]
    samples: list[SampleRecord]
    notes: list[str]
    tables: list[tuple[str, str, list[list[str]]]]  # caption, footnote, rows of cells; the first row is the header
    measure: dict[str, str]  # dataset -> the score that the figures show
    selection: str = "best_valid_acc"  # checkpoints that the figures show
    baseline: str = BASELINE  # the variant that every other one is compared with
    known: dict[tuple[str, str], str] = field(default_factory=dict)  # dataset, condition -> of a shift

    def __post_init__(self) -> None:
        self.rows = frame(self.rows, self.baseline)

    def choice(self, dataset: str, condition: str) -> str:
        """The rule that chose the checkpoints, and what it knew: every table names both."""
        known = self.known.get((dataset, condition), "not told")
        return f"{CHECKPOINTS.get(self.selection, self.selection)}; known of a shift: {known}"

    @cached_property
    def predictors(self) -> dict[str, str]:
        """What the methods beside the baseline may be asked for, in words of their own where they agree on them."""
        rows = self.rows[self.rows["variant"] != self.baseline]
        words: dict[str, str] = {}
        for method in filter(METHODS.__contains__, rows["method"].dropna().unique()):
            for name, one in METHODS[method].predictors.items():
                words[name] = one.words if words.get(name, one.words) == one.words else name
        return {name: words.get(name, name) for name in [*words, *models(rows)["predictor"].unique()]}

    def places(self, **wanted: Any) -> "dict[tuple[str, str], DataFrame]":
        """(dataset, condition) -> rows of the selected checkpoints; the trivial predictor stands beside all of them."""
        rows = select(self.rows, **wanted)
        rows = rows[(rows["selection"] == self.selection) | (rows["variant"] == TRIVIAL)]
        return dict(iter(rows.groupby(["dataset", "condition"], sort=False)))


@dataclass(frozen=True)
class Score:
    """How a measure is shown: shares in percent, the others as they are."""

    measure: str

    @property
    def share(self) -> bool:
        """Whether the measure lies in 0..1."""
        return is_share(self.measure)

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
        return " (lower is better)" if self.sign < 0 else ""

    @property
    def sign(self) -> int:
        """What makes higher better: -1 for an error."""
        return -1 if self.measure == "mae" else 1

    def values(self, rows: "DataFrame") -> list[float]:
        """The value of every seed as shown."""
        return [value * (100 if self.share else 1) for value, _ in seeds_of(rows).values()]


def frame(rows: "DataFrame | Sequence[Mapping[str, Any]]", baseline: str = BASELINE) -> "DataFrame":
    """Rows as a table whose fields with an ORDER are sorted by it, the baseline before all other variants."""
    import pandas as pd

    made = pd.DataFrame(rows, columns=list(COLUMNS)).reset_index(drop=True)
    made["bits"] = made["bits"].astype(object).where(made["bits"].notna(), "")
    for name in ORDER:  # unique: a column of text is slow to go through in Python
        made[name] = pd.Categorical(made[name], in_order(name, made[name].unique(), baseline), ordered=True)
    return made


def select(rows: "DataFrame", **wanted: Any) -> "DataFrame":
    """Rows whose fields have the wanted values; a tuple, list or set allows any of its members."""
    chosen = np.ones(len(rows), bool)
    for name, value in wanted.items():
        chosen &= rows[name].isin(value if isinstance(value, (tuple, list, set)) else [value]).to_numpy()
    return rows[chosen]


def models(rows: "DataFrame") -> "DataFrame":
    """Rows of trained models: the trivial predictor is no backbone and no variant."""
    return rows[rows["variant"] != TRIVIAL]


def seeds_of(rows: "DataFrame") -> dict[int, tuple[float, str]]:
    """Seed -> value and bits, in order; ValueError where two rows claim one seed, since a mean would be wrong."""
    found = dict(sorted(zip(rows["seed"], zip(rows["value"], rows["bits"], strict=True), strict=True)))
    if len(found) < len(rows):
        raise ValueError("two values for one seed; one more field has to be selected")
    return found


def ordered(rows: "DataFrame", name: str) -> list[Any]:
    """Distinct values that models have in a field with an ORDER."""
    return list(models(rows)[name].sort_values().unique())


def in_order(name: str, values: Iterable[Any], baseline: str = BASELINE) -> list[Any]:
    """Distinct values of a field in the order of every figure and table."""
    known = ((baseline,) if name == "variant" else ()) + ORDER.get(name, ())
    return sorted(dict.fromkeys(values), key=lambda value: known.index(value) if value in known else len(known))


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
    words = {found: f"{len(found)} seeds ({', '.join(map(str, found))})" if len(found) > 1
             else f"one seed only ({found[0]}): no spread, no interval" for found in sets}
    (common, _), *others = sorted(sets.items(), key=lambda item: -len(item[1]))
    return "; ".join([words[common], *(f"{', '.join(names)}: {words[found]}" for found, names in others)])


def model_seeds(rows: "DataFrame", *names: str) -> list[tuple[str, int]]:
    """(model, seed) behind rows for `seeds_text`; a model is told by its backbone, its variant and further fields."""
    found = models(rows)[["backbone", "variant", *names, "seed"]].drop_duplicates()
    return [(" ".join(map(str, model)), seed) for *model, seed in found.itertuples(index=False)]
