"""Searches by Optuna, which share a journal."""

import pytest

import main
from src.analysis.study.local import Local
from src.analysis.tune import __main__ as tune
from src.analysis.tune import optuna_sampler
from src.train import Trainer
from tests.src.analysis.test_tune import arguments, called, rows  # noqa: F401
from tests.src.test_honest import with_noise

optuna = pytest.importorskip("optuna")
pytestmark = pytest.mark.xdist_group("tune")


def trials(folder):
    """The one study of a folder's journal."""
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    storage = JournalStorage(JournalFileBackend(str(folder / "optuna.journal")))
    (name,) = optuna.get_all_study_names(storage)
    assert name.startswith("plain own:Class synthetic ")
    return optuna.load_study(study_name=name, storage=storage)


def test_a_search_is_continued_with_the_trials_of_all_processes(called, tmp_path):  # noqa: F811
    argv = arguments(tmp_path, "--methods=plain", "--sampler=optuna")
    assert tune.main(argv) == 0 and len(called) == 3
    before = (tmp_path / "report" / "trials.csv").read_bytes()
    assert tune.main([*argv, "--overwrite"]) == 0 and len(called) == 3
    assert (tmp_path / "report" / "trials.csv").read_bytes() == before
    assert tune.main([*argv, "--overwrite", "--trials=5", "--jobs=2"]) == 0 and len(called) == 5
    assert [row["m_lr"] for row in rows(tmp_path)][0] == "0.002" and len(rows(tmp_path)) == 5
    assert [float(row["valid_score"]) for row in rows(tmp_path)] == [one.value for one in trials(tmp_path).trials]


def test_a_trial_that_a_stopped_process_left_is_finished_first(called, monkeypatch, tmp_path):  # noqa: F811
    train, argv = Local.run, arguments(tmp_path, "--methods=plain", "--sampler=optuna")

    def cut(self, command, stopping):
        if len(called) == 1:
            raise KeyboardInterrupt
        return train(self, command, stopping)
    monkeypatch.setattr(Local, "run", cut)
    assert tune.main(argv) == 130
    assert [one.state.name for one in trials(tmp_path).trials] == ["COMPLETE", "RUNNING"]
    monkeypatch.setattr(Local, "run", train)
    assert tune.main(argv) == 0 and len(called) == 3
    assert [one.state.name for one in trials(tmp_path).trials] == ["COMPLETE"] * 3


def test_no_test_split_has_a_part_in_what_optuna_asks_for(called, tmp_path):  # noqa: F811
    found = []  # the first ten trials of TPE are random, so the last one is what it learnt
    for file in with_noise(tmp_path):
        argv = arguments(file.parent, f"--datasets={file}", "--task=emotion4", "--methods=plain", "--sampler=optuna",
                         "--trials=11")
        assert tune.main(argv) == 0
        found.append([(row["m_lr"], row["valid_score"], row["best"]) for row in rows(file.parent)])
    assert found[0] == found[1]


def test_a_trial_below_the_median_is_cut_short_and_stays_so(called, monkeypatch, tmp_path):  # noqa: F811
    def run(self, command, stopping):  # as a process would be, the run is stopped between two epochs
        def save(trainer):
            saved(trainer)
            if stopping.is_set():
                raise KeyboardInterrupt
        monkeypatch.setattr(Trainer, "_save_last", save)
        called.append(command.now())
        try:
            main.run(called[-1])
        except KeyboardInterrupt:
            return "stopped"
        return ""

    def history(folder):  # the fifth trial alone is bad
        return [row | {"valid_accuracy_mean": 0.1 if len(called) == 5 else 0.9} for row in read(folder)]
    saved, read = Trainer._save_last, optuna_sampler.history
    monkeypatch.setattr(Local, "run", run)
    monkeypatch.setattr(optuna_sampler, "history", history)
    argv = arguments(tmp_path, "--methods=plain", "--sampler=optuna", "--prune", "--trials=6", "--num_epochs=3")
    assert tune.main(argv) == 0 and len(called) == 6
    assert [one.state.name for one in trials(tmp_path).trials] == [*["COMPLETE"] * 4, "PRUNED", "COMPLETE"]
    assert trials(tmp_path).trials[4].intermediate_values == {1: 0.1}
    assert [row["outcome"] for row in rows(tmp_path)] == [*["finished"] * 4, "cut short", "finished"]
    assert rows(tmp_path)[4]["folder"] == rows(tmp_path)[4]["valid_score"] == ""
    assert len(list(tmp_path.rglob("last.pt"))) == 6 and len(list(tmp_path.rglob("results.json"))) == 5
    assert tune.main([*argv, "--overwrite"]) == 0 and len(called) == 6


@pytest.mark.parametrize("content", ["no journal", "5\n", "{}\n", '{"op_code": 0}\n', "[]\n"])
def test_a_journal_that_is_none_is_named(called, tmp_path, capsys, content):  # noqa: F811
    (tmp_path / "optuna.journal").write_text(content + "\n")
    assert tune.main(arguments(tmp_path, "--sampler=optuna")) == 1
    error = capsys.readouterr().err
    assert "optuna.journal is no journal of Optuna" in error and error.count("\n") == 1 and called == []


def test_a_setting_that_main_py_refuses_is_no_trial(called, tmp_path):  # noqa: F811
    # 8 heads do not divide a width of 20, the least of the three that are drawn from.
    words = ["--methods=unimodal", "--sampler=optuna", "--trials=6", "--text_branch=attention", "--attention_heads=8"]
    assert tune.main(arguments(tmp_path, *words)) == 0
    assert len(rows(tmp_path)) == 6 and not {row["attention_width"] for row in rows(tmp_path)} & {"20"}
