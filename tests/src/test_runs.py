"""A run is listed by the state that its folder is in, and a stopped one with the command that continues it."""

import shlex
import shutil

import pytest

import main
from src import runs
from src.checkpoint import RESULTS
from src.locks import FolderLock
from tests.conftest import TINY


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The folder of one finished run."""
    place = tmp_path_factory.mktemp("runs")
    assert main.main([*TINY, "--data_path", str(place / "data"), "--checkpoint_path", str(place), "--name", "one"]) == 0
    return place


@pytest.fixture
def place(finished, tmp_path):
    """A copy that a test may spoil."""
    shutil.copytree(finished, tmp_path / "runs")
    return tmp_path / "runs"


def only(place):
    (found,) = runs.find(place)
    return found


def test_a_finished_run_has_its_settings_epochs_and_best_score(finished):
    run, path = only(finished), next(finished.glob("checkpoint(*)/*/*/history.csv"))
    head, *rows = (line.split(",") for line in path.read_text().splitlines())
    best = max(float(row[head.index("valid_accuracy_mean")]) for row in rows)
    assert run.cells == ["one", "1111", "causal", "mult", "synthetic", "finished", "2/2",
                         f"accuracy_mean {100 * best:.2f}"]
    assert run.command == ""


def test_an_epoch_ahead_is_not_the_best(place):
    folder = only(place).folder
    (folder / "config.yaml").write_text((folder / "config.yaml").read_text().replace("branch_epochs: 0",
                                                                                     "branch_epochs: 1"))
    head, first, second = (line.split(",") for line in (folder / "history.csv").read_text().splitlines())
    column = head.index("valid_accuracy_mean")
    first[column], second[column] = "0.9", "0.8"
    (folder / "history.csv").write_text("\n".join(map(",".join, (head, first, second))))
    assert only(place).score == "accuracy_mean 80.00"


def test_the_command_of_a_stopped_run_finishes_it(place, capsys):
    (only(place).folder / RESULTS).unlink()
    assert only(place).state == "stopped"
    assert runs.main([str(place)]) == 0
    command = shlex.split(capsys.readouterr().out.splitlines()[-1])
    assert command[:2] == ["python", "main.py"] and main.main(command[2:]) == 0
    assert only(place).state == "finished"


def test_a_run_that_a_process_works_in_is_running(place):
    with FolderLock(only(place).folder, ""):
        assert only(place).state == "running"


@pytest.mark.parametrize("name, content", [("results.json", "{}"), ("history.csv", ""), ("best_valid_acc.pt", None)])
def test_a_run_whose_files_are_damaged_is_broken(place, name, content):
    path = only(place).folder / name
    path.unlink()
    if content is not None:
        path.write_text(content)
    assert only(place).state == "broken"


def test_a_damaged_configuration_is_shown_as_unknown(place):
    (only(place).folder / "config.yaml").write_text("name: [")
    assert only(place).cells == ["?"] * 5 + ["finished", "2/?", "-"]


def test_runs_of_a_study_are_counted_by_state(place):
    run = only(place)
    run.settings["name"] = "mine-0123abcd"
    assert runs.overview([run, run]).endswith("study mine: 2 finished; its own command continues it")


def test_a_stopped_run_that_was_put_aside_has_no_command(place):
    (only(place).folder / RESULTS).unlink()
    only(place).folder.rename(only(place).folder.with_suffix(".1"))  # main.py would continue the newer one
    run = only(place)
    assert (run.cells[0], run.state, run.command) == ("one (.1)", "stopped", "")


def test_the_class_of_a_users_own_is_not_imported_and_stands_in_the_command(place):
    path = only(place).folder / "config.yaml"
    path.write_text(path.read_text().replace("backbone: mult", "backbone: nowhere:Mine"))
    assert only(place).cells == ["one", "1111", "causal", "nowhere:Mine", "synthetic", "finished", "2/?", "-"]
    (only(place).folder / RESULTS).unlink()
    assert only(place).command.endswith("--backbone=nowhere:Mine --resume")


def test_epochs_ahead_count_where_the_method_has_some(place):
    path = only(place).folder / "config.yaml"
    path.write_text(path.read_text().replace("branch_epochs: 0", "branch_epochs: 3"))
    assert only(place).cells[6] == "2/5"
    path.write_text(path.read_text().replace("method: causal", "method: late"))
    assert only(place).cells[6] == "2/2"


@pytest.mark.parametrize("below", ["", "checkpoint(synthetic)", "checkpoint(synthetic)/one_seed1111",
                                   "checkpoint(synthetic)/one_seed1111/mult-causal"])
def test_any_folder_on_the_way_to_a_run_shows_it(place, below):
    assert only(place / below).folder.name == "mult-causal"


def test_a_folder_without_runs_is_told_what_to_name(tmp_path, capsys):
    assert runs.main([str(tmp_path)]) == 1
    assert "holds no run" in capsys.readouterr().err
