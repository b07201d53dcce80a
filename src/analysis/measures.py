"""Everything a study measures on one checkpoint, as rows of predictor, split, analysis, setting, measure and value."""

import math
from collections.abc import Collection, Iterator
from typing import Any

import torch

from src.analysis.contributions import (
    PERMUTATIONS,
    accuracy,
    contributions,
    imbalance,
    perceptual_scores,
    shares,
    spread,
)
from src.analysis.missing import RATES, SETTINGS, area, drop_spread, drops, random_removals, removals
from src.analysis.records import EFFECTS
from src.analysis.trained import Trained
from src.console import predictors
from src.datasets.absence import FILLS
from src.engine import EpochResult
from src.structures import MODALITIES

VERSION = 1  # of the rows below; raised where they change, so that stored ones are not mixed with new ones
SHOWN = 40  # samples whose effects the report shows
EMBEDDED = 400  # samples of the t-SNE
ORDINARY = 1e-12  # least distance between states that t-SNE can take as it is
Measured = dict[str, Any]


def measure(trained: Trained, analyses: Collection[str], fills: Collection[str] = FILLS) -> list[Measured]:
    """Scores on every test split, and `missing` and `contributions` on the first one, which is in distribution."""
    names = [name for name in trained.dataset.test_splits if trained.dataset.splits[name].labels is not None]
    if not names:
        return []
    whole = {name: trained.removal(name, (), "zero") for name in names}
    rows = [row for name, result in whole.items() for row in _scores(trained, name, result)]
    first = names[0]
    filled = {fill: {"": whole[first]} | removals(trained, first, fill, settings=SETTINGS[1:])
              for fill in FILLS if fill == "zero" and analyses or fill in fills and "missing" in analyses}
    if "contributions" in analyses:
        rows += _contributions(trained, first, filled["zero"])
        rows += _perceptual(trained, first, whole[first])
    if "missing" in analyses:
        for fill, results in filled.items():
            rows += _missing(trained, first, fill, results)
        rows += _random_missing(trained, first, whole[first])
    return rows


def _row(predictor: str, split: str, analysis: str, setting: str, measure: str, value: float) -> Measured:
    return {"predictor": predictor, "split": split, "analysis": analysis, "setting": setting, "measure": measure,
            "value": value}


def _scores(trained: Trained, split: str, result: EpochResult) -> Iterator[Measured]:
    """All metrics of TIE, F and z_m, and how often each decides otherwise than z_m."""
    own = trained.task.decide(result.values["backbone"])
    for predictor, values in predictors(trained).items():
        for name, value in trained.task.metrics(result.values[values], result.labels).items():
            yield _row(predictor, split, "test", "", name, value)
        decided = trained.task.decide(result.values[values])
        differing = sum(one != other for one, other in zip(decided, own, strict=True))
        yield _row(predictor, split, "test", "", "differs_from_backbone", differing / len(own))


def _missing(trained: Trained, split: str, fill: str, results: dict[str, EpochResult]) -> Iterator[Measured]:
    """Headline metrics of the seven settings, what each removal costs, and the spread of the costs."""
    task, analysis = trained.task, f"missing_{fill}"
    for predictor, values in predictors(trained).items():
        scored = {letters: task.metrics(result.values[values], result.labels) for letters, result in results.items()}
        for letters, metrics in scored.items():
            for name in task.headline:
                yield _row(predictor, split, analysis, letters, name, metrics[name])
        exact = {letters: metrics[task.exact] for letters, metrics in scored.items()}
        for letters, drop in drops(exact).items():
            yield _row(predictor, split, analysis, letters, "drop", drop)
        for which, value in drop_spread(exact).items():
            yield _row(predictor, split, analysis, which, "drop_std", value)


def _random_missing(trained: Trained, split: str, whole: EpochResult) -> Iterator[Measured]:
    """Headline metrics at every rate, and the area under their curve."""
    results = {0.0: whole} | random_removals(trained, split, "zero", rates=RATES[1:])
    for predictor, values in predictors(trained).items():
        scored = {rate: trained.task.metrics(result.values[values], result.labels) for rate, result in results.items()}
        for name in trained.task.headline:
            curve = {rate: metrics[name] for rate, metrics in scored.items()}
            for rate, value in curve.items():
                yield _row(predictor, split, "random_missing", f"{rate:.1f}", name, value)
            yield _row(predictor, split, "random_missing", "area", name, area(curve))


def _contributions(trained: Trained, split: str, results: dict[str, EpochResult]) -> Iterator[Measured]:
    """Mean Shapley values, shares and imbalance."""
    for predictor, values in predictors(trained).items():
        found = contributions(trained.task, results, values)
        parts = shares(found)
        for name in MODALITIES:
            yield _row(predictor, split, "contribution", name, "shapley", found[name].mean().item())
            yield _row(predictor, split, "contribution", name, "share", parts[name])
        yield _row(predictor, split, "contribution", "", "imbalance", imbalance(parts))


def _perceptual(trained: Trained, split: str, whole: EpochResult) -> Iterator[Measured]:
    """What accuracy loses when one modality is exchanged between samples, and its spread over permutations."""
    exchanged = perceptual_scores(trained, split, PERMUTATIONS)
    for predictor, values in predictors(trained).items():
        right = accuracy(trained.task, whole, values)
        for name, passes in exchanged.items():
            lost = spread([right - accuracy(trained.task, result, values) for result in passes])
            for measure_name, value in zip(("drop", "drop_std"), lost, strict=True):
                yield _row(predictor, split, "perceptual", name, measure_name, value)


def samples(trained: Trained) -> list[dict[str, Any]]:
    """Effects of the first samples of every test split, and a t-SNE of the joint states of more of them."""
    found = []
    for name in trained.dataset.test_splits:
        split = trained.dataset.splits[name]
        result = trained.predict(split, name)
        values, task = result.values, trained.task
        keys = dict(zip(EFFECTS, ("total", *(f"direct_{m}" for m in MODALITIES), "logits"), strict=True))
        found.append({
            "split": name, "ids": split.ids[:SHOWN],
            "labels": [""] * len(split) if result.labels is None else task.describe(result.labels[:EMBEDDED]),
            "predictions": task.decide(values["logits"][:SHOWN]), "classes": list(task.classes),
            "correct": [] if result.labels is None else
            task.correct(values["logits"], result.labels)[:SHOWN].tolist(),
            "effects": {head: task.class_values(values[key][:SHOWN]).tolist() for head, key in keys.items()}
            if "total" in values else {},
            "embedding": embed(values["hidden"][:EMBEDDED].double())})
    return found


def embed(states: torch.Tensor) -> list[list[float]]:
    """Two dimensions of t-SNE with a fixed seed. (N, H) -> N pairs.

    Empty where there is nothing to place: too few samples, states that are not finite, or all alike. scikit-learn ends
    the whole process on the last.
    """
    from sklearn.manifold import TSNE

    spread = (states - states[:1]).abs().max().item() if len(states) >= 5 else 0.0
    if not math.isfinite(spread) or not spread:
        return []
    if not ORDINARY * max(1, states.abs().max().item()) < spread < 1 / ORDINARY:
        states = (states - states[:1]) / spread  # squares of distances would be 0 or infinite in single precision
    placed = TSNE(perplexity=min(30, (len(states) - 1) / 3), init="pca", random_state=0).fit_transform(
        states.cpu().numpy())
    return [[round(float(x), 3) for x in pair] for pair in placed]
