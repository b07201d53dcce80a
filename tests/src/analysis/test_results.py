"""results.csv, one row per run: what is written is read again, and what is broken is named."""

import csv
import math

import pytest

from src.analysis.records import select
from src.analysis.results import read_study, score_name, write_results
from src.structures import InputError

RUN = {"study": "A study", "baseline": "plain", "fingerprint": "ab" * 32, "task": "classes:2", "dataset": "made",
       "condition": "", "backbone": "mult", "variant": "plain", "method": "plain", "fusion": "", "seed": 1,
       "selection": "best_valid_acc", "settings": "dim=8; num_epochs=1", "epoch": 3, "parameters": 10, "seconds": 1.5,
       "sha256": "cd" * 32, "versions": "python=3.11", "git": "0123"}


def score(value=0.5, **changes):
    return {"predictor": "prediction", "split": "test", "analysis": "test", "setting": "", "measure": "accuracy",
            "value": value} | changes


def written(path, *runs):
    write_results(path, [(RUN | changes, rows) for changes, rows in runs])
    return path


def cells(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_plain_scores_are_named_by_split_predictor_and_measure_others_by_their_setting_too():
    assert score_name(score() | {"selection": ""}, "best") == "test/prediction/accuracy"
    assert score_name(score(analysis="missing_zero", setting="ta", selection="best"), "best") == \
        "test/prediction/missing_zero/ta/accuracy"
    assert score_name(score(split="a/b@c", selection="other"), "best") == "a%2Fb%40c/prediction/accuracy@other"


def test_one_row_per_run_has_a_column_for_every_score_and_empty_cells_for_what_is_undefined(tmp_path):
    second = {"seed": 2}, [score(math.nan, measure="recall"), score()]
    path = written(tmp_path / "r.csv", ({}, [score(1 / 3)]), second)
    first, second = cells(path)
    assert (first["test/prediction/accuracy"], first["test/prediction/recall"]) == (str(1 / 3), "")
    assert (second["test/prediction/accuracy"], second["test/prediction/recall"]) == ("0.5", "")
    assert first["settings"] == "dim=8; num_epochs=1"


def test_what_was_written_is_read_again(tmp_path):
    rows = [score(1 / 3), score(math.nan, measure="correct", bits="3x80"), score(math.nan, measure="recall"),
            score(0.1, analysis="contribution", setting="text", measure="share"), score(0.25, selection="best_loss"),
            score(0.75, split="valid", analysis="valid")]
    study = read_study(written(tmp_path / "r.csv", ({"condition": "=1+1"}, rows)))
    assert (study.title, study.baseline, study.measure) == ("A study", "plain", {"made": "accuracy"})
    found = study.rows.set_index(["selection", "analysis", "measure"])
    assert found.loc[("best_valid_acc", "test", "accuracy"), ["value", "bits"]].tolist() == [1 / 3, "3x80"]
    assert math.isnan(found.loc[("best_valid_acc", "test", "recall"), "value"])
    assert found.loc[("best_loss", "test", "accuracy"), "value"] == 0.25 and len(found) == 5
    assert found.loc[("best_valid_acc", "valid", "accuracy"), "value"] == 0.75
    assert set(study.rows["condition"]) == {"=1+1"}


def test_an_analysis_that_a_run_has_not_got_has_no_rows(tmp_path):
    runs = ({}, [score()]), ({"variant": "tanh"}, [score(), score(0.2, predictor="fused")])
    rows = read_study(written(tmp_path / "r.csv", *runs)).rows
    assert list(select(rows, predictor="fused")["variant"]) == ["tanh"]


def test_one_seed_and_a_missing_shifted_split_are_told(tmp_path):
    notes = read_study(written(tmp_path / "r.csv", ({}, [score()]))).notes
    assert "One seed only" in notes[0] and "made has no shifted test split" in notes[1]


@pytest.mark.parametrize("blind, told", [(0.9, True), (0.5, False)])
def test_a_score_that_needs_no_input_is_told(tmp_path, blind, told):
    trivial = {"variant": "trivial", "method": "", "seed": "", "fingerprint": ""}, [score(blind)]
    notes = read_study(written(tmp_path / "r.csv", ({}, [score()]), trivial)).notes
    assert any("looks at no input has 90.0 % of accuracy" in note for note in notes) == told


def spoilt(path, **changes):
    """The file with other cells in its first row."""
    lines = cells(path)
    lines[0] |= changes
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, lines[0])
        writer.writeheader()
        writer.writerows(lines)
    return path


@pytest.mark.parametrize("changes, message", [
    ({"seed": "x"}, "'x' is no seed"), ({"seed": "-1"}, "is no seed"), ({"seed": "9" * 19}, "is no seed"),
    ({"seed": "2"}, "two rows are one run"), ({"task": "nosuch"}, "several values of task"),
    ({"baseline": "tanh"}, "several values of baseline"), ({"selection": "other"}, "several values of selection"),
    ({"variant": "v" * 301}, "more than 300 characters"),
    ({"test/prediction/accuracy": "x"}, "'x' in the column 'test/prediction/accuracy' is no score"),
    ({"test/prediction/accuracy": "nan"}, "is no score"), ({"test/prediction/accuracy": "1e999"}, "is no score"),
    ({"test/prediction/correct": "9x00"}, "is no correctness"), ({"nosuch": "1"}, "the column 'nosuch' is none of"),
    ({"a/b": "1"}, "is none of"), ({"test//accuracy": "1"}, "is none of"),
    ({"test/prediction/%61ccuracy": "1"}, "two of its columns are one score")])
def test_a_wrong_cell_or_column_is_named(tmp_path, changes, message):
    rows = [score(), score(math.nan, measure="correct", bits="8x00")]
    path = written(tmp_path / "r.csv", ({}, rows), ({"seed": 2}, rows))
    with pytest.raises(InputError, match=message):
        read_study(spoilt(path, **changes))


@pytest.mark.parametrize("content", [
    b"", b"\n", b"\xff\xfe", b"\0", b"a,b\n1", b'"', b'study"x', b"study,study\n", b"[" * 100_000, b"," * 200_000,
    b"study,baseline\nx,y\n"])
def test_a_file_that_is_no_results_csv_is_named(tmp_path, content):
    (tmp_path / "r.csv").write_bytes(content)
    with pytest.raises(InputError, match="cannot be used"):
        read_study(tmp_path / "r.csv")


def test_rows_of_other_lengths_and_files_without_runs_or_scores_are_named(tmp_path):
    whole = written(tmp_path / "r.csv", ({}, [score()])).read_text()
    head, line = whole.splitlines()
    for text, message in ((f"{head}\n{line},1\n", "row 2 has other columns"), (f"{head}\n", "it has no runs"),
                          (whole.replace("mult,plain,plain", "mult,trivial,plain"), "it has no runs"),
                          (f"{head.rpartition(',')[0]}\n{line.rpartition(',')[0]}\n", "it has no scores")):
        (tmp_path / "r.csv").write_text(text)
        with pytest.raises(InputError, match=message):
            read_study(tmp_path / "r.csv")
