"""Everything a study measures on one checkpoint, as rows of predictor, split, analysis, setting, measure and value."""

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F

from src.analysis.audit import audit_rows
from src.analysis.contributions import (
    PERMUTATIONS,
    accuracy,
    contributions,
    imbalance,
    perceptual_scores,
    shares,
    spread,
)
from src.analysis.missing import RATES, SETTINGS, area, drop_spread, drops, random_removals, realised_rate, removals
from src.analysis.remembering import branches_remembered
from src.analysis.statistics import CORRECT, packed
from src.analysis.trained import Trained
from src.datasets.absence import FILLS
from src.engine import EpochResult
from src.structures import MODALITIES

VERSION = 8  # of the rows below; raised where they change, so that stored ones are not mixed with new ones
SHOWN = 40  # samples whose effects the report shows
EMBEDDED = 400  # samples of the t-SNE
ORDINARY = 1e-12  # least distance between states that t-SNE can take as it is
Measured = dict[str, Any]
Passes = Mapping[str, EpochResult]  # letters of what is missing -> one pass over a split


def measure(trained: Trained, analyses: Collection[str], fills: Collection[str] = FILLS) -> list[Measured]:
    """Scores on every test split, and of `audit`; `missing` and `contributions` on the first, in distribution."""
    names = [name for name in trained.dataset.test_splits if trained.dataset.splits[name].labels is not None]
    if not names:
        return []
    with branches_remembered(trained):
        return _measured(trained, names, analyses, fills)


def _measured(trained: Trained, names: list[str], analyses: Collection[str], fills: Collection[str]) -> list[Measured]:
    """`measure` on the test splits with labels, of which there are some."""
    whole = {name: trained.removal(name, (), "zero") for name in names}
    rows = [row for name, result in whole.items() for row in score_rows(trained, name, result)]
    first = names[0]
    removing = {"missing", "contributions"} & set(analyses)
    passes = {fill: {"": whole[first]} | removals(trained, first, fill, settings=SETTINGS[1:])
              for fill in FILLS if fill == "zero" and removing or fill in fills and "missing" in removing}
    if "contributions" in analyses:
        rows += contribution_rows(trained, first, passes["zero"])
    if "audit" in analyses:
        rows += [row for name, result in whole.items() for row in audit_rows(trained, name, result)]
    if "missing" in analyses:
        for fill, results in passes.items():
            rows += missing_rows(trained, first, fill, results, RATES if fill == "zero" else ())
    return rows


def predictors(trained: Trained) -> dict[str, str]:
    """What a model offers to decide by: its name -> the name of its logits in the values of a pass."""
    return {name: one.values for name, one in trained.model.predictors.items()}


def _row(split: str, analysis: str, predictor: str, setting: str, measure: str, value: float,
         bits: str = "") -> Measured:
    return {"predictor": predictor, "split": split, "analysis": analysis, "setting": setting, "measure": measure,
            "value": value} | ({"bits": bits} if bits else {})


def score_rows(trained: Trained, split: str, result: EpochResult) -> Iterator[Measured]:
    """All metrics of every predictor, which samples it decides rightly, and how often it decides unlike z_m."""
    task, row = trained.task, partial(_row, split, "test")
    own = task.decide(result.values["backbone"])
    for predictor, name in predictors(trained).items():
        logits = result.values[name]
        for metric, value in task.metrics(logits, result.known_labels).items():
            yield row(predictor, "", metric, value)
        yield row(predictor, "", CORRECT, math.nan, packed(task.correct(logits, result.known_labels).tolist()))
        differing = sum(one != other for one, other in zip(task.decide(logits), own, strict=True))
        yield row(predictor, "", "differs_from_backbone", differing / len(own))


def missing_rows(trained: Trained, split: str, fill: str, passes: Passes,
                 rates: Iterable[float] = RATES) -> Iterator[Measured]:
    """Headline metrics of the seven settings, what each removal costs, and the spread of the costs; then at random.

    `passes` are those of `removals`; `rates` those of modalities missing at random.
    """
    task, row = trained.task, partial(_row, split, f"missing_{fill}")
    for predictor, scored in _metrics(trained, passes).items():
        for letters, metrics in scored.items():
            for name in task.headline:
                yield row(predictor, letters, name, metrics[name])
        exact = {letters: metrics[task.exact] for letters, metrics in scored.items()}
        for letters, drop in drops(exact).items():
            yield row(predictor, letters, "drop", drop)
        for which, value in drop_spread(exact).items():
            yield row(predictor, which, "drop_std", value)
    if rates:
        yield from _random_rows(trained, split, fill, passes[""], [rate for rate in rates if rate])


def _random_rows(trained: Trained, split: str, fill: str, whole: EpochResult, rates: list[float]) -> Iterator[Measured]:
    """Headline metrics at every rate, the area under their curve, and how much is really missing at a rate."""
    results = {0.0: whole} | random_removals(trained, split, fill, rates=rates)
    row = partial(_row, split, "random_missing")
    for predictor, scored in _metrics(trained, results).items():
        for name in trained.task.headline:
            curve = {rate: metrics[name] for rate, metrics in scored.items()}
            for rate, value in curve.items():
                yield row(predictor, f"{rate:.1f}", name, value)
            yield row(predictor, "area", name, area(curve))
    for rate in results:
        found = realised_rate(len(trained.dataset.splits[split]), rate)
        yield row("prediction", f"{rate:.1f}", "realised_rate", found)


def _metrics(trained: Trained, passes: Mapping[Any, EpochResult]) -> dict[str, dict[Any, dict[str, float]]]:
    """Predictor -> setting -> metrics."""
    names = predictors(trained)
    return {predictor: {setting: trained.task.metrics(result.values[name], result.known_labels)
                        for setting, result in passes.items()} for predictor, name in names.items()}


def contribution_rows(trained: Trained, split: str, passes: Passes) -> Iterator[Measured]:
    """Mean Shapley values, shares and imbalance; then what accuracy loses when a modality is exchanged between samples.

    `passes` are those of `removals`. A single sample has nobody to exchange with.
    """
    alone = len(trained.dataset.splits[split]) == 1
    exchanged = {} if alone else perceptual_scores(trained, split, PERMUTATIONS)
    shapley, perceptual = (partial(_row, split, analysis) for analysis in ("contribution", "perceptual"))
    for predictor, values in predictors(trained).items():
        worth = contributions(trained.task, passes, values)
        parts = shares(worth)
        for name in MODALITIES:
            yield shapley(predictor, name, "shapley", worth[name].mean().item())
            yield shapley(predictor, name, "share", parts[name])
        yield shapley(predictor, "", "imbalance", imbalance(parts))
        yield from _perceptual(partial(perceptual, predictor), trained, passes[""], exchanged, values)


def _perceptual(row: Callable[..., Measured], trained: Trained, whole: EpochResult,
                exchanged: Mapping[str, list[EpochResult]], values: str) -> Iterator[Measured]:
    """Mean loss of accuracy and its spread over permutations."""
    right = accuracy(trained.task, whole, values)
    for name, passes in exchanged.items():
        lost, deviation = spread([right - accuracy(trained.task, result, values) for result in passes])
        yield row(name, "drop", lost)
        yield row(name, "drop_std", deviation)


def samples(trained: Trained) -> list[dict[str, Any]]:
    """Effects of the first samples of every test split, and a t-SNE of the joint states of more of them."""
    found, task = [], trained.task
    for name in trained.dataset.test_splits:
        split = trained.dataset.splits[name]
        result = trained.predict(split, name)
        values, labels = result.values, result.labels
        found.append({
            "split": name, "ids": split.ids[:SHOWN],
            "labels": [""] * len(split) if labels is None else task.describe(labels[:EMBEDDED]),
            "predictions": task.decide(values["logits"][:SHOWN]), "classes": list(task.classes),
            "correct": [] if labels is None else task.correct(values["logits"], labels)[:SHOWN].tolist(),
            "effects": {effect: task.class_values(values[key][:SHOWN]).tolist()
                        for effect, key in trained.model.current_effects().items()},
            "direct_weights": dict(trained.model.direct_weights),
            "embedding": embed(values["hidden"][:EMBEDDED].double())})
    return found


def embed(states: torch.Tensor) -> list[list[float]]:
    """Two dimensions of t-SNE with a fixed seed. (N, H) -> N pairs.

    Empty where there is nothing to place: too few samples, states that are not finite, or all alike. scikit-learn ends
    the whole process on the last.
    """
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    spread = (states - states[:1]).abs().max().item() if len(states) >= 5 else 0.0
    if not math.isfinite(spread) or not spread:
        return []
    if not ORDINARY * max(1, states.abs().max().item()) < spread < 1 / ORDINARY:
        states = (states - states[:1]) / spread  # squares of distances would be 0 or infinite in single precision
    states = F.pad(states, (0, max(0, 2 - states.size(1))))  # one number is a point on a line, too
    with threadpool_limits(1):  # several wait for each other in every one of its thousand short steps
        placed = TSNE(perplexity=min(30, (len(states) - 1) / 3), init="pca", random_state=0).fit_transform(
            states.cpu().numpy())
    return [[round(float(x), 3) for x in pair] for pair in placed]
