import math
import re
from pathlib import Path
from xml.etree import ElementTree

import matplotlib
import pytest
from matplotlib.collections import PathCollection

from src.analysis.records import (
    RunRecord,
    SampleRecord,
    Score,
    Study,
    frame,
    model_seeds,
    seeds_of,
    seeds_text,
    select,
)
from src.analysis.report import charts_modalities, charts_models, charts_scores
from src.analysis.report.figures import save_figures
from src.analysis.report.style import BARS, COLOURS, MARKERS, behind, marks

LOOKS = marks(["plain", "tanh"])
SCORE = Score("accuracy")


def row(variant: str = "plain", seed: int = 1, value: float = 0.5, **changes: object) -> dict:
    """A row of a study."""
    return {"dataset": "synthetic", "condition": "text 0.8", "backbone": "mult", "variant": variant, "seed": seed,
            "selection": "best_valid_acc", "predictor": "prediction", "split": "test", "analysis": "test",
            "setting": "", "measure": "accuracy", "value": value} | changes


def study(rows: list[dict], runs: list[RunRecord] = (), samples: list[SampleRecord] = ()) -> Study:
    """A study of one measure."""
    return Study("Title", rows, list(runs), list(samples), [], [], {"synthetic": "accuracy"})


def run(seed: int, epochs: int) -> RunRecord:
    """A run whose validation score is a tenth of its epoch."""
    history = [{"epoch": e, "train_loss": 1.0, "valid_loss": 2.0, "valid_accuracy": e / 10} for e in
               range(1, epochs + 1)]
    return RunRecord("synthetic", "", "mult", "plain", seed, "plain", "", Path(), "", history, 1.0, 1, "", {}, 2)


def sections(found: Study) -> list[str]:
    """Sections of the figures that a study has data for, without drawing them to files."""
    return [drawing.section for charts in (charts_scores, charts_modalities, charts_models)
            for drawing in charts.drawings(found, LOOKS)]


def points(axes: object) -> set[tuple[float, float]]:
    """All places in a panel with a mark, and those that lines go through."""
    places = [at for line in axes.lines for at in zip(*line.get_data(), strict=True)]
    for made in axes.collections:
        if isinstance(made, PathCollection):
            places += made.get_offsets().tolist()
        elif made.get_transform() == axes.transData:  # lines between categories are no data
            places += [at for line in made.get_segments() for at in line.tolist()]
    return {(round(float(x), 6), round(float(y), 6)) for x, y in places}


def test_select_takes_one_value_or_several():
    rows = frame([row(seed=seed) for seed in (1, 2, 3)])
    assert list(select(rows, seed=(1, 3), variant="plain")["seed"]) == [1, 3]


def test_two_values_for_a_seed_are_refused():
    with pytest.raises(ValueError, match="two values for one seed"):
        seeds_of(frame([row(), row(selection="best_valid_loss")]))


def test_models_with_other_seeds_are_named():
    rows = [row(seed=1), row(seed=2), row("sum"), row("sum", seed=2), row("tanh"), row("trivial", seed=-1)]
    found = seeds_text(model_seeds(frame(rows)))
    assert found == "2 seeds (1, 2); mult tanh: one seed only (1): no spread, no interval"


def test_error_bars_are_mentioned_only_where_there_are_any():
    assert BARS not in behind([("mult plain", 1), ("mult tanh", 1)])
    assert BARS in behind([("mult plain", 1), ("mult plain", 2)], BARS)


def test_pairs_of_colour_and_marker_repeat_late():
    found = marks([str(i) for i in range(len(COLOURS) * len(MARKERS))])
    assert len({(mark.colour, mark.marker) for mark in found.values()}) == len(found)


def test_shift_draws_means_seeds_and_the_trivial_line_in_percent():
    rows = [row(value=0.4), row(seed=2, value=0.6), row("trivial", seed=-1, value=0.25, backbone="")]
    figure = charts_scores.shift(frame(rows), LOOKS, SCORE, "name").figure
    heights = {y for _, y in points(figure.axes[0])}
    assert {40, 50, 60, 25} <= heights
    assert len(figure.axes) == 1  # the trivial predictor is no backbone


def test_one_seed_is_hollow_and_said_to_be_alone():
    figure = charts_scores.shift(frame([row(value=0.4)]), LOOKS, SCORE, "name").figure
    marks = [made for made in figure.axes[0].findobj(PathCollection) if len(made.get_offsets())]
    assert [made.get_facecolor().tolist() for made in marks] == [[[1, 1, 1, 1]]]
    assert any("one seed only (1)" in text.get_text() for text in figure.texts)


def test_a_panel_of_many_variants_is_as_wide_as_the_page():
    names = [f"variant {number}" for number in range(13)]
    for shown, width in ((names[:12], 3.4), (names, 7.0)):
        rows = frame([row(name) for name in shown])
        assert charts_scores.shift(rows, marks(shown), SCORE, "name").figure.get_figwidth() == width


def difference(rows: list[dict]) -> set[tuple[float, float]]:
    """Places that the figure of differences draws on, without the line at zero."""
    paired = charts_scores.paired_rows(frame(rows), "plain")
    figure = charts_scores.difference(paired, LOOKS, SCORE, "name", "plain").figure
    return {at for at in points(figure.axes[0]) if at[0] != 0}


def test_difference_is_taken_seed_by_seed_over_common_seeds():
    rows = [row(seed=seed, value=value) for seed, value in enumerate((0.9, 0.1, 0.5, 0.2))]
    rows += [row("tanh", seed, value) for seed, value in ((2, 0.6), (1, 0.3), (3, 0.5), (4, 0.9))]
    # 20, 10 and 30 have mean 20 and standard error 10 / sqrt 3, and t is 4.3027 with two degrees of freedom.
    reach = 4.302653 * 10 / 3 ** 0.5
    found = sorted(difference(rows))
    assert [at for at, _ in found] == pytest.approx([20 - reach, 20, 20 + reach]) and {y for _, y in found} == {0}


def test_difference_of_one_seed_has_no_interval():
    assert difference([row(value=0.1), row("tanh", value=0.3)]) == {(20.0, 0.0)}


def test_the_interval_over_samples_stands_below_that_over_seeds():
    # All 40 samples are right instead of wrong: no resample can differ.
    rows = [row(value=0, bits="40x0000000000"), row("tanh", value=1, bits="40xffffffffff")]
    assert difference(rows) == {(100.0, 0.0), (100.0, 0.22)}


def test_strength_needs_three_strengths_of_one_modality():
    rows = [row(condition=f"{modality} {value}") for modality, values in
            (("text", (0.3, 0.5, 0.9)), ("audio", (0.3, 0.5))) for value in values]
    found = charts_scores.strengths(frame([*rows, row(condition="aligned"), row("tanh", condition="text 0.5")]))
    assert list(zip(found["modality"], found["strength"], strict=True)) == [("text", 0.3), ("text", 0.5), ("text", 0.9)]


def test_strength_draws_shifted_scores_dashed():
    rows = [row(condition=f"text {at}", split=split, value=at) for at in (0.3, 0.5, 0.9)
            for split in ("test", "test_shifted")]
    figure = charts_scores.strength(charts_scores.strengths(frame(rows)), LOOKS, SCORE, "name").figure
    assert [line.get_linestyle() for line in figure.axes[0].lines] == ["-", "--"]
    assert points(figure.axes[0]) == {(0.3, 30), (0.5, 50), (0.9, 90)}


def test_predictors_of_one_network_stand_beside_each_other():
    rows = [row(value=0.1), *(row("tanh", value=value, predictor=name) for name, value in
                              (("prediction", 0.2), ("fused", 0.3), ("backbone", 0.4)))]
    figure = charts_scores.predictors(frame(rows), LOOKS, SCORE, "name", study(rows)).figure
    heights = {y for _, y in points(figure.axes[0])}
    assert heights == {10, 20, 30, 40}


def test_the_area_is_no_point_of_the_curve():
    rows = [row(analysis="random_missing", setting=setting, value=value) for setting, value in
            (("0.0", 0.9), ("0.5", 0.4), ("area", 0.65))]
    (drawing,) = charts_modalities.drawings(study(rows), LOOKS)
    assert points(drawing.figure.axes[0]) == {(0.0, 90), (0.5, 40)}


def test_random_missing_is_drawn_at_what_is_really_missing():
    rows = [row(analysis="random_missing", setting="0.9", measure=measure, value=value) for measure, value in
            (("accuracy", 0.4), ("realised_rate", 0.657))]
    (drawing,) = charts_modalities.drawings(study(rows), LOOKS)
    assert points(drawing.figure.axes[0]) == {(0.657, 40)} and "0.9, leaves out 0.657" in drawing.caption


def test_missing_modalities_stand_in_order():
    rows = [row(analysis="missing_zero", setting=setting) for setting in ("av", "t", "")]
    figure = charts_modalities.missing(frame(rows), LOOKS, SCORE, "name", "zeros").figure
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == ["none", "T", "A+V"]


def test_the_plain_model_stands_among_backbones_too():
    rows = [row(variant, analysis="contribution", setting=modality, measure="share", value=value, predictor=predictor)
            for variant, predictor, value in (("plain", "prediction", 0.2), ("tanh", "prediction", 0.3),
                                              ("tanh", "backbone", 0.4)) for modality in ("text", "audio", "vision")]
    _, below = charts_modalities.contributions(frame(rows), "name", "plain").figure.axes
    heights = {round(y) for _, y in points(below)}
    assert {20, 40} <= heights and 30 not in heights


def test_the_mean_of_training_curves_ends_with_the_shortest_run():
    figure = charts_models.curves([run(1, 3), run(2, 5)], LOOKS, SCORE, "name")
    thick = [line for line in figure.axes[0].lines if line.get_linewidth() == 1.6]
    assert [list(line.get_xdata()) for line in thick] == [[1, 2, 3]]


def test_thinning_keeps_both_ends():
    found = charts_models.thinned(range(1000), 50)
    assert len(found) == 50 and (found[0], found[-1]) == (0, 999)


def test_joint_states_are_drawn_by_label_though_fewer_samples_have_ids():
    record = SampleRecord("synthetic", "", "mult", "plain", 1, "test", ["x"], ["b", "a", "b"], ["b"], ["a", "b"], {},
                          [[0, 0], [1, 1], [2, 2]])
    figure = charts_models.states([record], "name")
    assert [list(line.get_xdata()) for line in figure.axes[0].lines] == [[1], [0, 2]]


def test_sections_without_data_are_left_out():
    assert sections(study([row()])) == [charts_scores.SHIFT]
    assert sections(study([row("trivial", seed=-1, backbone="")])) == []


def test_the_baseline_is_what_the_study_names():
    rows = [row("tanh", value=0.4), row(value=0.5)]
    found = Study("Title", rows, [], [], [], [], {"synthetic": "accuracy"}, baseline="tanh")
    _, drawing = charts_scores.drawings(found, LOOKS)
    assert (10, 0) in points(drawing.figure.axes[0]) and "minus tanh" in drawing.caption


def test_the_other_selection_is_not_drawn():
    (drawing,) = charts_scores.drawings(study([row(value=0.4), row(value=0.9, selection="best_valid_loss")]), LOOKS)
    assert {y for _, y in points(drawing.figure.axes[0])} == {40}


def test_a_measure_that_is_no_share_keeps_its_unit():
    assert Score("mae").values(frame([row(value=0.8)])) == [0.8] and "lower is better" in Score("mae").label


def test_a_value_that_is_not_defined_does_not_stop_the_figure():
    figure = charts_scores.shift(frame([row(value=math.nan), row(seed=2, value=0.5)]), LOOKS, SCORE, "name").figure
    assert 50 in {y for _, y in points(figure.axes[0])}


def test_figures_are_saved_as_png_and_svg_without_touching_global_settings(tmp_path):
    before = dict(matplotlib.rcParams)
    (first, second) = save_figures(study([row()], [run(1, 3)]), tmp_path / "new")
    assert first.png.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert ElementTree.parse(second.svg).getroot().tag.endswith("svg")
    assert re.fullmatch(r"002-training-curves-synthetic-mult", second.name)
    assert dict(matplotlib.rcParams) == before


def test_undefined_values_are_left_out_of_every_figure(tmp_path):
    analyses = {"test": "accuracy", "missing_zero": "accuracy", "random_missing": "accuracy", "contribution": "share"}
    settings = {"random_missing": "0.5", "contribution": "text"}
    rows = [row(variant, seed, value, analysis=analysis, measure=measure, setting=settings.get(analysis, ""))
            for analysis, measure in analyses.items() for variant in ("plain", "tanh")
            for seed, value in ((1, math.nan), (2, math.nan if variant == "tanh" else 0.5))]
    files = save_figures(study([*rows, row("trivial", -1, math.nan, backbone="")]), tmp_path)
    assert len(files) == 6 and "3 of 4 shares are not shown" in files[-1].caption
