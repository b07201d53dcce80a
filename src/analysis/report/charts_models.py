"""Figures of single models: how they were trained, and where their joint states lie."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from src.analysis.records import RunRecord, SampleRecord, Score, Study, in_order, place_name
from src.analysis.report.style import (
    NEUTRAL,
    Drawing,
    Mark,
    behind,
    class_marks,
    finish,
    line_handle,
    mark_handles,
    panels,
)
from src.analysis.statistics import summary

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CURVES, STATES = "Training curves", "Joint states"
ACROSS = 5  # variants side by side
POINTS = 120  # epochs of a single line; more cannot be seen
LOSSES = {"train_loss": ("training", "--"), "valid_loss": ("validation", "-")}
CLASSES = 20  # more labels than these are read as numbers on a scale, or are the most frequent ones and others
OTHERS = "others"


def drawings(study: Study, looks: dict[str, Mark]) -> Iterator[Drawing]:
    """All figures of single models, section by section."""
    groups: dict[tuple[str, str, str], list[RunRecord]] = {}
    for run in study.runs:
        if run.history:
            groups.setdefault((run.dataset, run.condition, run.backbone), []).append(run)
    for (dataset, condition, backbone), runs in groups.items():
        variants = in_order("variant", [run.variant for run in runs])
        for start in range(0, len(variants), ACROSS):
            shown = variants[start:start + ACROSS]
            chosen = [run for run in runs if run.variant in shown]
            name = f"{place_name(dataset, condition)}, {backbone}" + (f", from {shown[0]}" if start else "")
            score = Score(study.measure[dataset])
            yield Drawing(CURVES, name, curves_caption(chosen, score), curves(chosen, looks, score, name))
    models: dict[tuple, list[SampleRecord]] = {}
    for record in study.samples:
        if record.embedding:
            models.setdefault(record.model, []).append(record)
    for (dataset, condition, backbone, seed, split), records in models.items():
        name = f"{place_name(dataset, condition)}, {backbone}, seed {seed}, {split}"
        yield Drawing(STATES, name, states_caption(records), states(records, name))


def curves(runs: list[RunRecord], looks: dict[str, Mark], score: Score, name: str) -> "Figure":
    """Validation score above, losses below, one column per variant; single seeds thin, their mean thick."""
    variants = in_order("variant", [run.variant for run in runs])
    figure, grid = panels(["score", "loss"], variants, 1.8, share_x=True, share_y=False, narrow=2)
    for j, variant in enumerate(variants):
        chosen = [run for run in runs if run.variant == variant]
        above, below = grid["score", variant], grid["loss", variant]
        colour, factor = looks[variant].colour, 100 if score.share else 1
        _lines(above, chosen, f"valid_{score.measure}", colour, "-", factor)
        for run in chosen:
            selected = [row for row in run.history if row["epoch"] == run.epoch and f"valid_{score.measure}" in row]
            above.plot([row["epoch"] for row in selected], [factor * row[f"valid_{score.measure}"] for row in selected],
                       linestyle="", marker="o", markersize=3.5, color=colour, markerfacecolor="white", zorder=4)
        for column, (_, line) in LOSSES.items():
            _lines(below, chosen, column, colour, line)
        below.set_xlabel("epoch")
        if j == 0:
            above.set_ylabel(f"validation\n{score.label}")
            below.set_ylabel("loss")
        else:  # the scales of losses differ by variant, those of the score do not
            above.sharey(grid["score", variants[0]])
    handles = [line_handle(f"{text} loss", color=NEUTRAL, linestyle=line, linewidth=1.6)
               for text, line in LOSSES.values()]
    handles.append(line_handle("selected epoch", color=NEUTRAL, marker="o", markersize=3.5, linestyle="",
                               markerfacecolor="white"))
    finish(figure, f"{name}: validation score and losses over the epochs",
           behind(_run_seeds(runs), "thick: mean over seeds, thin: single seeds"), handles)
    return figure


def curves_caption(runs: list[RunRecord], score: Score) -> str:
    """What the figure of `curves` shows."""
    shown = behind(_run_seeds(runs), "thick: mean over seeds, thin: single seeds")
    return (f"Validation {score.label} and losses over the epochs by variant; {shown}. Circles: the selected epoch of "
            "every run. The loss of a causal variant is the sum of its task losses and of the alignment of its "
            "constants, so its scale is not that of a plain loss.")


def _lines(axes: "Axes", runs: list[RunRecord], column: str, colour: str, line: str, factor: float = 1) -> None:
    """One column of the histories: single seeds, and their mean over the epochs that all of them reached."""
    found = [{row["epoch"]: factor * row[column] for row in run.history if column in row} for run in runs]
    found = [history for history in found if history]
    if not found:
        return
    for history in found:
        epochs = thinned(list(history))
        axes.plot(epochs, [history[epoch] for epoch in epochs], color=colour, linestyle=line, linewidth=0.5,
                  alpha=0.45)
    common = thinned(sorted(set.intersection(*(set(history) for history in found))))
    axes.plot(common, [summary([history[epoch] for history in found]).mean for epoch in common], color=colour,
              linestyle=line, linewidth=1.6)


def thinned(items: Sequence, count: int = POINTS) -> list:
    """At most `count` items, evenly spaced, with the first and the last."""
    if len(items) <= count:
        return list(items)
    return [items[round(i * (len(items) - 1) / (count - 1))] for i in range(count)]


def _run_seeds(runs: list[RunRecord]) -> list[tuple[str, int]]:
    return [(f"{run.backbone} {run.variant}", run.seed) for run in runs]


def states(records: list[SampleRecord], name: str) -> "Figure":
    """t-SNE of the joint state, coloured by label, one panel per variant, the baseline first."""
    by_variant, told = {record.variant: record for record in records}, _told(records)
    labels = _label_order({label for own in told.values() for label in own}, records[0].classes)
    figure, grid = panels([""], in_order("variant", by_variant), 3.1, share_y=False)
    scale, looks = len(labels) > CLASSES and _numbers(labels) is not None, class_marks(labels)
    for (_, variant), axes in grid.items():
        placed = list(zip(by_variant[variant].embedding, told[variant], strict=True))
        if scale:
            drawn = axes.scatter([x for (x, _), _ in placed], [y for (_, y), _ in placed], s=5, rasterized=True,
                                 c=[float(label) for _, label in placed], cmap="cividis")
        else:
            for label in labels:
                points = [point for point, own in placed if own == label]
                axes.plot([x for x, _ in points], [y for _, y in points], linestyle="", marker=looks[label].marker,
                          color=looks[label].colour, markersize=2.6, alpha=0.7, markeredgewidth=0, rasterized=True)
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(True)
    if scale:
        figure.colorbar(drawn, ax=list(grid.values()), label="label", shrink=0.8)
    finish(figure, f"{name}: t-SNE of the joint state",
           f"{len(records[0].embedding)} samples, one seed only; axes of a t-SNE have no unit, and distances between "
           "groups no meaning", [] if scale else mark_handles(looks))
    return figure


def _told(records: list[SampleRecord]) -> dict[str, list[str]]:
    """Variant -> labels of the samples that have a place; too many different ones that are no numbers are put together.

    Sets of labels, and several numbers, are of so many kinds.
    """
    told = {record.variant: record.labels[:len(record.embedding)] for record in records}
    counts = Counter(label for own in told.values() for label in own)
    if len(counts) <= CLASSES or _numbers(list(counts)) is not None:
        return told
    common = {label for label, _ in counts.most_common(CLASSES - 1)}
    return {variant: [label if label in common else OTHERS for label in own] for variant, own in told.items()}


def states_caption(records: list[SampleRecord]) -> str:
    """What the figure of `states` shows."""
    first = records[0]
    return (f"t-SNE of the joint state of the first {len(first.embedding)} samples of {first.split}, coloured by their "
            f"label; {first.backbone}, one seed only ({first.seed}), variants beside each other. Each panel is an "
            "embedding of its own, so only groups within a panel can be compared.")


def _label_order(labels: set[str], classes: list[str]) -> list[str]:
    """Labels in the order of the classes where they are classes, else by number where all are numbers."""
    if labels <= set(classes):
        return [name for name in classes if name in labels]
    numbers = _numbers(labels)
    return sorted(labels, key=lambda label: (numbers[label], label)) if numbers else sorted(labels)


def _numbers(labels: set[str] | list[str]) -> dict[str, float] | None:
    """Label -> number, None where one is none."""
    try:
        return {label: float(label) for label in labels}
    except ValueError:
        return None
