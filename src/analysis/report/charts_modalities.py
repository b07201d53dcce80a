"""Figures of what the modalities contribute: removed ones, randomly missing ones, Shapley shares."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from src.analysis.records import Score, Study, model_seeds, ordered, place_name, select
from src.analysis.report import style
from src.analysis.report.charts_scores import beside
from src.analysis.report.style import BARS, TRIVIAL_LINE, Drawing, Mark, behind
from src.structures import MODALITIES

if TYPE_CHECKING:
    from pandas import DataFrame

FILLS = {"missing_zero": "zeros", "missing_mean": "the training mean", "missing_shuffle": "another sample's"}
SETTINGS = {"": "none", "t": "T", "a": "A", "v": "V", "ta": "T+A", "tv": "T+V", "av": "A+V"}
SHARES_OF = {"prediction": "prediction", "backbone": "backbone alone"}
MISSING, RANDOM, CONTRIBUTION = "Removed modalities", "Randomly missing inputs", "Contributions of the modalities"
AUDIT = "Do effects mean what they claim?"
REALISED = "realised_rate"
EFFECT, NO_EFFECT = "kl_effect", "kl_no_effect"


def drawings(study: Study, looks: dict[str, Mark]) -> Iterator[Drawing]:
    """All figures of modalities, section by section."""
    for name, rows, score in _splits(study, analysis=tuple(FILLS), setting=tuple(SETTINGS), predictor="prediction"):
        for fill, text in FILLS.items():
            chosen = select(rows, analysis=fill, measure=score.measure)
            if len(chosen):
                yield missing(chosen, looks, score, name, text)
    for name, rows, score in _splits(study, analysis="random_missing", predictor="prediction"):
        chosen = with_rates(select(rows, measure=(score.measure, REALISED)))
        if len(chosen):
            yield random_missing(chosen, looks, score, name)
    for name, rows, _ in _splits(study, analysis="contribution", measure="share", predictor=tuple(SHARES_OF),
                                 setting=MODALITIES):
        yield contributions(rows, name, study.baseline)
    for name, rows, _ in _splits(study, analysis="audit", measure=(EFFECT, NO_EFFECT), setting=MODALITIES,
                                 split="test"):
        yield effects(rows, looks, name)


def _splits(study: Study, **wanted: object) -> Iterator[tuple[str, "DataFrame", Score]]:
    """Name, rows and score of every place and split; only splits other than the plain test are named."""
    for (dataset, condition), found in study.places(**wanted).items():
        for split in ordered(found, "split"):
            name = place_name(dataset, condition)
            yield (name if split == "test" else f"{name}, {split}", select(found, split=split),
                   Score(study.measure[dataset]))


def missing(rows: "DataFrame", looks: dict[str, Mark], score: Score, name: str, fill: str) -> Drawing:
    """Score of every variant with modalities removed in one way, one panel per backbone."""
    backbones, variants, settings = (ordered(rows, field) for field in ("backbone", "variant", "setting"))
    shown = {variant: looks[variant] for variant in variants}
    figure, grid = style.panels(backbones, [""], 1.75, share_x=True, narrow=0)
    for (backbone, _), axes in grid.items():
        here = select(rows, backbone=backbone)
        beside(axes, [select(here, setting=setting) for setting in settings], "variant", shown, score)
        style.categories(axes, [SETTINGS[setting] for setting in settings])
        axes.set_ylabel(f"{backbone}\n{score.label}")
    axes.set_xlabel("removed modalities (T text, A audio, V vision)")
    name, seeds = f"{name}, replaced by {fill}", behind(model_seeds(rows))
    style.finish(figure, f"{name}: {score.measure} with modalities removed", seeds, style.mark_handles(shown))
    return Drawing(MISSING, name, f"{score.label} with none, one or two modalities removed from the inputs of "
                   f"{_split(rows)} and replaced by {fill}, one panel per backbone. Mark: mean over {seeds}.", figure)


def with_rates(rows: "DataFrame") -> "DataFrame":
    """Scores with the `rate` that is really missing, where it was measured: every sample keeps one modality."""
    import pandas as pd

    realised = select(rows, measure=REALISED).groupby("setting", observed=True)["value"].mean()
    scores = rows[rows["measure"] != REALISED]
    nominal = pd.to_numeric(scores["setting"].astype(str), errors="coerce")
    rates = scores["setting"].astype(str).map(dict(realised)).fillna(nominal)
    return scores.assign(rate=rates)[nominal.between(0, 1)]


def random_missing(rows: "DataFrame", looks: dict[str, Mark], score: Score, name: str) -> Drawing:
    """Score against the share of modalities that is missing, one panel per backbone; from `with_rates`."""
    backbones, shown = ordered(rows, "backbone"), {variant: looks[variant] for variant in ordered(rows, "variant")}
    figure, grid = style.panels([""], backbones, 2.8)
    for (_, backbone), axes in grid.items():
        for variant, mark in shown.items():
            chosen = select(rows, backbone=backbone, variant=variant).sort_values("rate")
            points = {found["rate"].iloc[0]: score.values(found)
                      for _, found in chosen.groupby("setting", sort=False, observed=True)}
            style.curve(axes, list(points), list(points.values()), mark, mark.line)
        axes.set_xlabel("share of modalities missing")
    grid["", backbones[0]].set_ylabel(score.label)
    seeds = behind(model_seeds(rows), BARS)
    style.finish(figure, f"{name}: {score.measure} with randomly missing inputs", seeds, style.line_handles(shown))
    return Drawing(RANDOM, name, f"{score.label} on the {_split(rows)} split against the share of modalities that is "
                   f"missing at random; since every sample keeps one, the highest rate asked for, "
                   f"{max(rows['setting'])}, leaves out {rows['rate'].max():.3f}. Means over {seeds}.", figure)


def contributions(rows: "DataFrame", name: str, baseline: str) -> Drawing:
    """Shapley shares of the modalities, one row per predictor, one column per backbone."""
    backbones, variants = ordered(rows, "backbone"), ordered(rows, "variant")
    predictors = [name for name in SHARES_OF if name in set(rows["predictor"])]
    looks, score = style.modality_marks(), Score("share")
    figure, grid = style.panels(predictors, backbones, 2.1, share_x=True)
    for (predictor, backbone), axes in grid.items():
        # The baseline is its backbone, so it stands in both rows.
        own = [select(rows, backbone=backbone, variant=variant,
                      predictor="prediction" if variant == baseline else predictor) for variant in variants]
        beside(axes, own, "setting", looks, score)
        axes.axhline(100 / len(MODALITIES), **TRIVIAL_LINE)
        style.categories(axes, variants)
        if backbone == backbones[0]:
            axes.set_ylabel(f"{SHARES_OF[predictor]}\nshare (%)")
    seeds, undefined = behind(model_seeds(rows)), int(rows["value"].isna().sum())
    left_out = f" {undefined} of {len(rows)} shares are not shown: where no answer is right, nothing is shared."
    style.finish(figure, f"{name}: share of every modality", seeds,
                 [*style.mark_handles(looks), style.line_handle("equal shares", **TRIVIAL_LINE)])
    return Drawing(CONTRIBUTION, name, f"Share (%) of every modality in the score on the {_split(rows)} split, from "
                   "Shapley values, of the prediction and of the backbone inside the same network; a model that is its "
                   "backbone alone stands in both rows. Dashed: equal shares. Mark: mean over "
                   f"{seeds}.{left_out if undefined else ''}", figure)


def effects(rows: "DataFrame", looks: dict[str, Mark], name: str) -> Drawing:
    """Distance of every variant's direct effects to what each modality truly says, one panel per backbone."""
    told, score = select(rows, measure=EFFECT).dropna(subset="value"), Score(EFFECT)
    shown = {variant: looks[variant] for variant in ordered(told, "variant")}
    figure, grid = style.panels(ordered(told, "backbone"), [""], 1.75, share_x=True, things=len(shown))
    for (backbone, _), axes in grid.items():
        beside(axes, [select(told, backbone=backbone, setting=name) for name in MODALITIES], "variant", shown, score)
        for i, modality in enumerate(MODALITIES):
            silent = select(rows, backbone=backbone, setting=modality, measure=NO_EFFECT)["value"].mean()
            axes.plot([i - 0.45, i + 0.45], [silent, silent], **TRIVIAL_LINE)
        style.categories(axes, list(MODALITIES))
        axes.set_ylabel(f"{backbone}\nKL (nats)")
    handles = [*style.mark_handles(shown), style.line_handle("an effect that says nothing", **TRIVIAL_LINE)]
    style.finish(figure, f"{name}: direct effects against the truth", behind(model_seeds(told)), handles)
    return Drawing(AUDIT, name, "Kullback-Leibler divergence from what each modality truly says alone, as the training "
                                "data was drawn, to its direct effect; methods without effects: to its branch.", figure)


def _split(rows: "DataFrame") -> str:
    return rows["split"].iloc[0]
