"""Figures of a search: the best score so far, and which parameters go with the score."""

from collections.abc import Sequence
from itertools import accumulate

import numpy as np

from src.analysis.records import Score
from src.analysis.report import style
from src.analysis.report.fitting import folded_names
from src.analysis.report.style import Drawing, Mark
from src.analysis.tune.trials import Searched, Trial

HISTORY, IMPORTANCE = "history", "importance"
FEWEST = 3  # trials below which no rank correlation is shown


def drawings(done: Sequence[Searched], rule: str) -> dict[str, Drawing]:
    """File name -> figure; without that of the importance where no parameter has a rank correlation."""
    looks = style.marks(list(dict.fromkeys(one.search.usual.variant.label for one in done)))
    backbones = list(dict.fromkeys(one.search.usual.backbone for one in done))
    note = (f"{max(len(one.trials) for one in done)} trials per method, seed {done[0].search.usual.seed}; chosen by "
            f"{rule} on validation")
    made = {HISTORY: _history(done, looks, backbones, note)}
    found = [correlations(one) for one in done]
    return made | ({IMPORTANCE: _importance(done, found, looks, backbones, note)} if any(found) else {})


def _of(done: Sequence[Searched], backbone: str) -> list[tuple[int, Searched]]:
    return [(i, one) for i, one in enumerate(done) if one.search.usual.backbone == backbone]


def _history(done: Sequence[Searched], looks: dict[str, Mark], backbones: list[str], note: str) -> Drawing:
    """Score of every trial, and of the best one so far."""
    from matplotlib.ticker import MaxNLocator

    score = Score(done[0].measure)
    factor = 100 if score.share else 1
    figure, grid = style.panels([""], backbones, 2.9)
    for (_, backbone), axes in grid.items():
        for _, one in _of(done, backbone):
            mark, numbers = looks[one.search.usual.variant.label], [trial.number + 1 for trial in one.trials]
            best = accumulate(one.trials, _better)
            axes.plot(numbers, [factor * trial.score for trial in one.trials], linestyle="", marker=mark.marker,
                      markersize=3, color=mark.colour, alpha=0.4)
            axes.step(numbers, [factor * trial.score for trial in best], where="post", color=mark.colour,
                      linestyle=mark.line, linewidth=1.1)
        axes.set_xlabel("trial")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    grid["", backbones[0]].set_ylabel(f"validation {score.label}")
    handles = [style.line_handle(name, color=mark.colour, linestyle=mark.line, marker=mark.marker, markersize=3)
               for name, mark in looks.items()]
    title = "Search for settings: the best so far"
    style.finish(figure, title, f"{note}; line: best so far; points: single trials", handles)
    return Drawing(HISTORY, "", title, figure)


def _better(one: Trial, other: Trial) -> Trial:
    return other if other.merit > one.merit else one


def correlations(one: Searched) -> dict[str, float]:
    """Spearman's rank correlation of each parameter that is a number with the score, over the trials that have one."""
    from scipy.stats import spearmanr

    scored = [trial for trial in one.trials if np.isfinite(trial.score)]
    found = {}
    for name in one.trials[0].setting:
        values = [trial.setting[name] for trial in scored]
        if len(scored) >= FEWEST and len(set(values)) > 1 and not isinstance(values[0], str):
            found[name] = float(spearmanr(values, [trial.score for trial in scored]).statistic)
    return {name: value for name, value in found.items() if np.isfinite(value)}


def _importance(done: Sequence[Searched], found: list[dict[str, float]], looks: dict[str, Mark], backbones: list[str],
                note: str) -> Drawing:
    """A mark per parameter and method."""
    names = list(dict.fromkeys(name for one in found for name in one))
    figure, grid = style.panels([""], backbones, 0.8 + 0.25 * len(names), share_x=True)
    places, _ = style.dodge(len(looks))
    for (_, backbone), axes in grid.items():
        axes.axvline(0, color="#000000", linewidth=1)
        for i, one in _of(done, backbone):
            label = one.search.usual.variant.label
            heights = [names.index(name) + places[list(looks).index(label)] for name in found[i]]
            axes.plot(list(found[i].values()), heights, linestyle="", marker=looks[label].marker, markersize=4,
                      color=looks[label].colour)
        axes.set_yticks(range(len(names)), folded_names(names, 1.3, 2))
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.set_xlim(-1.05, 1.05)
        axes.set_xlabel("rank correlation")
    title = f"Rank correlation of each parameter with the validation score ({done[0].measure})"
    style.finish(figure, title, f"{note}; Spearman, over the trials; parameters that are words have none",
                 style.mark_handles(looks))
    return Drawing(IMPORTANCE, "", title, figure)
