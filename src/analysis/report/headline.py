"""What a study answers first: whether a method debiases a backbone, in one sentence with its interval."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from src.analysis.records import Score, Study, models, ordered, place_name, seeds_of, select
from src.analysis.results import VALID
from src.analysis.statistics import FEWEST_SEEDS, Difference, compared
from src.datasets.synthetic import SHIFTS
from src.registry import METHODS

if TYPE_CHECKING:
    from pandas import DataFrame

MINUS = "−"


@dataclass(frozen=True)
class Headline:
    """The best method of one backbone on one form of the data, against the baseline."""

    dataset: str
    condition: str
    backbone: str
    baseline: str  # variant
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
        if found is None or "seeds" not in found.intervals or found.low * found.high <= 0:
            return "Nothing is shown"
        return "Yes" if (found.mean > 0) != bool(self.score.hint) else "No"

    @property
    def answer(self) -> str:
        """The verdict with its reason and both intervals, in one sentence."""
        inside = f"in distribution it {self._words(self.change)}"
        if self.shifted is None:
            return f"{self.verdict} about shortcuts: {self.place} has no shifted test split; {inside}."
        outside = f"against {self.baseline}, {self.method} {self._words(self.shifted)} on {self.splits[1]}"
        reason = ""
        if self.shifted.n < FEWEST_SEEDS:
            reason = f", since an interval needs {FEWEST_SEEDS} seeds and there {_seeds(self.shifted.n, be=True)}"
        elif "seeds" not in self.shifted.intervals:
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
        """A difference with its intervals in brackets, as in the tables."""
        if not found.n:
            return "-"
        return " ".join([self._number(found.mean), *(f"{name} [{self._number(low)}, {self._number(high)}]"
                                                     for name, (low, high) in found.intervals.items())])

    def _words(self, found: Difference) -> str:
        """What a difference means."""
        if not found.n:
            return "has no seed to compare"
        size = f"{abs(found.mean):.1f} percentage points of" if self.score.share else f"{abs(found.mean):.3f} in"
        direction = f"{'gains' if found.mean > 0 else 'loses'} {size}"
        if self._number(found.mean).strip("0.") == "":
            direction = "neither gains nor loses"
        text = f"{direction} {self.score.measure}{self.score.hint}"
        ends = {name: " to ".join(map(self._number, interval)) for name, interval in found.intervals.items()}
        if "seeds" not in ends:
            return text
        of_samples = f"; over test samples {ends['samples']}" if "samples" in ends else ""
        return f"{text} (95 % interval over {_seeds(found.n)} {ends['seeds']}{of_samples})"

    def _number(self, value: float) -> str:
        text = f"{value:+.1f}" if self.score.share else f"{value:+.3f}"
        return text.replace("-", MINUS) if float(text) else text[1:]


def headlines(study: Study) -> list[Headline]:
    """One for every backbone and form of the data that has the baseline and another variant; shifted ones first."""
    found = []
    for (dataset, condition), rows in study.places(predictor="prediction", analysis=("test", VALID)).items():
        score = Score(study.measure[dataset])
        rows = models(select(rows, measure=score.measure))
        splits = _splits(select(rows, analysis="test"))
        for backbone in ordered(rows, "backbone"):
            own = select(rows, backbone=backbone)
            variants = ordered(select(own, analysis="test"), "variant")
            if study.baseline not in variants or len(variants) < 2 or not splits:
                continue
            others = [name for name in variants if name != study.baseline]
            # A single modality debiases nothing.
            others = [name for name in others if _joint(select(own, variant=name)["method"].iloc[0])] or others
            best, choice = _best(own, score, splits[-1], others, study.baseline)
            changes = [_change(own, score, best, study.baseline, split) for split in splits]
            method = select(own, variant=best)["method"].iloc[0]
            found.append(Headline(
                dataset, condition, backbone, study.baseline, best,
                best if method in ("", best) else f"{method} {best}", variants, splits, score, choice, changes[0],
                changes[1] if len(splits) > 1 else None))
    return sorted(found, key=lambda headline: headline.shifted is None)


def _splits(rows: "DataFrame") -> list[str]:
    """The split in distribution, and the shifted one."""
    names = ordered(rows, "split")
    shifted = [name for name in SHIFTS if name in names] or [name for name in names if name.startswith("test_")]
    return [*[name for name in names if name not in shifted][:1], *shifted[:1]]


def _change(rows: "DataFrame", score: Score, variant: str, baseline: str, split: str) -> Difference:
    """A variant minus the baseline on a split, as the score is shown."""
    own, other = (seeds_of(select(rows, variant=name, split=split)) for name in (variant, baseline))
    found, factor = compared(own, other), 100 if score.share else 1
    low, high = found.samples
    return replace(found, mean=factor * found.mean, low=factor * found.low, high=factor * found.high,
                   samples=(factor * low, factor * high))


def _best(rows: "DataFrame", score: Score, shown: str, variants: list[str], baseline: str) -> tuple[str, str]:
    """The best of the variants by validation, else by the split that is shown, and words that say which."""
    if len(variants) < 2:
        return variants[0], f"It is the only method beside {baseline}."
    for split, words in (
            (VALID, f"It was picked from {len(variants)} methods by the mean validation {score.measure} of its "
                    "checkpoints, in distribution; no test score took part."),
            (shown, f"No validation scores are at hand, so it was picked from {len(variants)} methods by the very test "
                    "score that is shown: its interval is too hopeful.")):
        means = select(rows, split=split).groupby("variant", observed=True)["value"].agg(lambda x: x.mean(skipna=False))
        means = means.reindex(variants)
        if means.notna().all():
            best = str(means.idxmin() if score.hint else means.idxmax())
            tied = int((means == means[best]).sum()) - 1
            return best, f"{words} {tied} of the others have the same mean." if tied else words
    return variants[0], f"It is the first of {len(variants)} methods, since their scores are not all defined."


def _joint(method: str) -> bool:
    """Whether a method has a backbone, which it could debias; unknown ones are taken to have one."""
    return method not in METHODS or METHODS[method].uses_backbone


def _seeds(count: int, be: bool = False) -> str:
    if count == 1:
        return "is one seed" if be else "one seed"
    return f"{'are ' if be else ''}{count} seeds"
