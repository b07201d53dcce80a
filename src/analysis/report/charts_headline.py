"""The first figure of a report: every method in distribution and shifted, with what little a predictor may know."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from src.analysis.records import TRIVIAL, Study, model_seeds, select
from src.analysis.report.fitting import folded_names
from src.analysis.report.headline import Headline, headlines
from src.analysis.report.style import (
    TRIVIAL_LINE,
    Drawing,
    Mark,
    behind,
    dots,
    finish,
    line_handle,
    modality_marks,
    panels,
)
from src.analysis.statistics import summary

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

ANSWER = "The answer"
ALONE = {"text": "av", "audio": "tv", "vision": "ta"}  # modality -> the other two, which are removed
TITLES = ("in distribution", "shifted")


def drawings(study: Study, looks: dict[str, Mark]) -> Iterator[Drawing]:
    """The figure of the first answer, where there is one."""
    for found in headlines(study)[:1]:
        everything = study.places()[found.dataset, found.condition]
        rows = select(everything, predictor="prediction", measure=found.score.measure,
                      backbone=(found.backbone, ""), split=tuple(found.splits))
        yield Drawing(ANSWER, f"{found.place}, {found.backbone}", caption(found, rows), answer(found, rows, looks))


def answer(found: Headline, rows: "DataFrame", looks: dict[str, Mark]) -> "Figure":
    """Mean, deviation and seeds of every method, one panel in distribution and one shifted."""
    names = folded_names(found.variants, 1.4, 2)
    height = 0.5 + 0.32 * len(names) * max(name.count("\n") + 1 for name in names)
    figure, grid = panels([""], [f"{title} ({split})" for title, split in zip(TITLES, found.splits, strict=False)],
                          height, share_x=True)
    handles: dict[str, Any] = {}
    for split, axes in zip(found.splits, grid.values(), strict=True):
        for name, value, style in references(found, rows, split):
            axes.axvline(value, **style)
            handles.setdefault(name, line_handle(name, **style))
        here = select(rows, analysis="test", split=split)
        dots(axes, ((i, found.score.values(select(here, variant=variant)), looks[variant])
                    for i, variant in enumerate(found.variants)), (0, 0.25), upright=False)
        axes.set_yticks(range(len(names)), names)
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.grid(False, axis="y")
        axes.label_outer()
        axes.set_xlabel(found.score.label)
    for label, variant in zip(figure.axes[0].get_yticklabels(), found.variants, strict=True):
        label.set_fontweight("bold" if variant == found.best else "normal")
    own = select(rows, analysis="test", variant=tuple(found.variants))
    finish(figure, f"{found.place}, {found.backbone}: {found.score.measure} in distribution and shifted",
           behind(model_seeds(own)), list(handles.values()))
    return figure


def references(found: Headline, rows: "DataFrame", split: str) -> Iterator[tuple[str, float, dict[str, Any]]]:
    """Name, place and style of each line that a method should be compared with."""
    for value in found.score.values(select(rows, variant=TRIVIAL, split=split, analysis="test"))[:1]:
        yield "trivial predictor", value, TRIVIAL_LINE
    for modality, mark in modality_marks().items():
        chosen = select(rows, variant=found.baseline, split=split, analysis="missing_zero", setting=ALONE[modality])
        total = summary(found.score.values(chosen))
        if total.n:
            yield (f"{modality} only", total.mean,
                   {"color": mark.colour, "linestyle": mark.line, "linewidth": 1.2, "zorder": 1})


def caption(found: Headline, rows: "DataFrame") -> str:
    """What the figure of `answer` shows."""
    own = select(rows, analysis="test", variant=tuple(found.variants))
    singles = f", and {found.baseline} with one modality only, the others set to zero, measured in distribution"
    lines = "Vertical lines: the trivial predictor, which looks at no input" + (
        singles if len(select(rows, analysis="missing_zero")) else "")
    return (f"{found.score.label} of every method. Mark: mean over {behind(model_seeds(own))}. {lines}. "
            "Bold: the method of the answer.")
