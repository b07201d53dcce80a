"""Figures of what the modalities contribute: removed ones, randomly missing frames, Shapley shares."""

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from src.analysis.records import (
    PLAIN,
    Row,
    Score,
    Study,
    grouped,
    in_order,
    model_seeds,
    ordered,
    place_name,
    select,
)
from src.analysis.report.style import (
    BARS,
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
    modality_marks,
    panels,
)
from src.structures import MODALITIES

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FILLS = {"missing_zero": "zeros", "missing_mean": "the training mean", "missing_shuffle": "another sample's"}
SETTINGS = {"": "none", "t": "T", "a": "A", "v": "V", "ta": "T+A", "tv": "T+V", "av": "A+V"}
SHARES_OF = {"prediction": "prediction", "backbone": "backbone alone"}
MISSING, RANDOM, CONTRIBUTION = "Removed modalities", "Randomly missing inputs", "Contributions of the modalities"


def drawings(study: Study, looks: dict[str, Mark]) -> Iterator[Drawing]:
    """All figures of modalities, section by section."""
    for (dataset, condition), found in study.places(analysis=tuple(FILLS), predictor="prediction").items():
        score = Score(study.measure[dataset])
        for name, rows in _splits(dataset, condition, select(found, measure=score.measure)):
            for fill, text in FILLS.items():
                chosen = select(rows, analysis=fill)
                if chosen:
                    yield Drawing(MISSING, f"{name}, replaced by {text}", missing_caption(chosen, score, text),
                                  missing(chosen, looks, score, f"{name}, replaced by {text}"))
    for (dataset, condition), found in study.places(analysis="random_missing", predictor="prediction").items():
        score = Score(study.measure[dataset])
        curves = [row for row in select(found, measure=score.measure) if row["setting"] != "area"]
        for name, rows in _splits(dataset, condition, curves):
            yield Drawing(RANDOM, name, random_caption(rows, score), random_missing(rows, looks, score, name))
    shares = study.places(analysis="contribution", measure="share", predictor=tuple(SHARES_OF))
    for (dataset, condition), found in shares.items():
        for name, rows in _splits(dataset, condition, found):
            yield Drawing(CONTRIBUTION, name, contributions_caption(rows), contributions(rows, name))


def _splits(dataset: str, condition: str, rows: list[Row]) -> Iterator[tuple[str, list[Row]]]:
    """Name and rows of every split; only splits other than the plain test are named."""
    groups = grouped(rows, "split")
    for split in in_order("split", [key[0] for key in groups]):
        name = place_name(dataset, condition)
        yield (name if split == "test" else f"{name}, {split}"), groups[split,]


def missing(rows: list[Row], looks: dict[str, Mark], score: Score, name: str) -> "Figure":
    """Score of every variant with modalities removed in one way, one panel per backbone."""
    backbones, variants = ordered(rows, "backbone"), ordered(rows, "variant")
    settings = in_order("setting", [row["setting"] for row in rows])
    figure, grid = panels(backbones, [""], 1.75, share_x=True, width=9.9)
    places, step = dodge(len(variants))
    for (backbone, _), axes in grid.items():
        for i, setting in enumerate(settings):
            for offset, variant in zip(places, variants, strict=True):
                found = select(rows, backbone=backbone, setting=setting, variant=variant)
                dots(axes, i + offset, score.values(found).values(), looks[variant], step)
        categories(axes, [SETTINGS[setting] for setting in settings])
        axes.set_ylabel(f"{backbone}\n{score.label}")
    axes.set_xlabel("removed modalities (T text, A audio, V vision)")
    finish(figure, f"{name}: {score.measure} with modalities removed", behind(model_seeds(rows)),
           mark_handles({variant: looks[variant] for variant in variants}))
    return figure


def missing_caption(rows: list[Row], score: Score, fill: str) -> str:
    """What the figure of `missing` shows."""
    return (f"{score.label} with none, one or two modalities removed from the inputs of {_split(rows)} and replaced by "
            f"{fill}, one panel per backbone. Mark: mean over {behind(model_seeds(rows))}.")


def random_missing(rows: list[Row], looks: dict[str, Mark], score: Score, name: str) -> "Figure":
    """Score against the rate of missing inputs, one panel per backbone and one line per variant."""
    backbones, variants = ordered(rows, "backbone"), ordered(rows, "variant")
    figure, grid = panels([""], backbones, 2.8)
    for (_, backbone), axes in grid.items():
        for variant in variants:
            chosen = grouped(select(rows, backbone=backbone, variant=variant), "setting")
            points = {float(rate): list(score.values(found).values()) for (rate,), found in sorted(chosen.items())}
            curve(axes, list(points), list(points.values()), looks[variant], looks[variant].line)
        axes.set_xlabel("rate of missing inputs")
    grid["", backbones[0]].set_ylabel(score.label)
    handles = [line_handle(variant, color=looks[variant].colour, marker=looks[variant].marker, markersize=4,
                           linestyle=looks[variant].line) for variant in variants]
    finish(figure, f"{name}: {score.measure} with randomly missing inputs",
           behind(model_seeds(rows), BARS), handles)
    return figure


def random_caption(rows: list[Row], score: Score) -> str:
    """What the figure of `random_missing` shows."""
    return (f"{score.label} on the {_split(rows)} split against the rate at which inputs are missing at random. Means "
            f"over {behind(model_seeds(rows), BARS)}.")


def contributions(rows: list[Row], name: str) -> "Figure":
    """Shapley shares of the modalities, one row per predictor, one column per backbone."""
    backbones, variants = ordered(rows, "backbone"), ordered(rows, "variant")
    predictors = [name for name in SHARES_OF if select(rows, predictor=name)]
    looks, score = modality_marks(), Score("share")
    figure, grid = panels(predictors, backbones, 2.1, share_x=True)
    places, step = dodge(len(MODALITIES))
    for (predictor, backbone), axes in grid.items():
        here = select(rows, backbone=backbone)
        for i, variant in enumerate(variants):
            # The plain model is its backbone, so it stands in both rows.
            chosen = select(here, variant=variant, predictor="prediction" if variant == PLAIN else predictor)
            for offset, modality in zip(places, MODALITIES, strict=True):
                found = score.values(select(chosen, setting=modality)).values()
                dots(axes, i + offset, found, looks[modality], step)
        axes.axhline(100 / len(MODALITIES), **TRIVIAL_LINE)
        categories(axes, variants)
        if backbone == backbones[0]:
            axes.set_ylabel(f"{SHARES_OF[predictor]}\nshare (%)")
    finish(figure, f"{name}: share of every modality", behind(model_seeds(rows)),
           [*mark_handles(looks), line_handle("equal shares", **TRIVIAL_LINE)])
    return figure


def contributions_caption(rows: list[Row]) -> str:
    """What the figure of `contributions` shows."""
    return (f"Share (%) of every modality in the score on the {_split(rows)} split, from Shapley values, of the "
            "prediction and of the backbone inside the same network; the plain model is its backbone and stands in "
            f"both rows. Dashed: equal shares. Mark: mean over {behind(model_seeds(rows))}.{_left_out(rows)}")


def _left_out(rows: list[Row]) -> str:
    """A sentence on the shares that are undefined, empty where there are none."""
    undefined = sum(math.isnan(row["value"]) for row in rows)
    return (f" {undefined} of {len(rows)} shares are not shown: where no answer is right, nothing is shared."
            if undefined else "")


def _split(rows: list[Row]) -> str:
    return rows[0]["split"]
