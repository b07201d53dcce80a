"""What holds across forms of the data and backbones: gains, probabilities of improvement, performance profiles.

The last two follow Agarwal et al. 2021 (Deep Reinforcement Learning at the Edge of the Statistical Precipice,
section 4).
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from src.analysis.records import Score, Study, ordered, place_name
from src.analysis.report import style
from src.analysis.report.cells import Index, p_words, values
from src.analysis.report.charts_scores import SPLIT_NAMES
from src.analysis.report.style import Drawing, Mark, behind
from src.analysis.statistics import FEWEST_SEEDS, Difference, Seeds, holm, paired_difference
from src.datasets.synthetic import SHIFTS

Cell = tuple[str, str, str]  # dataset, condition, backbone
Runs = dict[Cell, dict[str, Seeds]]  # -> split -> main score of every seed, the higher the better
ACROSS = "Across conditions"
GAINS_NOTE = ("Variant minus baseline, seed by seed, n seeds, with the 95 % t-interval over them (from "
              f"{FEWEST_SEEDS} on): with the shortcut broken and, after the stroke, in distribution. In the order of "
              "the mean of the former; an interval that holds zero shows no difference.")
NOTE = ("P: the probability that a run of the variant scores higher than one of the baseline, ties counting half, in "
        "each form of the data and backbone; its mean over them with the 95 % t-interval over them (from "
        f"{FEWEST_SEEDS} on); then p of the t-test against 1/2, adjusted by Holm within its column.")


def improvement(own: Sequence[float], baseline: Sequence[float]) -> float:
    """P(X > Y) + P(X = Y) / 2 over all pairs of runs, the Mann-Whitney U divided by their number."""
    pairs = np.subtract.outer(np.asarray(own, dtype=float), np.asarray(baseline, dtype=float))
    return float((np.sign(pairs) / 2 + 0.5).mean()) if pairs.size else math.nan


def across_tables(study: Study) -> list[tuple[str, str, list[list[str]]]]:
    """Two tables where the baseline stands in at least two forms of the data or backbones; else nothing."""
    found = _by_variant(study)
    if len(found.get(study.baseline, {})) < 2:
        return []
    splits = [split for split in SPLIT_NAMES if any(split in of for of in found[study.baseline].values())]
    defined = {variant: _defined(runs) for variant, runs in found.items()}
    chances = {variant: {split: _chances(runs, defined[study.baseline], split) for split in splits}
               for variant, runs in defined.items() if variant != study.baseline}
    head = ["variant", "n", *(f"P on {SPLIT_NAMES[split]}" for split in splits)]
    lines = {variant: [variant, str(max(map(len, of.values())))] for variant, of in chances.items()}
    for split in splits:
        tests = {variant: paired_difference([one - 0.5 for one in of[split]]) for variant, of in chances.items()}
        adjusted = dict(zip(tests, holm([test.p for test in tests.values()]), strict=True))
        for variant, test in tests.items():
            lines[variant].append(_chance_cell(test, adjusted[variant]))
    choices = " / ".join(dict.fromkeys(study.choice(*place) for place in study.places(analysis="test")))
    caption = (f"{ACROSS}: probability of improvement over {study.baseline}, n forms of the data and backbones "
               f"({choices})")
    return [*_gains_table(study, found, choices), (caption, NOTE, [head, *lines.values()])]


Gains = dict[str, dict[Cell, list[Difference]]]  # variant -> cell -> shifted, in distribution


def gains(study: Study, runs: dict[str, Runs]) -> Gains:
    """Differences to the baseline of variants in every cell with a shift, the greatest mean first."""
    found: Gains = {}
    baseline = runs[study.baseline]
    for variant in (name for name in runs if name != study.baseline):
        both = {key: own for key, own in runs[variant].items() if key in baseline and {"test", SHIFTS[0]} <= own.keys()}
        found[variant] = {key: [_gain(own[split], baseline[key].get(split, {}), Score(study.measure[key[0]]))
                                for split in (SHIFTS[0], "test")] for key, own in both.items()}
    return dict(sorted(((variant, of) for variant, of in found.items() if of),
                       key=lambda one: (math.isnan(mean := _mean(one[1])), -mean)))


def _mean(of: dict[Cell, list[Difference]]) -> float:
    """Over the cells that have a mean; NaN where none has."""
    found = [shifted.mean for shifted, _ in of.values() if not math.isnan(shifted.mean)]
    return float(np.mean(found)) if found else math.nan


def _columns(found: Gains) -> dict[Cell, str]:
    """Cells and what they are called."""
    return {(dataset, condition, backbone): f"{place_name(dataset, condition)}, {backbone}"
            for of in found.values() for dataset, condition, backbone in of}


def _gain(own: Seeds, baseline: Seeds, score: Score) -> Difference:
    """In points where the score is a share."""
    found = paired_difference([own[seed][0] - baseline[seed][0] for seed in own if seed in baseline])
    factor = 100 if score.share else 1
    return replace(found, **{name: factor * getattr(found, name) for name in ("mean", "low", "high")})


def _gains_table(study: Study, runs: dict[str, Runs], choices: str) -> list[tuple[str, str, list[list[str]]]]:
    found = gains(study, runs)
    columns = _columns(found)
    if not columns:
        return []
    lines = [[variant, _counts(of.values()), f"{_mean(of):+.1f}",
              *(" / ".join(map(_gain_words, of[key])) if key in of else "-" for key in columns)]
             for variant, of in found.items()]
    return [(f"{ACROSS}: gain over {study.baseline} ({choices})", GAINS_NOTE,
             [["variant", "n", "mean", *columns.values()], *lines])]


def _counts(cells: Iterable[list[Difference]]) -> str:
    """How many seeds stand behind cells, the fewest and the most."""
    found = sorted({shifted.n for shifted, _ in cells})
    return " to ".join(map(str, dict.fromkeys((found[0], found[-1]))))


def _gain_words(found: Difference) -> str:
    interval = "" if math.isnan(found.low) else f" [{found.low:+.1f}, {found.high:+.1f}]"
    return f"{found.mean:+.1f}{interval}" if found.n else "-"


def gains_drawing(study: Study, runs: dict[str, Runs], looks: dict[str, Mark]) -> Iterator[Drawing]:
    """Gains of all variants, one panel per form of the data and backbone, the best on top."""
    found = gains(study, runs)
    columns = _columns(found)
    if len(columns) < 2:
        return
    figure, grid = style.panels([""], list(columns.values()), 0.6 + 0.2 * len(found), share_y=True)
    for key, column in columns.items():
        axes = grid["", column]
        axes.axvline(0, color="#000000", linewidth=1)
        gained = [(i, looks[variant], of[key]) for i, (variant, of) in enumerate(found.items()) if key in of]
        known: dict[float, tuple[float, float]] = {
            i: (one.low, one.high) for i, _, (one, *_) in gained if math.isfinite(one.low)}
        style.ranges(axes, known, [mark for i, mark, _ in gained if i in known], 1.4)
        every = [(one.mean, i, mark, filled) for i, mark, cell in gained
                 for one, filled in zip(cell, (True, False), strict=False)]
        style.points(axes, *map(list, zip(*every, strict=True)))
        axes.set_yticks(range(len(found)), list(found))
        axes.set_ylim(len(found) - 0.5, -0.5)
        axes.set_xlabel(f"gain over {study.baseline}")
        axes.grid(False, axis="y")
    counts, lines = _counts(cell for of in found.values() for cell in of.values()), "lines: 95 % t-intervals over seeds"
    told = f"{counts} seeds, see the table; {lines}" if " to " in counts else behind(
        _model_seeds({variant: runs[variant] for variant in found}), lines)
    style.finish(figure, f"Gain over {study.baseline}", told, [])
    yield Drawing(ACROSS, "", f"Variant minus {study.baseline}, seed by seed. Filled: with the shortcut broken; "
                              "hollow: in distribution.", figure)


def _chance_cell(test: Difference, adjusted: float) -> str:
    """A probability, from its difference to 1/2."""
    if not test.n:
        return "-"
    words = [f"{test.mean + 0.5:.2f}"]
    if not math.isnan(test.low):
        words.append(f"[{max(test.low + 0.5, 0):.2f}, {min(test.high + 0.5, 1):.2f}]")
    return " ".join([*words, *[p_words(adjusted)] * (not math.isnan(adjusted))])


def drawings(study: Study, looks: dict[str, Mark]) -> Iterator[Drawing]:
    """Share of runs above every score, one panel per test split, where there are several forms of data or backbones.

    Variants that stand in fewer of them than others are left out: theirs would be the curve of another task.
    """
    found = {variant: _defined(own) for variant, own in _by_variant(study).items()}
    most = max(map(len, found.values()), default=0)
    if study.baseline in found:
        yield from gains_drawing(study, found, looks)
    runs = {variant: own for variant, own in found.items() if len(own) == most > 1}
    if len(runs) < 2 or len(set(study.measure.values())) > 1:
        return
    score = Score(next(iter(study.measure.values())))
    splits = [split for split in SPLIT_NAMES if any(split in of for own in runs.values() for of in own.values())]
    figure, grid = style.panels([""], [SPLIT_NAMES[split] for split in splits], 2.9, share_y="all")
    for split in splits:
        axes = grid["", SPLIT_NAMES[split]]
        for variant, own in runs.items():
            every = np.sort([(100 if score.share else 1) * value for of in own.values()
                             for value in values(of.get(split, {}))])
            if len(every):
                axes.step([every[0], *every], np.linspace(1, 0, len(every) + 1), where="post",
                          color=looks[variant].colour, linestyle=looks[variant].line, linewidth=1.1)
        axes.set_xlabel(score.label)
    grid["", SPLIT_NAMES[splits[0]]].set_ylabel("share of runs above")
    shown = {variant: looks[variant] for variant in runs}
    handles = [style.line_handle(variant, color=mark.colour, linestyle=mark.line) for variant, mark in shown.items()]
    style.finish(figure, "Performance profiles", behind(_model_seeds(runs), "every run counts once"), handles)
    yield Drawing(ACROSS, "", f"Share of the runs of all conditions and backbones whose {score.label} is above a "
                              "value.", figure)


def _by_variant(study: Study) -> dict[str, Runs]:
    """The runs of every variant, in the order of all tables."""
    found: dict[str, Runs] = {variant: {} for variant in ordered(study.rows, "variant")}
    for (dataset, condition), rows in study.places(analysis="test", predictor="prediction").items():
        index, score = Index(rows), Score(study.measure[dataset])
        for split in ordered(rows, "split"):
            for (backbone, variant), seeds in index.of(score.measure, split).items():
                if seeds:
                    found[variant].setdefault((dataset, condition, backbone), {})[split] = {
                        seed: (value * score.sign, bits) for seed, (value, bits) in seeds.items()}
    return {variant: runs for variant, runs in found.items() if runs}


def _model_seeds(runs: dict[str, Runs]) -> list[tuple[str, int]]:
    """(model, seed) behind runs for `seeds_text`."""
    return [(f"{backbone} {variant}", seed) for variant, own in runs.items() for (*_, backbone), of in own.items()
            for seeds in of.values() for seed in seeds]


def _defined(runs: Runs) -> Runs:
    """The runs whose score is defined."""
    found: Runs = {}
    for cell, of in runs.items():
        for split, seeds in of.items():
            left = {seed: one for seed, one in seeds.items() if not math.isnan(one[0])}
            if left:
                found.setdefault(cell, {})[split] = left
    return found


def _chances(own: Runs, baseline: Runs, split: str) -> list[float]:
    """Probability of improvement in every cell that both, of defined scores only, stand in."""
    return [improvement(values(of[split]), values(baseline[cell][split])) for cell, of in own.items()
            if split in of and split in baseline.get(cell, {})]
