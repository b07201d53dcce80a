"""Figures are used in a paper as they are: their size, their letters, and that no two texts overlap."""

import re
from collections.abc import Iterator
from itertools import chain, combinations

import matplotlib
import pytest
from matplotlib.text import Text

from src.analysis.records import Study, select
from src.analysis.report import charts_headline, charts_modalities, charts_models, charts_scores, figures, page
from src.analysis.report.figures import FigureFile, save_figures
from src.analysis.report.style import (
    COLOURS,
    MARKERS,
    MODALITY_COLOURS,
    NARROW,
    STYLE,
    WIDE,
    Drawing,
    class_marks,
    marks,
    modality_marks,
)
from src.methods import BASELINE
from tests.src.analysis.report import example

VARIANTS = (BASELINE, "tanh, fused auxiliary", example.LONG, example.LONG.replace("0.75", "0.5"))
LOOKS = marks(VARIANTS)
BACKBONES = ("mult", "a_laboratory.backbones.transformers:HierarchicalCrossModalTransformer")


def drawings(study: Study) -> Iterator[Drawing]:
    """All figures but the embeddings of all but one split, which look alike."""
    study.samples[:] = [record for record in study.samples if record.split == "test"]
    return chain(*(charts.drawings(study, LOOKS) for charts in (charts_headline, charts_scores, charts_modalities,
                                                                charts_models)))


@pytest.fixture(scope="module")
def drawn() -> list[Drawing]:
    """Every kind of figure of a study with long names, laid out."""
    with matplotlib.rc_context(STYLE):
        found = list(drawings(example.study(backbones=BACKBONES, variants=VARIANTS, seeds=(1, 2))))
        for drawing in found:
            drawing.figure.draw_without_rendering()
    return found


def texts(drawing: Drawing) -> list[Text]:
    """All texts that are seen; ticks beyond the ends of an axis are not."""
    found = []
    for axes in drawing.figure.axes:
        for axis, (low, high) in ((axes.xaxis, axes.get_xlim()), (axes.yaxis, axes.get_ylim())):
            found += [tick.label1 for tick in axis.get_major_ticks()
                      if not min(low, high) <= tick.get_loc() <= max(low, high)]
    return [text for text in drawing.figure.findobj(Text) if text.get_visible() and text.get_text().strip()
            and text not in found]


def test_every_text_has_seven_points(drawn):
    assert {text.get_fontsize() for drawing in drawn for text in texts(drawing)} == {7}


def test_every_figure_has_the_width_of_one_column_or_of_two(drawn):
    assert {drawing.figure.get_figwidth() for drawing in drawn} <= {NARROW, WIDE}


def test_long_names_do_not_overlap(drawn):
    for drawing in drawn:
        boxes = [(text.get_text(), text.get_window_extent().padded(-0.5)) for text in texts(drawing)]
        assert [(one, other) for (one, a), (other, b) in combinations(boxes, 2) if a.overlaps(b)] == [], drawing.section


def test_long_names_stay_inside_the_figure(drawn):
    for drawing in drawn:
        area = drawing.figure.bbox.padded(1)
        outside = [text.get_text() for text in texts(drawing) if not (
            area.x0 <= text.get_window_extent().x0 and text.get_window_extent().x1 <= area.x1)]
        assert outside == [], drawing.section


def test_a_legend_means_the_same_in_every_figure():
    others = [*modality_marks().values(), *class_marks([str(i) for i in range(8)]).values()]
    assert not {mark.colour for mark in others} & set(COLOURS) and not {mark.marker for mark in others} & set(MARKERS)
    assert not set(charts_scores.SIGNS) & set(MARKERS)


def test_the_page_gives_modalities_the_colours_of_the_figures():
    light = (page.HERE / "page.css").read_text().split("@media")[0]
    assert tuple(re.findall(r"--effect-[123]: (#\w+);", light)) == MODALITY_COLOURS


@pytest.fixture(scope="module")
def saved(tmp_path_factory) -> list[list[FigureFile]]:
    """The figures of a small study, saved here and, as those of a large one are, by another process."""
    study = example.study(backbones=("mult",), variants=(BASELINE, "tanh"), seeds=(1, 2))
    study.rows = select(study.rows, analysis="test", predictor="prediction")
    study.runs.clear()
    study.samples.clear()
    here = save_figures(study, tmp_path_factory.mktemp("figures"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(figures, "MANY", 0)
        patch.setattr(figures, "MOST", 1)
        return [here, save_figures(study, tmp_path_factory.mktemp("figures"))]


def test_figures_are_the_same_bytes_each_time(saved):
    first, second = ([path.read_bytes() for file in files for path in (file.png, file.svg, file.pdf)]
                     for files in saved)
    assert first == second


def test_text_of_a_vector_figure_is_text(saved):
    file = saved[0][0]
    assert ">tanh</text>" in file.svg.read_text() and b"/Subtype /Type3" not in file.pdf.read_bytes()
