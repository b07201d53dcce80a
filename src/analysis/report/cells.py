"""What one cell of a table says of the seeds behind it."""

import math
from typing import TYPE_CHECKING

import numpy as np

from src.analysis.records import SCORE, TRIVIAL, Score, models
from src.analysis.statistics import FEWEST_SAMPLES, FEWEST_SEEDS, Difference, Seeds, summary

if TYPE_CHECKING:
    from pandas import DataFrame

INTERVALS = ("Mean +- standard deviation over n seeds, and paired differences: in the bracket after \"seeds\" the 95 % "
             f"t-interval over seeds (from {FEWEST_SEEDS} on), in the bracket after \"samples\" the 95 % bootstrap "
             f"interval over test samples (from {FEWEST_SAMPLES} on) of the correctness averaged over seeds")
Model = tuple[str, str]  # backbone, variant


class Index:
    """All scores of one form of the data by what they are of; ValueError where two rows are one score."""

    # A report has thousands of cells, and to search all rows for each took most of its time.
    def __init__(self, rows: "DataFrame") -> None:
        # Iterated over: only there all versions of pandas keep the order of the tables.
        self.models: list[Model] = [model for model, _ in models(rows).groupby(["backbone", "variant"], observed=True)]
        self._found: dict[tuple[str, ...], dict[Model, dict[int, tuple[float, str]]]] = {}
        names = [*SCORE, "backbone", "variant", "seed", "value", "bits"]
        columns = [np.asarray(column).tolist() for _, column in rows[names].sort_values("seed").items()]
        for *score, backbone, variant, seed, value, bits in zip(*columns, strict=True):
            found = self._found.setdefault(tuple(score), {}).setdefault((backbone, variant), {})
            if seed in found:
                raise ValueError(f"two values of {' '.join(score)} for {backbone} {variant} with the seed {seed}")
            found[seed] = value, bits

    def of(self, measure: str, split: str, analysis: str = "test", setting: str = "",
           predictor: str = "prediction") -> dict[Model, Seeds]:
        """One score of every model."""
        found = self._found.get((predictor, split, analysis, setting, measure), {})
        return {model: found.get(model, {}) for model in self.models}

    def trivial(self, measure: str, split: str) -> Seeds:
        """One test score of the predictor that looks at no input."""
        found = self._found.get(("prediction", split, "test", "", measure), {})
        return next((seeds for (_, variant), seeds in found.items() if variant == TRIVIAL), {})


def values(seeds: Seeds) -> list[float]:
    """The score of every seed."""
    return [value for value, _ in seeds.values()]


def defined_seeds(seeds: Seeds) -> int:
    """How many seeds have a value that is defined."""
    return summary(values(seeds)).n


def mean_cell(seeds: Seeds, measure: str) -> str:
    """Mean and deviation; says how many seeds are behind it where some have no value."""
    found = summary(values(seeds))
    number = _number(found.mean, measure)
    cell = number if found.n < 2 else f"{number} +- {_number(found.std, measure)}"
    return cell if found.n in (0, len(seeds)) else f"{cell} (n {found.n})"


def difference_cell(found: Difference | None, adjusted: float, measure: str, seeds: int) -> str:
    """A difference over at most `seeds` seeds, its intervals or why there is none, and p where there is one."""
    if found is None or not found.n:
        return "-"
    words = [_number(found.mean, measure, "+")] + [f"(n {found.n})"] * (found.n < seeds)
    if math.isnan(found.low):
        words.append(f"seeds ({'n too small' if found.n < FEWEST_SEEDS else 'all equal'})")
    words += [f"{name} [{_number(low, measure, '+')}, {_number(high, measure, '+')}]"
              for name, (low, high) in found.intervals.items()]
    if not math.isnan(adjusted):
        words.append(p_words(adjusted))
    return " ".join(words)


def p_words(value: float) -> str:
    """The p of a test."""
    return f"p {value:.3f}" if value >= 0.001 else "p < 0.001"


def _number(value: float, measure: str, sign: str = "") -> str:
    """Shares in percent."""
    if math.isnan(value):
        return "-"
    return f"{value:{sign}.3f}" if measure == "shapley" or not Score(measure).share else f"{100 * value:{sign}.1f}"
