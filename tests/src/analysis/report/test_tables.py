"""What stands in the cells, from scores chosen by hand."""

import math

from src.analysis.records import Study
from src.analysis.report.formats import to_markdown, to_tex
from src.analysis.report.tables import score_tables, study_tables

SCORES = {"plain": {1: 0.50, 2: 0.60, 3: 0.40}, "tanh": {1: 0.60, 2: 0.80, 3: 0.70}}


def row(variant, seed, value, measure="accuracy_4class", dataset="synthetic", **more):
    return {"dataset": dataset, "condition": "text 0.8", "backbone": "mult", "variant": variant, "seed": seed,
            "method": "plain" if variant == "plain" else "causal", "fusion": "", "selection": "best_valid_acc",
            "predictor": "prediction", "split": "test", "analysis": "test", "setting": "", "measure": measure,
            "value": value, "run": ""} | more


def made(rows, measure="accuracy_4class", dataset="synthetic", baseline="plain"):
    study = Study("made", rows, [], [], ["a note"], [], {dataset: measure}, "best_valid_acc", baseline)
    study.tables += study_tables(study)
    return study


def scored(**more):
    return [row(variant, seed, value, split=split, **more) for split in ("test", "test_shifted")
            for variant, by_seed in SCORES.items() for seed, value in by_seed.items()]


def test_mean_deviation_difference_and_interval_by_hand():
    head, trivial, plain, tanh = score_tables(made(scored()))[0][2]
    assert head[:4] == ["backbone", "variant", "n", "test"]
    assert plain[:5] == ["mult", "plain", "3", "50.0 +- 10.0", "-"]
    # Differences 0.1, 0.2 and 0.3: 0.2 +- 4.3027 * 0.1 / sqrt 3; t = sqrt 12 has p = 1 - t / sqrt(t^2 + 2) = 0.074.
    assert tanh[3:5] == ["70.0 +- 10.0", "+20.0 seeds [-4.8, +44.8] p 0.074"]


def test_two_seeds_are_too_few_for_an_interval():
    rows = [one for one in scored() if one["seed"] < 3]
    assert score_tables(made(rows))[0][2][3][3:5] == ["70.0 +- 14.1", "+15.0 seeds (n too small)"]


def test_equal_differences_have_no_interval():
    rows = [row(variant, seed, value) for variant, value in (("plain", 0.5), ("tanh", 0.6)) for seed in (1, 2, 3)]
    assert score_tables(made(rows))[0][2][3][4] == "+10.0 seeds (all equal)"


def test_the_interval_over_samples_stands_beside_that_over_seeds():
    # Wrong everywhere against right everywhere, on 32 samples.
    rows = [row(variant, 1, value, bits=bits) for variant, value, bits in
            (("plain", 0.0, "32x00000000"), ("tanh", 1.0, "32xffffffff"))]
    assert score_tables(made(rows))[0][2][3][4] == "+100.0 seeds (n too small) samples [+100.0, +100.0]"


def test_another_baseline_stands_first_and_is_what_others_are_compared_with():
    head, _, first, second = score_tables(made(scored(), baseline="tanh"))[0][2]
    assert head[4] == "difference to tanh" and first[1] == "tanh" and first[4] == "-"
    assert second[1] == "plain" and second[4].startswith("-20.0 seeds [-44.8, +4.8]")


def test_the_trivial_predictor_has_its_line_and_the_paper_its_column():
    trivial = row("trivial", -1, 0.75, "accuracy_mean", "iemocap", backbone="", selection="")
    scores = [row(v, s, x, "accuracy_mean", "iemocap") for v, by_seed in (*SCORES.items(), ("mask", SCORES["tanh"]))
              for s, x in by_seed.items()]
    head, first, plain, *others = score_tables(made([trivial, *scores], "accuracy_mean", "iemocap"))[0][2]
    assert first[:4] == ["-", "trivial", "-", "75.0"] and head[-1] == "paper"
    assert plain[-1] == "-" and {line[1]: line[-1] for line in others} == {
        "tanh": "-", "mask": "accuracy_mean 83.4"}  # the abstract's figure of CausalMER with MulT


def test_tie_is_compared_with_f_and_z_m_of_the_same_networks():
    rows = [row("mask", seed, value, predictor=predictor) for predictor, values in
            {"prediction": (0.5, 0.7), "fused": (0.4, 0.5), "backbone": (0.5, 0.8)}.items()
            for seed, value in zip((1, 2), values, strict=True)]
    rows += [row("mask", seed, 0.25, "differs_from_backbone") for seed in (1, 2)]
    head, line = next(table for table in made(rows).tables if "predictors" in table[0])[2]
    assert head[4:9] == ["prediction", "F", "z_m", "prediction - F", "prediction - z_m"]
    assert line[2:] == ["test", "2", "60.0 +- 14.1", "45.0 +- 7.1", "65.0 +- 21.2", "+15.0 seeds (n too small)",
                        "-5.0 seeds (n too small)", "25.0 +- 0.0"]


def test_a_predictor_without_words_has_its_name():
    rows = [row("mask", 1, value, predictor=name) for name, value in (("prediction", 0.5), ("debiased", 0.25))]
    head, line = next(table for table in made(rows).tables if "predictors" in table[0])[2]
    assert head[4:7] == ["prediction", "debiased", "prediction - debiased"] and line[4:6] == ["50.0", "25.0"]


def test_the_table_says_what_share_is_really_missing():
    rows = [row("plain", 1, value, measure, analysis="random_missing", setting=setting) for measure, setting, value in
            (("accuracy_4class", "area", 0.5), ("realised_rate", "0.9", 0.657))]
    head, line = next(table for table in made([row("plain", 1, 0.5), *rows]).tables if "missing" in table[0])[2]
    assert head[3] == "random, area (to 66 % really missing)" and line[3] == "50.0"


def test_distance_to_the_known_right_answer():
    removed = [row("plain", 1, value, analysis="missing_zero", setting=letters)
               for letters, value in zip(("t", "a", "v", "ta", "tv", "av"), (0.25, 0.35, 0.15, 0.25, 0.85, 0.25),
                                         strict=True)]
    values = [row("plain", 1, value, "shapley", analysis="contribution", setting=name)
              for name, value in (("text", 1.5), ("audio", 0.75), ("vision", 1.0))]
    trivial = row("trivial", -1, 0.35, backbone="", selection="")
    table = next(table for table in made([trivial, *removed, *values]).tables if "right answer" in table[0])
    assert table[2][1][3::2] == ["16.7", "0.750"]  # (3 * 0.1 + 0.2 + 0.5) / 6; 0.5 + 0.25
    unknown = [one | {"value": math.nan} for one in values]
    table = next(table for table in made([trivial, *removed, *unknown]).tables if "right answer" in table[0])
    assert table[2][1][5] == "-"  # and no distance of 0, the best there is


def test_markdown_and_latex_hold_every_cell_and_escape_what_latex_reserves():
    study = made(scored())
    assert "| mult | tanh | 3 | 70.0 +- 10.0 | +20.0 seeds [-4.8, +44.8] p 0.074 |" in to_markdown(study)
    tex = to_tex(study)
    assert r"accuracy\_4class, test scores" in tex and r"70.0 $\pm$ 10.0" in tex and tex.count(r"\begin{table}") == 1
    assert r"95 \% bootstrap" in tex


def test_an_undefined_measure_is_a_dash_and_its_seed_does_not_count():
    rows = [row(variant, seed, value) for variant, values in
            {"plain": (0.5, math.nan, 0.7), "tanh": (math.nan,) * 3}.items() for seed, value in enumerate(values)]
    _, _, plain, tanh = score_tables(made([row("trivial", -1, math.nan, backbone="", selection=""), *rows]))[0][2]
    assert plain[2:4] == ["2", "60.0 +- 14.1 (n 2)"] and tanh[2:5] == ["0", "-", "-"]
