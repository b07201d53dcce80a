"""A study from the command line to its report, on runs of a second."""

import csv
import json
import shutil
import subprocess

import pytest

from src.analysis import runs, study
from src.analysis.plan import jobs, plans
from src.analysis.runs import Runner, find_finished
from src.config import parse_study
from tests.conftest import TINY


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A study of two variants and two seeds, reported once: its folder and its arguments."""
    folder = tmp_path_factory.mktemp("study")
    argv = ["--fusions", "tanh", "--seeds", "1,2", "--jobs", "2", "--batch_size", "64", "--report",
            str(folder / "report"), "--checkpoint_path", str(folder), "--data_path", str(folder / "data"), *TINY,
            "--num_epochs", "1"]
    assert study.main(argv) == 0
    return folder, argv


def rows(folder):
    with (folder / "results.csv").open() as file:
        return list(csv.DictReader(file))


def copied(finished, tmp_path):
    """The runs of the study in a folder that a test may spoil, and arguments that use them there."""
    folder, argv = finished
    shutil.copytree(folder / "checkpoint(synthetic)", tmp_path / "checkpoint(synthetic)")
    return [str(tmp_path) if word == str(folder) else word.replace(str(folder / "report"), str(tmp_path / "report"))
            for word in argv]


def test_every_file_of_the_report_is_there_and_the_page_needs_no_network(finished):
    report = finished[0] / "report"
    assert {path.name for path in report.iterdir()} == {"results.csv", "tables.md", "tables.tex", "figures",
                                                        "report.html"}
    assert {path.suffix for path in (report / "figures").iterdir()} == {".png", ".svg"}
    page = (report / "report.html").read_text()
    assert 'src="http' not in page and 'href="http' not in page


def test_scores_are_those_that_training_wrote(finished):
    for row in rows(finished[0] / "report"):
        if row["variant"] != "trivial" and row["analysis"] == "test" and row["predictor"] == "prediction" \
                and row["measure"] == "accuracy_mean":
            results = json.loads(open(f"{row['run']}/results.json").read())
            expected = results["selections"][row["selection"]][row["split"]]["accuracy_mean"]
            assert float(row["value"]) == pytest.approx(expected, abs=1e-12)


def test_every_analysis_has_its_rows(finished):
    found = {(row["analysis"], row["predictor"]) for row in rows(finished[0] / "report") if row["variant"] == "tanh"}
    assert found == {(analysis, predictor) for predictor in ("prediction", "fused", "backbone") for analysis in (
        "test", "missing_zero", "missing_mean", "missing_shuffle", "random_missing", "contribution", "perceptual")}


def test_an_additive_fusion_never_decides_unlike_the_backbone(finished):
    found = [float(row["value"]) for row in rows(finished[0] / "report") if row["variant"] == "tanh"
             and row["measure"] == "differs_from_backbone" and row["predictor"] == "prediction"]
    assert len(found) == 2 * 3 and set(found) == {0.0}


def test_an_existing_report_is_kept_unless_it_may_be_overwritten(finished, capsys):
    folder, argv = finished
    before = (folder / "report" / "report.html").read_bytes()
    assert study.main(argv) == 1
    assert "exists; choose another --report, or give --overwrite" in capsys.readouterr().err
    assert (folder / "report" / "report.html").read_bytes() == before


def test_one_seed_says_so_and_finished_runs_are_found_under_any_name(finished, tmp_path, capsys, monkeypatch):
    argv = copied(finished, tmp_path)
    monkeypatch.setattr(subprocess, "run", lambda *a, **k: pytest.fail("nothing is left to train"))
    place = tmp_path / "checkpoint(synthetic)"
    for folder in place.iterdir():
        folder.rename(place / f"byhand_{folder.name}")
    assert study.main([*argv, "--seeds", "2"]) == 0
    assert "2 runs in this study, 0 of them to train" in capsys.readouterr().out
    assert "One seed only: there is no spread" in (tmp_path / "report" / "tables.md").read_text()


def unfinished(argv, capsys):
    """Jobs that the study would train, and what it says about the runs it cannot use."""
    options, extra = parse_study(argv)
    found, notes = find_finished(options.checkpoint_path)
    runner = Runner(options, extra)
    return [job for job in jobs(plans(options), extra) if job.fingerprint(runner.sha256(job)) not in found], notes


def test_runs_of_another_format_or_without_checkpoints_are_named_and_not_used(finished, tmp_path, capsys):
    argv = copied(finished, tmp_path)
    first, second, *_ = sorted(tmp_path.glob("checkpoint(*)/*/*"))
    results = json.loads((first / "results.json").read_text())
    (first / "results.json").write_text(json.dumps(results | {"format": 0}))
    (second / "best_valid_acc.pt").unlink()
    missing, notes = unfinished(argv, capsys)
    assert len(missing) == 2 and len(notes) == 2
    assert "another format" in notes[0] and "without checkpoints" in notes[1]


def test_runs_on_other_data_are_not_used(finished, tmp_path, capsys):
    argv = copied(finished, tmp_path)
    assert len(unfinished([*argv, "--synthetic_noise", "0.3"], capsys)[0]) == 4
    assert unfinished(argv, capsys)[0] == []


def test_an_interrupted_run_is_continued(finished, tmp_path, capsys, monkeypatch):
    argv = copied(finished, tmp_path)
    cut = sorted(tmp_path.glob("checkpoint(*)/*/*"))[0]
    (cut / "results.json").unlink()
    called = []
    original = subprocess.run
    monkeypatch.setattr(runs.subprocess, "run", lambda words, **k: called.append(words) or original(words, **k))
    assert study.main([*argv, "--analyses="]) == 0
    assert len(called) == 1 and called[0][-1] == "--resume" and (cut / "results.json").exists()


def test_a_run_that_fails_is_named_with_its_reason_and_no_report_is_written(tmp_path, capsys):
    data = tmp_path / "own.pkl"
    data.write_bytes(b"no pickle")
    assert study.main(["--datasets", str(data), "--task", "classes:2", "--report", str(tmp_path / "report"),
                       "--checkpoint_path", str(tmp_path)]) == 1
    assert "own.pkl" in capsys.readouterr().err and not (tmp_path / "report").exists()
