"""Figures of test scores: under a shifted shortcut, against the plain backbone, against its strength, by predictor."""

import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from src.analysis.records import (
    PLAIN,
    TRIVIAL,
    Row,
    Score,
    Study,
    grouped,
    model_seeds,
    ordered,
    place_name,
    select,
)
from src.analysis.report.fitting import folded_names
from src.analysis.report.style import (
    BARS,
    NEUTRAL,
    TRIVIAL_LINE,
    Drawing,
    Mark,
    behind,
    categories,
    curve,
    dodge,
    dots,
    finish,
    line_handle,
    mark_handles,
    panels,
)
from src.analysis.statistics import paired_difference, summary
from src.structures import MODALITIES

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SPLIT_NAMES = {"test": "test", "test_shifted": "shifted", "test_reversed": "reversed"}
PREDICTORS = {"prediction": "TIE (the prediction)", "fused": "F (fused logits)", "backbone": "z_m (backbone alone)"}
UNLIKE = {"fused": "+", "backbone": "x"}  # marks of predictors; a prediction has the mark of its variant
SHIFT, DIFFERENCE = "Test, shifted and reversed shortcut", "Difference to the plain backbone"
STRENGTH, PREDICTOR = "Strength of the shortcut", "Predictors of the same network"


def drawings(study: Study, looks: dict[str, Mark]) -> Iterator[Drawing]:
    """All figures of test scores, section by section."""
    places = {key: rows for key, found in study.places(analysis="test").items()
              if (rows := select(found, measure=study.measure[key[0]])) and ordered(rows, "variant")}
    for key, found in places.items():
        score, rows = Score(study.measure[key[0]]), select(found, predictor="prediction")
        yield Drawing(SHIFT, place_name(*key), shift_caption(rows, score), shift(rows, looks, score, place_name(*key)))
    for key, found in places.items():
        score, rows = Score(study.measure[key[0]]), paired_rows(select(found, predictor="prediction"))
        if rows:
            yield Drawing(DIFFERENCE, place_name(*key), difference_caption(rows, score),
                          difference(rows, looks, score, place_name(*key)))
    by_dataset: dict[str, list[Row]] = {}
    for (dataset, _), found in places.items():
        by_dataset.setdefault(dataset, []).extend(
            row for row in select(found, predictor="prediction") if row["variant"] != TRIVIAL)
    for dataset, found in by_dataset.items():
        for (backbone,), rows in grouped(found, "backbone").items():
            grid, score = strengths(rows), Score(study.measure[dataset])
            if grid:
                used = [row for rows in grid.values() for row in rows]
                yield Drawing(STRENGTH, f"{dataset}, {backbone}", strength_caption(used, score),
                              strength(grid, looks, score, f"{dataset}, {backbone}"))
    for key, found in places.items():
        score, rows = Score(study.measure[key[0]]), [row for row in found if row["variant"] != TRIVIAL]
        if any(row["predictor"] != "prediction" for row in rows):
            yield Drawing(PREDICTOR, place_name(*key), predictors_caption(rows, score),
                          predictors(rows, looks, score, place_name(*key)))


def shift(rows: list[Row], looks: dict[str, Mark], score: Score, name: str) -> "Figure":
    """Score of every variant on every test split, one panel per backbone."""
    backbones, variants, splits = (ordered(rows, field) for field in ("backbone", "variant", "split"))
    figure, grid = panels([""], backbones, 2.9)
    places, step = dodge(len(variants))
    for (_, backbone), axes in grid.items():
        for i, split in enumerate(splits):
            for offset, variant in zip(places, variants, strict=True):
                found = score.values(select(rows, backbone=backbone, split=split, variant=variant))
                dots(axes, i + offset, found.values(), looks[variant], step)
            for row in select(rows, variant=TRIVIAL, split=split)[:1]:
                axes.plot([i - 0.45, i + 0.45], [next(iter(score.values([row]).values()))] * 2, **TRIVIAL_LINE)
        categories(axes, [SPLIT_NAMES.get(split, split) for split in splits])
    grid["", backbones[0]].set_ylabel(score.label)
    handles = mark_handles({variant: looks[variant] for variant in variants})
    if select(rows, variant=TRIVIAL):
        handles.append(line_handle("trivial predictor", **TRIVIAL_LINE))
    finish(figure, f"{name}: {score.measure} by test split", behind(model_seeds(rows)), handles)
    return figure


def shift_caption(rows: list[Row], score: Score) -> str:
    """What the figure of `shift` shows."""
    return (f"{score.label} on the test splits by variant, one panel per backbone. Mark: mean over "
            f"{behind(model_seeds(rows))}. Dashed grey: the trivial predictor, which looks at no input.")


def paired_rows(rows: list[Row]) -> list[Row]:
    """Rows that have a partner: of variants, the seeds the plain backbone has too; and those of the plain backbone."""
    fields = ("backbone", "split", "seed")
    plain = {tuple(row[field] for field in fields) for row in select(rows, variant=PLAIN)}
    variants = [row for row in rows if row["variant"] not in (PLAIN, TRIVIAL)
                and tuple(row[field] for field in fields) in plain]
    return variants and [*select(rows, variant=PLAIN), *variants]


def difference(rows: list[Row], looks: dict[str, Mark], score: Score, name: str) -> "Figure":
    """Paired difference of every variant to the plain backbone with its interval, from the rows of `paired_rows`."""
    causal = [row for row in rows if row["variant"] != PLAIN]
    backbones, variants, splits = (ordered(causal, field) for field in ("backbone", "variant", "split"))
    names = folded_names(variants, 1.3, 2)
    lines = max((name.count("\n") + 1 for name in names), default=1)
    figure, grid = panels(splits, backbones, 0.5 + 0.26 * lines * len(variants), share_x=True, share_y=True)
    for (split, backbone), axes in grid.items():
        axes.axvline(0, color="#000000", linewidth=1)
        plain = score.values(select(rows, variant=PLAIN, split=split, backbone=backbone))
        for i, variant in enumerate(variants):
            found = score.values(select(causal, variant=variant, split=split, backbone=backbone))
            if not found:
                continue
            estimate = paired_difference(list(found.values()), [plain[seed] for seed in found])
            known, mark = math.isfinite(estimate.low), looks[variant]
            if known:
                axes.plot([estimate.low, estimate.high], [i, i], color=mark.colour, linewidth=1.4)
            axes.plot(estimate.mean, i, marker=mark.marker, color=mark.colour, markersize=4.5,
                      markerfacecolor=mark.colour if known else "white")
        axes.set_yticks(range(len(variants)), names)
        axes.set_ylim(len(variants) - 0.5, -0.5)
        axes.grid(False, axis="y")
        if backbone == backbones[0]:
            axes.set_ylabel(SPLIT_NAMES.get(split, split), fontweight="bold")
        if split == splits[-1]:
            axes.set_xlabel(f"{score.measure} minus plain{' (points)' if score.share else ''}")
    finish(figure, f"{name}: difference to the plain backbone, {score.difference_label}",
           behind(model_seeds(causal), "paired by seed; line: 95 % bootstrap interval of the mean"), [])
    return figure


def difference_caption(rows: list[Row], score: Score) -> str:
    """What the figure of `difference` shows."""
    better = "Left of zero the variant is better." if score.hint else "Right of zero the variant is better."
    causal = [row for row in rows if row["variant"] != PLAIN]
    interval = ("line: 95 % percentile bootstrap interval of the mean, which is narrow for its 95 % where seeds are "
                "few; hollow mark: one seed only, no interval")
    return (f"{score.difference_label}: variant minus plain backbone, seed by seed. Mark: mean over "
            f"{behind(model_seeds(causal), interval)}. {better}")


def strengths(rows: Iterable[Row]) -> dict[str, list[Row]]:
    """Modality -> rows of its conditions, each with its `strength`; only variants with three strengths or more."""
    found: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        match = re.fullmatch(rf"({'|'.join((*MODALITIES, 'all'))}) (\d+(?:\.\d+)?)", row["condition"])
        if match and row["split"] in ("test", "test_shifted"):
            found.setdefault((match[1], row["variant"]), []).append(row | {"strength": float(match[2])})
    kept: dict[str, list[Row]] = {}
    for (modality, _), chosen in found.items():
        if len({row["strength"] for row in chosen}) >= 3:
            kept.setdefault(modality, []).extend(chosen)
    return kept


def strength(grid: dict[str, list[Row]], looks: dict[str, Mark], score: Score, name: str) -> "Figure":
    """Score against the strength of the shortcut, one panel per modality that holds it; from `strengths`."""
    used = [row for rows in grid.values() for row in rows]
    variants = ordered(used, "variant")
    figure, axes_of = panels([""], list(grid), 3.3, width=4.6)
    lines = {"test": ("-", True), "test_shifted": ("--", False)}
    for (_, modality), axes in axes_of.items():
        for variant in variants:
            for split, (line, filled) in lines.items():
                chosen = grouped(select(grid[modality], variant=variant, split=split), "strength")
                points = {at: list(score.values(rows).values()) for (at,), rows in sorted(chosen.items())}
                curve(axes, list(points), list(points.values()), looks[variant], line, filled)
        axes.set_xlabel(f"share of samples whose {'modalities show' if modality == 'all' else modality + ' shows'} "
                        "the emotion")
    axes_of["", next(iter(grid))].set_ylabel(score.label)
    handles = mark_handles({variant: looks[variant] for variant in variants})
    handles += [line_handle("test (filled)", color=NEUTRAL, linestyle="-"),
                line_handle("shifted (hollow)", color=NEUTRAL, linestyle="--")]
    finish(figure, f"{name}: {score.measure} against the strength of the shortcut",
           behind(model_seeds(used, "condition"), BARS), handles)
    return figure


def strength_caption(rows: list[Row], score: Score) -> str:
    """What the figure of `strength` shows."""
    return (f"{score.label} against the share of samples whose modality shows the emotion directly, one panel per "
            "modality. Solid lines and filled marks: test, where the shortcut holds; dashed lines and hollow marks: "
            f"shifted, where it is random. Means over {behind(model_seeds(rows, 'condition'), BARS)}.")


def predictors(rows: list[Row], looks: dict[str, Mark], score: Score, name: str) -> "Figure":
    """Score of TIE, F and z_m of the same networks, with the plain backbone's as a line."""
    causal = [row for row in rows if row["variant"] != PLAIN]
    backbones, variants, splits = (ordered(causal, field) for field in ("backbone", "variant", "split"))
    if len(backbones) > 1:
        figure, grid = panels(splits, backbones, 1.9, share_x=True)
    else:  # a column of three panels would be mostly empty
        figure, turned = panels(backbones, splits, 2.6, share_x=True)
        grid = {(split, backbone): axes for (backbone, split), axes in turned.items()}
    places, step = dodge(len(PREDICTORS))
    plain_line = {"color": looks[PLAIN].colour if PLAIN in looks else NEUTRAL, "linestyle": "-", "linewidth": 1}
    for (split, backbone), axes in grid.items():
        here = select(rows, split=split, backbone=backbone)
        for i, variant in enumerate(variants):
            for offset, predictor in zip(places, PREDICTORS, strict=True):
                mark = replace(looks[variant], marker=UNLIKE.get(predictor, looks[variant].marker))
                found = score.values(select(here, variant=variant, predictor=predictor))
                dots(axes, i + offset, found.values(), mark, step)
        plain = summary(list(score.values(select(here, variant=PLAIN)).values()))
        if plain.n:
            axes.axhline(plain.mean, zorder=1, **plain_line)
        categories(axes, variants)
        if len(backbones) == 1:
            axes.set_title(f"{backbone}: {SPLIT_NAMES.get(split, split)}")
        if axes.get_subplotspec().is_first_col():
            axes.set_ylabel(f"{SPLIT_NAMES.get(split, split)}\n{score.label}" if len(backbones) > 1 else score.label)
    handles = mark_handles({text: Mark(NEUTRAL, UNLIKE.get(predictor, "o"), "") for predictor, text in
                            PREDICTORS.items()})
    finish(figure, f"{name}: TIE, F and z_m of the same networks",
           behind(model_seeds(rows)), [*handles, line_handle("plain backbone", **plain_line)])
    return figure


def predictors_caption(rows: list[Row], score: Score) -> str:
    """What the figure of `predictors` shows."""
    return (f"{score.label} of three predictors of one trained network: TIE, from which the direct effects are "
            "subtracted, the fused logits F, and the logits z_m of its backbone. Line: mean of the plain backbone "
            f"trained alone. Colour: variant. Mark: mean over {behind(model_seeds(rows))}.")
