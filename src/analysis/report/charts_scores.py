"""Figures of test scores: under a shifted shortcut, against the baseline, against its strength, by predictor."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from src.analysis.records import TRIVIAL, Score, Study, model_seeds, models, ordered, place_name, seeds_of, select
from src.analysis.report import style
from src.analysis.report.fitting import folded_names
from src.analysis.report.style import BARS, NEUTRAL, TRIVIAL_LINE, Drawing, Mark, behind
from src.analysis.statistics import FEWEST_SAMPLES, FEWEST_SEEDS, compared, summary
from src.structures import MODALITIES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from pandas import DataFrame

SPLIT_NAMES = {"test": "test", "test_shifted": "shifted", "test_reversed": "reversed"}
SHIFT, DIFFERENCE = "Test, shifted and reversed shortcut", "Difference to the baseline"
STRENGTH, PREDICTOR = "Strength of the shortcut", "Predictors of the same network"
SIGNS = ("+", "x", "1", "2", "3", "4")  # of predictors; a prediction has the mark of its variant
INTERVAL = (f"thick line: 95 % t-interval over seeds (from {FEWEST_SEEDS} on); thin line below: 95 % bootstrap "
            f"interval over test samples (from {FEWEST_SAMPLES} on)")


def drawings(study: Study, looks: dict[str, Mark]) -> Iterator[Drawing]:
    """All figures of test scores, section by section."""
    tests = {key: rows for key, found in study.places(analysis="test").items()
             if ordered(rows := select(found, measure=study.measure[key[0]]), "variant")}
    scores = {key: Score(study.measure[key[0]]) for key in tests}
    own = {key: select(rows, predictor="prediction") for key, rows in tests.items()}
    for key, rows in own.items():
        yield shift(rows, looks, scores[key], place_name(*key))
    for key, rows in own.items():
        paired = paired_rows(rows, study.baseline)
        if len(paired):
            yield difference(paired, looks, scores[key], place_name(*key), study.baseline)
    for (dataset, backbone), rows in models(study.rows).groupby(["dataset", "backbone"], sort=False, observed=True):
        used = strengths(select(rows, analysis="test", measure=study.measure[dataset], predictor="prediction",
                                selection=study.selection))
        if len(used):
            yield strength(used, looks, Score(study.measure[dataset]), f"{dataset}, {backbone}")
    for key, rows in tests.items():
        if (models(rows)["predictor"] != "prediction").any():
            yield predictors(models(rows), looks, scores[key], place_name(*key), study)


def beside(axes: "Axes", ticks: Sequence["DataFrame"], field: str, looks: Mapping[str, Mark], score: Score) -> None:
    """Dots for every value of a field that has a look, side by side around each tick, from the rows of that tick."""
    places, step = style.dodge(len(looks))
    style.dots(axes, ((at + offset, score.values(select(rows, **{field: name})), mark) for at, rows in enumerate(ticks)
                      for offset, (name, mark) in zip(places, looks.items(), strict=True)), (-step / 5, step / 5))


def shift(rows: "DataFrame", looks: dict[str, Mark], score: Score, name: str) -> Drawing:
    """Score of every variant on every test split, one panel per backbone."""
    backbones, variants, splits = (ordered(rows, field) for field in ("backbone", "variant", "split"))
    shown, trivial = {variant: looks[variant] for variant in variants}, select(rows, variant=TRIVIAL)
    figure, grid = style.panels([""], backbones, 2.9, things=len(variants))
    for (_, backbone), axes in grid.items():
        beside(axes, [select(rows, backbone=backbone, split=split) for split in splits], "variant", shown, score)
        for i, split in enumerate(splits):
            for height in score.values(select(trivial, split=split)):
                axes.plot([i - 0.45, i + 0.45], [height] * 2, **TRIVIAL_LINE)
        style.categories(axes, [SPLIT_NAMES.get(split, split) for split in splits])
    grid["", backbones[0]].set_ylabel(score.label)
    handles = style.mark_handles(shown) + [style.line_handle("trivial predictor", **TRIVIAL_LINE)] * bool(len(trivial))
    seeds = behind(model_seeds(rows))
    style.finish(figure, f"{name}: {score.measure} by test split", seeds, handles)
    return Drawing(SHIFT, name, f"{score.label} on the test splits by variant, one panel per backbone. Mark: mean over "
                   f"{seeds}. Dashed grey: the trivial predictor, which looks at no input.", figure)


def paired_rows(rows: "DataFrame", baseline: str) -> "DataFrame":
    """Rows that have a partner: of variants, the seeds the baseline has too; and those of the baseline, if any has."""
    fields = ["backbone", "split", "seed"]
    plain = select(rows, variant=baseline)
    found = models(rows[rows["variant"] != baseline])
    found = found[found.set_index(fields).index.isin(plain.set_index(fields).index)]
    return rows.loc[[*plain.index, *found.index]] if len(found) else found


def difference(rows: "DataFrame", looks: dict[str, Mark], score: Score, name: str, baseline: str) -> Drawing:
    """Paired difference of every variant to the baseline with its intervals, from the rows of `paired_rows`."""
    others, factor = rows[rows["variant"] != baseline], 100 if score.share else 1
    backbones, variants, splits = (ordered(others, field) for field in ("backbone", "variant", "split"))
    names = folded_names(variants, 1.3, 2)
    lines = max(name.count("\n") + 1 for name in names)
    figure, grid = style.panels(splits, backbones, 0.5 + 0.26 * lines * len(variants), share_x=True, share_y=True)
    for (split, backbone), axes in grid.items():
        axes.axvline(0, color="#000000", linewidth=1)
        here = select(rows, split=split, backbone=backbone)
        plain = seeds_of(select(here, variant=baseline))
        found = {i: compared(seeds_of(own), plain) for i, variant in enumerate(variants)
                 if len(own := select(here, variant=variant))}
        for over, below, width in (("seeds", 0, 1.4), ("samples", 0.22, 0.6)):
            ends = {i: one.intervals[over] for i, one in found.items() if over in one.intervals}
            style.ranges(axes, {i + below: (factor * low, factor * high) for i, (low, high) in ends.items()},
                         [looks[variants[i]] for i in ends], width)
        style.points(axes, [factor * one.mean for one in found.values()], list(found),
                     [looks[variants[i]] for i in found], ["seeds" in one.intervals for one in found.values()])
        axes.set_yticks(range(len(variants)), names)
        axes.set_ylim(len(variants) - 0.5, -0.5)
        axes.grid(False, axis="y")
        if backbone == backbones[0]:
            axes.set_ylabel(SPLIT_NAMES.get(split, split), fontweight="bold")
        if split == splits[-1]:
            axes.set_xlabel(f"{score.measure} minus {baseline}{' (points)' if score.share else ''}")
    seeds, better = behind(model_seeds(others), f"paired by seed; {INTERVAL}"), "Left" if score.hint else "Right"
    style.finish(figure, f"{name}: difference to {baseline}, {score.difference_label}", seeds, [])
    return Drawing(DIFFERENCE, name, f"{score.difference_label}: variant minus {baseline}, seed by seed. Mark: mean "
                   f"over {seeds}; hollow mark: none over seeds. {better} of zero the variant is better.", figure)


def strengths(rows: "DataFrame") -> "DataFrame":
    """Rows of conditions of one shortcut, with its `modality` and `strength`; of variants with three strengths."""
    found = rows["condition"].str.extract(rf"^(?P<modality>{'|'.join(MODALITIES)}|all) (?P<strength>\d+(?:\.\d+)?)$",
                                          flags=re.ASCII)
    used = select(rows.join(found), split=("test", "test_shifted")).dropna(subset="strength")
    used = used.astype({"strength": float})
    counts = used.groupby(["modality", "variant"], observed=True)["strength"].transform("nunique")
    return used[counts >= 3]


def strength(used: "DataFrame", looks: dict[str, Mark], score: Score, name: str) -> Drawing:
    """Score against the strength of the shortcut, one panel per modality that holds it; from `strengths`."""
    shown = {variant: looks[variant] for variant in ordered(used, "variant")}
    figure, grid = style.panels([""], list(used["modality"].unique()), 3.3, narrow=0)
    lines = {"test": ("-", True), "test_shifted": ("--", False)}
    for (_, modality), axes in grid.items():
        for variant, mark in shown.items():
            for split, (line, filled) in lines.items():
                chosen = select(used, modality=modality, variant=variant, split=split).groupby("strength")
                points = {at: score.values(rows) for at, rows in chosen}
                style.curve(axes, list(points), list(points.values()), mark, line, filled)
        axes.set_xlabel(f"share of samples whose {'modalities show' if modality == 'all' else modality + ' shows'} "
                        "the emotion")
    next(iter(grid.values())).set_ylabel(score.label)
    handles = [*style.mark_handles(shown), style.line_handle("test (filled)", color=NEUTRAL, linestyle="-"),
               style.line_handle("shifted (hollow)", color=NEUTRAL, linestyle="--")]
    seeds = behind(model_seeds(used, "condition"), BARS)
    style.finish(figure, f"{name}: {score.measure} against the strength of the shortcut", seeds, handles)
    return Drawing(STRENGTH, name, f"{score.label} against the share of samples whose modality shows the emotion "
                   "directly, one panel per modality. Solid lines and filled marks: test, where the shortcut holds; "
                   f"dashed lines and hollow marks: shifted, where it is random. Means over {seeds}.", figure)


def predictors(rows: "DataFrame", looks: dict[str, Mark], score: Score, name: str, study: Study) -> Drawing:
    """Score of the predictors of the same networks, with the baseline's as a line."""
    others = rows[rows["variant"] != study.baseline]
    backbones, variants, splits = (ordered(others, field) for field in ("backbone", "variant", "split"))
    places, step = style.dodge(len(study.predictors))
    signs = dict(zip(study.predictors, ("o", *SIGNS), strict=False))
    flat = len(backbones) == 1 and len(variants) <= style.ROOM
    if flat:  # a column of three panels would be mostly empty
        figure, turned = style.panels(backbones, splits, 2.6, share_x=True)
        grid = {(split, backbone): axes for (backbone, split), axes in turned.items()}
    else:
        figure, grid = style.panels(splits, backbones, 2.3, share_x=True, things=len(variants))
    colour = looks[study.baseline].colour if study.baseline in looks else NEUTRAL
    plain_line: dict[str, Any] = {"color": colour, "linewidth": 1}
    for (split, backbone), axes in grid.items():
        here = select(rows, split=split, backbone=backbone)
        found = []
        for i, variant in enumerate(variants):
            for offset, (predictor, sign) in zip(places, signs.items(), strict=True):
                mark = looks[variant] if predictor == "prediction" else replace(looks[variant], marker=sign)
                own = select(here, variant=variant, predictor=predictor)
                found.append((i + offset, score.values(own), mark))
        style.dots(axes, found, (-step / 5, step / 5))
        plain = summary(score.values(select(here, variant=study.baseline, predictor="prediction")))
        if plain.n:
            axes.axhline(plain.mean, zorder=1, **plain_line)
        style.categories(axes, variants)
        if flat:
            axes.set_title(f"{backbone}: {SPLIT_NAMES.get(split, split)}")
        if split == splits[0] if flat else backbone == backbones[0]:
            axes.set_ylabel(score.label if flat else f"{SPLIT_NAMES.get(split, split)}\n{score.label}")
    handles = style.mark_handles({study.predictors[name]: Mark(NEUTRAL, sign, "") for name, sign in signs.items()})
    handles.append(style.line_handle(study.baseline, **plain_line))
    seeds = behind(model_seeds(rows))
    style.finish(figure, f"{name}: predictors of the same networks", seeds, handles)
    return Drawing(PREDICTOR, name, f"{score.label} of the predictors of one trained network: "
                   f"{', '.join(study.predictors.values())}. Line: mean of {study.baseline}. Colour: variant. Mark: "
                   f"mean over {seeds}.", figure)
