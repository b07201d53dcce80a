"""What one cell of a table says of the seeds behind it."""

import math
from typing import TYPE_CHECKING

from src.analysis.records import Score, by_seed
from src.analysis.statistics import FEWEST_SAMPLES, FEWEST_SEEDS, Difference, summary

if TYPE_CHECKING:
    from pandas import DataFrame

INTERVALS = ("Mean +- standard deviation over n seeds, and paired differences: in the bracket after \"seeds\" the 95 % "
             f"t-interval over seeds (from {FEWEST_SEEDS} on), in the bracket after \"samples\" the 95 % bootstrap "
             f"interval over test samples (from {FEWEST_SAMPLES} on) of the correctness averaged over seeds")


def defined_seeds(rows: "DataFrame") -> int:
    """How many seeds have a value that is defined."""
    return summary(by_seed(rows)).n


def mean_cell(rows: "DataFrame", measure: str) -> str:
    """Mean and deviation; says how many seeds are behind it where some have no value."""
    found = summary(by_seed(rows))
    number = _number(found.mean, measure)
    cell = number if found.n < 2 else f"{number} +- {_number(found.std, measure)}"
    return cell if found.n in (0, len(rows)) else f"{cell} (n {found.n})"


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
