"""A study from the command line to its report, on runs of a second."""

import csv
import json
import shutil
import signal
import subprocess
import sys
import time
from itertools import islice

import pytest

from src.analysis.records import select
from src.analysis.report import __main__ as report
from src.analysis.report.figures import figures
from src.analysis.results import read_study
from src.analysis.study import __main__ as study
from src.analysis.study import measured
from src.analysis.study.executor import threads
from src.analysis.study.grid import jobs, plans
from src.analysis.study.local import Local
from src.analysis.study.runner import Runner
from src.analysis.study.stored import find_finished
from src.config import parse_study
from src.locks import FolderLock, busy
from src.options import InferenceOptions
from src.structures import InputError
from tests.conftest import TINY, draw_nothing, sentiment_content, write

pytestmark = pytest.mark.xdist_group("study")  # in one process, since the fixture takes as long as ten tests


def save_few(patch):
    """Save every third figure, of all kinds of data; to save takes most of a report's time."""
    patch.setattr("src.analysis.report.figures.figures", lambda study: islice(figures(study), 0, None, 3))


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A study of two variants and two seeds, reported once: its folder and its arguments."""
    folder = tmp_path_factory.mktemp("study")
    argv = ["--fusions", "tanh", "--seeds", "1,2", "--jobs", "2", "--measure_batch_size", "64", "--report",
            str(folder / "report"), "--checkpoint_path", str(folder), "--data_path", str(folder / "data"), *TINY,
            "--num_epochs", "1", "--oracle", "--tune", "1",
            "--analyses", "missing,contributions,audit"]
    with pytest.MonkeyPatch.context() as patch:
        save_few(patch)
        assert study.main(argv) == 0
    return folder, argv


def rows(folder):
    with (folder / "results.csv").open() as file:
        return list(csv.DictReader(file))


def folders(place):
    """The folders of finished runs."""
    return sorted(path.parent for path in place.glob("checkpoint(*)/*/*/results.json"))


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
    assert {path.suffix for path in (report / "figures").iterdir()} == {".png", ".svg", ".pdf"}
    page = (report / "report.html").read_text()
    assert 'src="http' not in page and 'href="http' not in page


def test_scores_are_those_that_training_wrote(finished):
    runs = [json.loads(path.read_text()) for path in finished[0].glob("checkpoint(*)/*/*/results.json")]
    found = {(run["config"]["method"], str(run["config"]["seed"])): run for run in runs}
    for row in rows(finished[0] / "report")[:4]:
        results = found[row["method"], row["seed"]]
        for selection, name in (("best_valid_acc", ""), ("best_valid_loss", "@best_valid_loss")):
            expected = results["selections"][selection]["test_shifted"]["accuracy_mean"]
            assert float(row[f"test_shifted/prediction/accuracy_mean{name}"]) == pytest.approx(expected, abs=1e-12)
            valid = results["selections"][selection]["valid"]["valid_accuracy_mean"]
            assert float(row[f"valid/prediction/accuracy_mean{name}"]) == valid


def test_there_is_one_row_per_run_and_one_for_the_trivial_predictor(finished):
    found = rows(finished[0] / "report")
    assert [(row["variant"], row["seed"]) for row in found] == [
        ("plain", "1"), ("tanh", "1"), ("plain", "2"), ("tanh", "2"), ("trivial", "")]
    assert len({row["fingerprint"] for row in found}) == 5 and not found[0]["test/fused/accuracy_mean"]
    assert "num_epochs=1" in found[0]["settings"].split("; ")
    assert found[0]["study"] == "CausalMER study: synthetic, settings chosen from 1 trials by valid_score"


def test_a_placebo_modality_has_no_effect_and_only_methods_with_effects_have_a_distance(finished):
    found = rows(finished[0] / "report")[:2]  # plain and tanh; vision is a placebo in what it says alone
    assert [float(row["test/prediction/audit/vision/kl_no_effect"] or -1) for row in found] == [-1, pytest.approx(0)]
    assert float(found[1]["test/prediction/audit/text/kl_effect"]) > 0
    assert "KL of the effect text" in (finished[0] / "report" / "tables.md").read_text()
    assert any("do-effects" in path.name for path in (finished[0] / "report" / "figures").iterdir())


def test_results_tell_no_place_of_a_machine(finished):
    assert str(finished[0]) not in (finished[0] / "report" / "results.csv").read_text()


def test_the_stored_correctness_of_samples_gives_the_accuracy(finished):
    for row in rows(finished[0] / "report")[:4]:
        count, digits = row["test/prediction/correct"].split("x")
        right = bin(int(digits, 16)).count("1")
        assert count == "24" and right / 24 == pytest.approx(float(row["test/prediction/accuracy_4class"]))


def test_tables_and_figures_of_scores_are_made_again_byte_for_byte(finished, tmp_path, monkeypatch):
    save_few(monkeypatch)
    folder = finished[0] / "report"
    shutil.copy(folder / "results.csv", tmp_path / "mine.csv")
    assert report.main([str(tmp_path / "mine.csv")]) == 0
    made = sorted(path for path in (tmp_path / "mine").rglob("*.*"))
    assert {path.name for path in made} >= {"tables.md", "tables.tex"} and len(made) == 2 + 3 * 4
    for path in made:
        assert path.read_bytes() == (folder / path.relative_to(tmp_path / "mine")).read_bytes(), path.name


def test_every_analysis_has_its_rows(finished):
    found = select(read_study(finished[0] / "report" / "results.csv").rows, variant="tanh")
    assert set(zip(found["analysis"], found["predictor"], strict=True)) == {("valid", "prediction"), (
        "choice", "prediction")} | {
        (analysis, predictor) for predictor in ("prediction", "fused", "backbone") for analysis in (
            "test", "missing_zero", "missing_mean", "missing_shuffle", "random_missing", "contribution", "perceptual",
            "audit")}


def test_what_the_test_labels_would_choose_is_told_and_called_not_attainable(finished):
    tables = (finished[0] / "report" / "tables.md").read_text()
    table = tables.split("what is chosen on which labels")[1].split("\n**")[0]
    assert "| published | valid | cautious | oracle (not attainable) |" in table and "cautious - valid" in table
    assert table.count("| mult | tanh | test") == 3
    rows = read_study(finished[0] / "report" / "results.csv").rows
    found = select(rows, analysis="choice", measure="accuracy_4class")
    by_choice = found.pivot_table("value", ["variant", "seed", "split"], "setting", aggfunc="sum")
    assert (by_choice["oracle"] >= by_choice[["published", "valid", "cautious"]].max(axis=1)).all()
    assert (found["bits"].str.startswith("24x")).all() and len(found) == 2 * 2 * 3 * 4


def test_an_additive_fusion_never_decides_unlike_the_backbone(finished):
    found = [float(row[f"{split}/prediction/differs_from_backbone"]) for row in rows(finished[0] / "report")
             if row["variant"] == "tanh" for split in ("test", "test_shifted", "test_reversed")]
    assert found == [0.0] * 6


def test_an_existing_report_is_kept_unless_it_may_be_overwritten(finished, capsys):
    folder, argv = finished
    before = (folder / "report" / "report.html").read_bytes()
    assert study.main(argv) == 1
    assert "exists; choose another --report, or give --overwrite" in capsys.readouterr().err
    assert (folder / "report" / "report.html").read_bytes() == before


@pytest.mark.usefixtures("undrawn")
def test_one_seed_says_so_and_finished_runs_are_found_under_any_name(finished, tmp_path, capsys, monkeypatch):
    argv = copied(finished, tmp_path)
    monkeypatch.setattr(Local, "run", lambda *a, **k: pytest.fail("nothing is left to train"))
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
    trainer = Runner(options)
    return [job for job in jobs(plans(options), extra) if job.fingerprint(trainer.sha256(job)) not in found], notes


def test_runs_of_another_format_or_without_checkpoints_are_named_and_not_used(finished, tmp_path, capsys):
    argv = copied(finished, tmp_path)
    first, second, *_ = folders(tmp_path)
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


@pytest.mark.usefixtures("undrawn")
def test_an_interrupted_run_is_continued(finished, tmp_path, capsys, monkeypatch):
    argv = copied(finished, tmp_path)
    cut = folders(tmp_path)[0]
    (cut / "results.json").unlink()
    called, original = [], Local.run
    monkeypatch.setattr(Local, "run", lambda self, command, stopping: (called.append(command.now())
                                                                       or original(self, command, stopping)))
    assert study.main([*argv, "--analyses="]) == 0
    assert len(called) == 1 and called[0][-1] == "--resume" and (cut / "results.json").exists()


def test_a_run_that_fails_is_named_with_its_reason_and_no_report_is_written(tmp_path, capsys):
    data = tmp_path / "own.pkl"
    data.write_bytes(b"no pickle")
    assert study.main(["--datasets", str(data), "--task", "classes:2", "--report", str(tmp_path / "report"),
                       "--checkpoint_path", str(tmp_path)]) == 1
    assert "own.pkl" in capsys.readouterr().err and not (tmp_path / "report").exists()


DAMAGE = [b"", b"null", b"[]", b"5", b"{", b"[" * 100_000, b"\xff\xfe", b'{"format": 2}',
          b'{"format": 2, "config": []}']


@pytest.mark.parametrize("damage", DAMAGE, ids=lambda damage: repr(damage[:20]))
def test_damaged_results_are_named_and_not_used(finished, tmp_path, capsys, damage):
    argv = copied(finished, tmp_path)
    (folders(tmp_path)[0] / "results.json").write_bytes(damage)
    missing, notes = unfinished(argv, capsys)
    assert len(missing) == 1 and len(notes) == 1 and "damaged" in notes[0]


def nested(content):
    """Every way to reach a value of results.json, whose kind a damage can change."""
    for key, value in content.items():
        yield (key,)
        if isinstance(value, dict):
            yield from ((key, *rest) for rest in nested(value))


def test_no_value_of_another_kind_in_results_is_an_error(finished, tmp_path, capsys):
    copied(finished, tmp_path)
    first, *others = sorted(tmp_path.glob("checkpoint(*)/*"))
    for folder in others:
        shutil.rmtree(folder)
    path = next(first.glob("*/results.json"))
    whole = json.loads(path.read_text())
    kept = ("format", "data", "parameters", "seconds", "selections", "versions")
    for way in nested({key: whole[key] for key in kept}):
        for wrong in ([], "x", 10**400):
            content = json.loads(json.dumps(whole))
            inner = content
            for key in way[:-1]:
                inner = inner[key]
            inner[way[-1]] = wrong
            path.write_text(json.dumps(content))
            find_finished(tmp_path)


@pytest.mark.parametrize("damage", [b"", b"epoch,seconds\n1", b"\xff", b'"' * 200_000,
                                    b"epoch,seconds,train_loss,valid_loss\n1,x,1,1\n"])
def test_a_damaged_history_is_named_and_its_run_not_used(finished, tmp_path, capsys, damage):
    argv = copied(finished, tmp_path)
    (folders(tmp_path)[0] / "history.csv").write_bytes(damage)
    missing, notes = unfinished(argv, capsys)
    assert len(missing) == 1 and "damaged" in notes[0]


def test_damaged_measurements_are_made_again(finished, tmp_path):
    argv = copied(finished, tmp_path)
    folder = folders(tmp_path)[0]
    path = folder / "measures_best_valid_acc.json"
    whole, options = path.read_text(), parse_study([*argv, "--analyses="])[0]
    place = InferenceOptions(data_path=tmp_path / "data")
    for damage in ("null", whole[:-100], json.dumps(json.loads(whole) | {"rows": "x"})):
        path.write_text(damage)
        assert isinstance(measured.measured(folder, False, options, place)["rows"], list)


def test_two_studies_of_one_report_are_not_mixed(finished, tmp_path, capsys):
    argv = copied(finished, tmp_path)
    with FolderLock(tmp_path / "report", ""):
        assert study.main(argv) == 1
    assert "another process works in" in capsys.readouterr().err and not (tmp_path / "report").exists()


@pytest.mark.usefixtures("undrawn")
def test_what_a_killed_study_left_of_a_report_is_no_report(finished, tmp_path):
    argv = [*copied(finished, tmp_path), "--analyses="]
    (tmp_path / "report" / ".report.999999999.partial" / "figures").mkdir(parents=True)
    (tmp_path / "report" / "results.csv").write_text("moved before the page")
    assert study.main(argv) == 0
    assert {path.name for path in (tmp_path / "report").iterdir()} == study.FILES


@pytest.mark.usefixtures("undrawn")
def test_an_earlier_report_stays_where_the_new_one_cannot_be_written(finished, tmp_path, monkeypatch, capsys):
    argv = [*copied(finished, tmp_path), "--analyses="]
    shutil.copytree(finished[0] / "report", tmp_path / "report")
    before = {path: path.read_bytes() for path in (tmp_path / "report").rglob("*.*")}

    def full(*_):
        raise InputError("the disk is full")
    monkeypatch.setattr(study, "write_report", full)
    assert study.main([*argv, "--overwrite"]) == 1
    assert {path: path.read_bytes() for path in (tmp_path / "report").rglob("*.*")} == before


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_study_that_ends_leaves_no_run_behind(tmp_path, number):
    words = ["--fusions=tanh", "--seeds=1,2", "--jobs=2", f"--report={tmp_path / 'report'}", *TINY,
             f"--checkpoint_path={tmp_path}", f"--data_path={tmp_path / 'data'}", "--num_epochs=100000"]
    process = subprocess.Popen([sys.executable, "-m", "src.analysis.study", *words], stderr=subprocess.PIPE, text=True,
                               stdout=subprocess.DEVNULL)
    while process.poll() is None and len(list(tmp_path.glob("checkpoint(*)/*/*/history.csv"))) < 2:
        time.sleep(0.05)
    process.send_signal(number)
    error = process.communicate(timeout=60)[1]
    if number == signal.SIGTERM:
        assert process.returncode == 143 and error.strip() == "stopped; the same command continues"
        assert not (tmp_path / "report").exists()
    ends = time.monotonic() + 60
    while any(busy(folder) for folder in tmp_path.glob("checkpoint(*)/*/*")) and time.monotonic() < ends:
        assert number == signal.SIGKILL  # whose runs find out by themselves
        time.sleep(0.1)
    assert not any(busy(folder) for folder in tmp_path.glob("checkpoint(*)/*/*"))


def test_a_study_of_undefined_measures_and_constant_features_says_the_same_twice(tmp_path, monkeypatch):
    content = sentiment_content()
    content["test"]["labels"] = 0 * content["test"]["labels"]
    for split in content.values():
        for name in ("text", "audio", "vision"):
            split[name] = split[name] * 0 + 1
    argv = ["--datasets", str(write(tmp_path / "mine.pkl", content)), "--task", "sentiment7", "--methods", "plain",
            "--seeds", "1", "--fills", "zero", "--device", "cpu", "--dim", "8", "--num_heads", "2", "--nlevels", "1",
            "--kernel_t", "1", "--kernel_a", "1", "--kernel_v", "1", "--num_epochs", "1", "--analyses=",
            "--checkpoint_path", str(tmp_path)]
    for name in ("first", "second"):
        assert study.main([*argv, "--report", str(tmp_path / name)]) == 0
        draw_nothing(monkeypatch)  # once is enough
    texts = [{path.name: path.read_text() for path in (tmp_path / name).iterdir() if path.suffix in (".csv", ".md")}
             for name in ("first", "second")]
    assert texts[0] == texts[1]
    first, _ = rows(tmp_path / "first")
    assert first["test/prediction/acc2_neg_pos"] == "" and first["test/prediction/acc7"] != ""
    assert first["dataset"] == "mine" and str(tmp_path) not in texts[0]["results.csv"]


def test_finished_runs_of_an_own_backbone_are_found_if_the_study_names_it(finished, tmp_path, monkeypatch):
    copied(finished, tmp_path)
    (tmp_path / "own.py").write_text("from src.registry import BACKBONES\nclass Own(BACKBONES['mult']): pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    path = sorted(tmp_path.glob("checkpoint(*)/*/*/results.json"))[0]
    results = json.loads(path.read_text())
    results["config"]["backbone"] = "own:Own"
    path.write_text(json.dumps(results))
    assert path.parent not in find_finished(tmp_path)[0].values()
    assert path.parent in find_finished(tmp_path, ("own:Own",))[0].values()


def test_batch_size_reaches_the_runs_and_not_the_measurements():
    options, extra = parse_study(["--batch_size", "16", "--measure_batch_size", "64", "--seeds", "1"])
    assert options.measure_batch_size == 64
    assert {job.config.training.batch_size for job in jobs(plans(options), extra)} == {16}


def test_the_users_count_of_threads_wins(monkeypatch):
    options, _ = parse_study(["--jobs", "256"])
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert threads(options) == {"OMP_NUM_THREADS": "1"}
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    assert threads(options) == {}


def test_the_folder_of_a_run_is_that_of_its_command(finished):
    options, extra = parse_study(finished[1])
    trainer = Runner(options)
    assert all((trainer.folder(job) / "results.json").exists() for job in jobs(plans(options), extra))


def test_help_needs_no_pandas():
    code = ("import sys; from src.analysis.study.__main__ import main\ntry: main(['--help'])\nexcept SystemExit: pass\n"
            "assert not {'pandas', 'matplotlib', 'scipy.stats', 'sklearn'} & sys.modules.keys()")
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
