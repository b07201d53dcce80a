"""What a study answers first: whether a method debiases a backbone, in one sentence with its interval."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from src.analysis.records import PLAIN, TRIVIAL, Row, Score, Study, grouped, ordered, place_name, select
from src.analysis.statistics import Difference, paired_difference, summary
from src.datasets.synthetic import SHIFTS

FEWEST = 3  # seeds of an interval
MINUS = "−"


@dataclass(frozen=True)
class Headline:
    """The best method of one backbone on one form of the data, against the plain backbone."""

    dataset: str
    condition: str
    backbone: str
    best: str  # variant
    method: str  # what the best variant is called
    variants: list[str]  # in the order of all figures
    splits: list[str]  # in distribution, then the shifted one if there is one
    score: Score
    choice: str  # how the best variant was picked
    change: Difference  # in distribution
    shifted: Difference | None

    @property
    def place(self) -> str:
        """The data in words."""
        return place_name(self.dataset, self.condition)

    @property
    def question(self) -> str:
        """What is asked."""
        return f"Does {self.method} debias {self.backbone} on {self.place}?"

    @property
    def verdict(self) -> str:
        """One or two words: yes, no, or that nothing is shown."""
        found = self.shifted
        if found is None or not _known(found) or found.low * found.high <= 0:
            return "Nothing is shown"
        return "Yes" if (found.mean > 0) != bool(self.score.hint) else "No"

    @property
    def answer(self) -> str:
        """The verdict with its reason and both intervals, in one sentence."""
        inside = f"in distribution it {self._words(self.change)}"
        if self.shifted is None:
            return f"{self.verdict} about shortcuts: {self.place} has no shifted test split; {inside}."
        outside = f"against {PLAIN}, {self.method} {self._words(self.shifted)} on {self.splits[1]}"
        reason = ""
        if self.shifted.n < FEWEST:
            reason = f", since an interval needs {FEWEST} seeds and there {_seeds(self.shifted.n, be=True)}"
        elif not _known(self.shifted):
            reason = ", since differences that are all equal have no interval"
        elif self.verdict == "Nothing is shown":
            reason = ", since the interval covers zero"
        return f"{self.verdict}{reason}: {outside}; {inside}."

    @property
    def cells(self) -> list[str]:
        """A line of the table of all answers."""
        return [self.place, self.backbone, self.method, self.verdict.lower(),
                *("-" if found is None else self.interval(found) for found in (self.shifted, self.change))]

    def interval(self, found: Difference) -> str:
        """A difference with its interval in brackets, as in the tables."""
        if not found.n:
            return "-"
        interval = f" [{self._number(found.low)}, {self._number(found.high)}]" if _known(found) else ""
        return self._number(found.mean) + interval

    def _words(self, found: Difference) -> str:
        """What a difference means."""
        if not found.n:
            return "has no seed to compare"
        size = f"{abs(found.mean):.1f} percentage points of" if self.score.share else f"{abs(found.mean):.3f} in"
        direction = f"{'gains' if found.mean > 0 else 'loses'} {size}"
        if self._number(found.mean).strip("0.") == "":
            direction = "neither gains nor loses"
        text = f"{direction} {self.score.measure}{self.score.hint}"
        if not _known(found):
            return text
        low, high = self._number(found.low), self._number(found.high)
        return f"{text} (95 % interval {low} to {high}, {_seeds(found.n)})"

    def _number(self, value: float) -> str:
        text = f"{value:+.1f}" if self.score.share else f"{value:+.3f}"
        return text.replace("-", MINUS) if float(text) else text[1:]


def headlines(study: Study) -> list[Headline]:
    """One for every backbone and form of the data that has a plain model and another; shifted ones first."""
    found = []
    for (dataset, condition), rows in study.places(analysis="test", predictor="prediction").items():
        score = Score(study.measure[dataset])
        rows = select(rows, measure=score.measure)
        splits = _splits(rows)
        for (backbone,), own in grouped([row for row in rows if row["variant"] != TRIVIAL], "backbone").items():
            variants = ordered(own, "variant")
            if PLAIN not in variants or len(variants) < 2 or not splits:
                continue
            best, choice = _best(study, select(own, split=splits[-1]), [name for name in variants if name != PLAIN])
            changes = [_change(own, score, best, split) for split in splits]
            method = next(row.get("method", "") for row in own if row["variant"] == best)
            found.append(Headline(
                dataset, condition, backbone, best, best if method in ("", best) else f"{method} {best}", variants,
                splits, score, choice, changes[0], changes[1] if len(splits) > 1 else None))
    return sorted(found, key=lambda headline: headline.shifted is None)


def _splits(rows: list[Row]) -> list[str]:
    """The split in distribution, and the shifted one."""
    names = ordered(rows, "split")
    shifted = [name for name in SHIFTS if name in names] or [name for name in names if name.startswith("test_")]
    return [*[name for name in names if name not in shifted][:1], *shifted[:1]]


def _change(rows: list[Row], score: Score, variant: str, split: str) -> Difference:
    """A variant minus plain on a split, paired over the seeds that both have."""
    values, plain = (score.values(select(rows, variant=name, split=split)) for name in (variant, PLAIN))
    seeds = sorted(values.keys() & plain.keys())
    return paired_difference([values[seed] for seed in seeds], [plain[seed] for seed in seeds])


def _best(study: Study, rows: list[Row], variants: list[str]) -> tuple[str, str]:
    """The best of the variants by validation, else by the split that is shown, and words that say which."""
    first = rows[0] if rows else {}
    score = Score(study.measure[first["dataset"]]) if first else Score("")
    sign = -1 if score.hint else 1
    if len(variants) < 2 or not first:
        return variants[0], f"It is the only method beside {PLAIN}."
    for values, words in (
            (dict(_validation(study, first, score.measure)),
             f"It was picked from {len(variants)} methods by the mean validation {score.measure} of its checkpoints, "
             "in distribution; no test score took part."),
            ({name: summary(list(score.values(select(rows, variant=name)).values())).mean for name in variants},
             f"No validation scores are at hand, so it was picked from {len(variants)} methods by the very test score "
             "that is shown: its interval is too hopeful.")):
        means = {name: sign * values.get(name, math.nan) for name in variants}
        if not any(map(math.isnan, means.values())):
            return max(variants, key=means.__getitem__), words
    return variants[0], f"It is the first of {len(variants)} methods, since their scores are not all defined."


def _validation(study: Study, place: Row, measure: str) -> Iterator[tuple[str, float]]:
    """Variant -> mean validation score of its selected checkpoints; nothing of a variant where one run has none."""
    fields = ("dataset", "condition", "backbone")
    found: dict[str, list[float]] = {}
    for run in study.runs:
        if all(getattr(run, name) == place[name] for name in fields):
            at = [row.get(f"valid_{measure}", math.nan) for row in run.history if row["epoch"] == run.epoch]
            found.setdefault(run.variant, []).append(at[0] if at else math.nan)
    for variant, values in found.items():
        yield variant, sum(values) / len(values)


def _known(found: Difference) -> bool:
    """Whether a difference has an interval that may be believed."""
    return found.n >= FEWEST and math.isfinite(found.low)


def _seeds(count: int, be: bool = False) -> str:
    if count == 1:
        return "is one seed" if be else "one seed"
    return f"{'are ' if be else ''}{count} seeds"
