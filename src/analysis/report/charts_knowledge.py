"""Figures of what a choice has to know of a shift."""

from collections.abc import Iterator
from itertools import product
from typing import TYPE_CHECKING

from src.analysis.records import Score, Study, model_seeds, ordered, place_name, select
from src.analysis.report import style
from src.analysis.report.charts_scores import SPLIT_NAMES
from src.analysis.report.style import BARS, Drawing, Mark, behind

if TYPE_CHECKING:
    from pandas import DataFrame

KNOWLEDGE = "What one has to know"


def drawings(study: Study, looks: dict[str, Mark]) -> Iterator[Drawing]:
    """One figure per form of the data whose choices were measured."""
    for (dataset, condition), rows in study.places(analysis="knowledge").items():
        score = Score(study.measure[dataset])
        own = select(rows, measure=score.measure).dropna(subset="value")
        if len(own):
            yield knowledge(own, looks, score, place_name(dataset, condition))


def knowledge(rows: "DataFrame", looks: dict[str, Mark], score: Score, name: str) -> Drawing:
    """Score on every test split against what the choice of epoch and strengths knows, one row per backbone."""
    backbones, splits, settings = (ordered(rows, field) for field in ("backbone", "split", "setting"))
    shown = {variant: looks[variant] for variant in ordered(rows, "variant")}
    figure, grid = style.panels(backbones, [SPLIT_NAMES.get(split, split) for split in splits], 2.4, share_x=True)
    for backbone, split in product(backbones, splits):
        axes = grid[backbone, SPLIT_NAMES.get(split, split)]
        for variant, mark in shown.items():
            own = select(rows, backbone=backbone, split=split, variant=variant)
            points = {settings.index(setting): score.values(found)
                      for setting, found in own.groupby("setting", sort=False, observed=True)}
            style.curve(axes, list(points), list(points.values()), mark, mark.line)
        style.categories(axes, settings)
    for backbone in backbones:
        grid[backbone, SPLIT_NAMES.get(splits[0], splits[0])].set_ylabel(f"{backbone}\n{score.label}")
    seeds = behind(model_seeds(rows), BARS)
    style.finish(figure, f"{name}: what one has to know", seeds, style.line_handles(shown))
    return Drawing(KNOWLEDGE, name, f"{score.label} by the number of unbiased validation samples that alone choose "
                   "epoch and strengths; 0: validation as train chooses; declared: so, but for the strengths that "
                   f"follow from --unwanted. Means over {seeds}.", figure)
