"""A search for settings from the command line to its report; runs are trained in this process."""

import csv
import json
import sys
from dataclasses import replace

import pytest
import torch

import main
from src.analysis.study.drawing import draw, ranges
from src.analysis.study.grid import fingerprint, jobs, plans
from src.analysis.study.local import Local
from src.analysis.study.runner import Runner
from src.analysis.study.tuning import searches, tuned
from src.analysis.tune import __main__ as tune
from src.analysis.tune import report
from src.analysis.tune.charts import correlations
from src.analysis.tune.trials import Searched, Trial
from src.config import parse_config, parse_tune
from src.engine import DIVERGED
from src.registry import BACKBONES, METHODS
from src.structures import DROPOUTS, RATES, InputError
from src.writing import write_text
from tests.conftest import Means, install
from tests.src.test_honest import with_noise

pytestmark = pytest.mark.xdist_group("tune")  # in one process, since the fixture takes as long as ten tests
LIGHT = [f"--{name}_branch=light" for name in ("text", "audio", "vision")]
FLAGS = [*LIGHT, "--light_width=4", "--num_epochs=1", "--batch_size=16", "--device=cpu", "--backbones=own:Class",
         "--seeds=1"]


def in_this_process(called):
    """In the place of `Local.run`: the command without a process of its own."""
    def run(self, command, stopping):
        called.append(command.now())
        try:
            main.run(called[-1])
        except InputError as error:
            return str(error)
        return ""
    return run


@pytest.fixture
def called(monkeypatch):
    """The commands that are run; figures are empty files, since drawing takes longer than these trainings."""
    words = []
    monkeypatch.setattr(report, "save", lambda drawing, folder, name: write_text(folder / f"{name}.png", ""))
    install(monkeypatch, Means)
    monkeypatch.setattr(Local, "run", in_this_process(words))
    return words


def arguments(folder, *more):
    sizes = [] if any(word.startswith("--datasets") for word in more) else ["--synthetic_sizes=48,24,24"]
    return [*FLAGS, *sizes, f"--checkpoint_path={folder}", f"--report={folder / 'report'}",
            f"--data_path={folder / 'data'}", "--methods=plain,rubi", "--trials=3", *more]


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A search of three trials for two methods: its folder."""
    folder = tmp_path_factory.mktemp("tune")
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        install(patch, Means)
        patch.setattr(Local, "run", in_this_process([]))
        assert tune.main(arguments(folder)) == 0
    return folder


def rows(folder):
    with (folder / "report" / "trials.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def search(*argv):
    """The first search of a command line."""
    options, extra = parse_tune([*argv])
    return searches(plans(options.study), extra)[0]


def test_the_report_has_the_trials_the_best_settings_and_two_figures(done):
    assert {path.name for path in (done / "report").iterdir()} == {
        "trials.csv", "figures", "best-plain-own-class.yaml", "best-rubi-own-class.yaml"}
    assert {path.name for path in (done / "report" / "figures").iterdir()} == {
        f"{name}.{form}" for name in ("history", "importance") for form in ("png", "svg", "pdf")}


def test_every_method_has_as_many_trials_and_the_first_is_its_default(done):
    assert [(row["method"], row["trial"]) for row in rows(done)] == [
        (method, str(number)) for method in ("plain", "rubi") for number in (1, 2, 3)]
    assert {row["m_lr"] for row in rows(done)[::3]} == {"0.002"}  # the preset of the synthetic data
    assert len({row["m_lr"] for row in rows(done)}) == 5


def test_the_best_is_the_first_with_the_highest_validation_score_that_training_wrote(done):
    for method in ("plain", "rubi"):
        found = [row for row in rows(done) if row["method"] == method]
        for row in found:
            results = json.loads((done / row["folder"] / "results.json").read_text())
            assert float(row["valid_score"]) == results["selections"]["best_valid_acc"]["valid"]["valid_accuracy_mean"]
        best = max(found, key=lambda row: float(row["valid_score"]))
        assert [row["best"] for row in found] == [str(row is best) for row in found]


def test_the_file_of_the_best_setting_is_exactly_that_run(done, called):
    for row in rows(done):
        if row["best"] == "True":
            file = done / "report" / f"best-{row['method']}-own-class.yaml"
            config = parse_config([f"--config={file}", "--backbone=own:Class"])
            sha256 = json.loads((done / row["folder"] / "results.json").read_text())["data"]["sha256"]
            assert fingerprint(config, sha256) == row["fingerprint"]


def test_the_number_of_trials_and_the_rule_stand_beside_the_score(done, called, capsys):
    first = (done / "report" / "best-rubi-own-class.yaml").read_text().splitlines()[0]
    assert "best of 3 trials (random) by valid_score, validation accuracy_mean" in first
    assert {(row["trials"], row["selection"]) for row in rows(done)} == {("3", "valid_score")}
    assert tune.main(arguments(done, "--overwrite")) == 0
    printed = capsys.readouterr().out
    assert first.removeprefix("# ") in printed and "\npython main.py --dataset=synthetic" in printed


def test_finished_trials_are_not_trained_again_and_more_trials_are_the_same_and_further_ones(done, called, tmp_path):
    before = (done / "report" / "trials.csv").read_bytes()
    assert tune.main(arguments(done, "--overwrite")) == 0 and called == []
    assert (done / "report" / "trials.csv").read_bytes() == before
    earlier = {row["fingerprint"] for row in rows(done)}
    assert tune.main(arguments(done, "--trials=4", f"--report={tmp_path / 'report'}")) == 0
    assert len(called) == 2 and {row["fingerprint"] for row in rows(tmp_path)} > earlier


def test_a_search_that_was_cut_off_continues_with_the_same_command(called, monkeypatch, tmp_path, capsys):
    train = Local.run

    def cut(self, command, stopping):
        if len(called) == 2:
            raise KeyboardInterrupt
        return train(self, command, stopping)
    monkeypatch.setattr(Local, "run", cut)
    assert tune.main(arguments(tmp_path)) == 130
    assert "stopped; the same command continues" in capsys.readouterr().err and not (tmp_path / "report").exists()
    monkeypatch.setattr(Local, "run", train)
    assert tune.main(arguments(tmp_path)) == 0 and len(called) == 6


def test_the_study_tunes_by_the_same_draws(done, called):
    options, extra = parse_tune(arguments(done))
    study = replace(options.study, tune=3)
    best = tuned(plans(study), extra, study, Runner(study).bring)
    assert called == []
    assert [job.fingerprint(Runner(study).sha256(job)) for job in jobs(best, extra)] == [
        row["fingerprint"] for row in rows(done) if row["best"] == "True"]


def test_no_test_split_has_a_part_in_draws_and_choice(called, tmp_path):
    found = []
    for file in with_noise(tmp_path):
        assert tune.main(arguments(file.parent, f"--datasets={file}", "--task=emotion4")) == 0
        found.append([{key: row[key] for key in ("m_lr", "t_lr", "light_layers", "valid_score", "best")}
                      for row in rows(file.parent)])
    assert found[0] == found[1]


def test_a_draw_depends_on_method_backbone_data_and_number_and_on_no_other_flag():
    usual = search("--methods=plain").usual
    assert draw(usual, 0) == {} and draw(usual, 3) == draw(search("--methods=plain", "--seeds=7").usual, 3)
    fewer = draw(search("--methods=plain", "--nlevels=3").usual, 3)
    assert fewer == {name: value for name, value in draw(usual, 3).items() if name != "nlevels"}
    others = [search("--methods=plain", "--backbones=pmr").usual, search("--methods=rubi").usual,
              search("--methods=plain", "--datasets=mosi").usual]
    rates = [draw(job, 3)["m_lr"] / job.config.method.m_lr for job in (usual, *others)] + [
        draw(usual, 4)["m_lr"] / usual.config.method.m_lr]
    assert len(set(rates)) == 5 and all(0.1 <= rate <= 10 for rate in rates)


def test_rates_are_drawn_around_the_default_on_a_log_scale_and_dropout_evenly():
    assert RATES.at(0.5, 1e-6) == pytest.approx(1e-6) and RATES.at(0.75, 1.0) == pytest.approx(10**0.5)
    assert DROPOUTS.at(0.5, 0.1) == 0.25


def test_plain_has_learning_rate_depth_and_dropout_to_draw_and_a_method_its_own_options_too():
    plain = {"m_lr", "nlevels", "embed_dropout", "res_dropout", "out_dropout"}
    rates = {"t_lr", "a_lr", "v_lr"}
    assert ranges(search("--methods=plain").usual).keys() == plain
    assert ranges(search("--methods=rubi", *LIGHT).usual).keys() == plain | rates | {"rubi_weight", "light_layers",
                                                                                    "light_width"}
    assert ranges(search("--methods=causal", *LIGHT).usual).keys() > plain | {"strength"}


def test_what_the_command_or_its_file_gives_stays_and_strengths_that_are_declared_do_too(tmp_path):
    (tmp_path / "given.yaml").write_text("nlevels: 3\n")
    usual = search("--methods=causal", "--m_lr", "0.01", f"--config={tmp_path / 'given.yaml'}", "--unwanted=text").usual
    assert not {"m_lr", "nlevels", "strength"} & ranges(usual).keys() and "out_dropout" in ranges(usual)


def test_a_setting_that_diverges_counts_as_a_trial_and_is_never_the_best(called, monkeypatch, tmp_path):
    train = Local.run

    def run(self, command, stopping):
        usual = not any("lr=" in word for word in command.words)
        return f"the loss of batch 1 {DIVERGED}" if usual else train(self, command, stopping)
    monkeypatch.setattr(Local, "run", run)
    assert tune.main(arguments(tmp_path, "--methods=plain")) == 0
    assert [row["valid_score"] == "" for row in rows(tmp_path)] == [True, False, False]
    assert rows(tmp_path)[0]["best"] == "False"


def test_where_every_setting_diverges_nothing_is_chosen(called, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(Local, "run", lambda self, command, stopping: DIVERGED)
    assert tune.main(arguments(tmp_path)) == 1
    assert "no trial of synthetic own:Class plain" in capsys.readouterr().err and not (tmp_path / "report").exists()


def test_another_failure_ends_the_search_and_is_named(called, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(Local, "run", lambda self, command, stopping: "no space")
    assert tune.main(arguments(tmp_path)) == 1 and "6 of 6 runs failed" in capsys.readouterr().err


def test_a_method_without_ranges_is_named_and_its_default_is_its_one_trial(called, tmp_path, capsys):
    assert tune.main(arguments(tmp_path, "--methods=plain", "--m_lr=0.01")) == 0
    printed = capsys.readouterr().out
    assert "plain seed 1 has no option with a range that this command leaves open" in printed
    assert len(called) == 1 and "best of 1 trials" in printed and printed.count("default") == 2
    assert not list((tmp_path / "report").glob("figures/importance*"))


@pytest.mark.parametrize("words, code, message", [
    (["--trials=0"], 2, "--trials must be at least 1, got 0"),
    (["--sampler=grid"], 2, "invalid choice: 'grid' (choose from 'random', 'optuna')"),
    (["--seeds=1,2"], 2, "--seeds takes one value here"),
    (["--datasets=mosi,synthetic"], 2, "--datasets takes one value here"),
    (["--methods=nosuch"], 2, "unknown method 'nosuch'"), (["--nosuch=1"], 2, "unknown argument '--nosuch'"),
    (["--selection=valid_shifted"], 2, "--selection valid_shifted needs --unbiased N"),
    (["--grid=quick"], 2, "unknown argument '--grid'")])
def test_bad_input_is_one_sentence(called, tmp_path, capsys, words, code, message):
    assert tune.main(arguments(tmp_path, *words)) == code
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1 and called == []


def test_an_existing_report_is_kept_unless_it_may_be_overwritten(done, called, capsys):
    before = {path: path.read_bytes() for path in (done / "report").rglob("*.*")}
    assert tune.main(arguments(done, "--trials=4")) == 1
    assert "exists; choose another --report, or give --overwrite" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in (done / "report").rglob("*.*")} == before and called == []


def test_the_best_settings_of_an_earlier_report_go_with_it(called, tmp_path):
    assert tune.main(arguments(tmp_path, "--trials=1")) == 0
    (tmp_path / "report" / "mine.yaml").write_text("kept")
    assert tune.main(arguments(tmp_path, "--trials=1", "--methods=plain", "--overwrite")) == 0
    assert {path.name for path in (tmp_path / "report").glob("*.yaml")} == {"best-plain-own-class.yaml", "mine.yaml"}


def test_without_optuna_its_sampler_says_how_to_get_it(called, monkeypatch, tmp_path, capsys):
    monkeypatch.setitem(sys.modules, "optuna", None)
    assert tune.main(arguments(tmp_path, "--sampler=optuna")) == 1
    assert "pip install -r requirements-scale.txt" in capsys.readouterr().err and called == []


def test_random_draws_are_not_cut_short(capsys):
    assert tune.main(["--prune"]) == 2 and "--prune needs --sampler optuna" in capsys.readouterr().err


def test_importance_is_the_rank_correlation_with_the_score():
    found = [Trial(i, None, None, "finished", {"rate": rate, "form": "x", "same": 1}, score, score)
             for i, (rate, score) in enumerate([(1e-4, 0.1), (1e-3, 0.2), (1e-2, 0.9), (1e-1, 0.5)])]
    assert correlations(Searched(None, found)) == {"rate": pytest.approx(0.8)}  # 1 - 6 * 2 / (4 * 15)
    assert correlations(Searched(None, found[:2])) == {}


def test_a_draw_that_main_py_refuses_gives_way_to_the_next():
    # 8 heads do not divide a width of 20, the least of the three that are drawn from.
    flags = ["--methods=unimodal", "--text_branch=attention", "--attention_heads=8"]
    options, extra = parse_tune(flags)
    (search,) = searches(plans(options.study), extra)
    widths = [job.config.flat()["attention_width"] for job in search.draws(8)]
    assert len(widths) == 8 and set(widths) == {40, 80}


def test_main_py_takes_every_draw_of_every_method():
    for backbone in BACKBONES:
        found = searches(plans(parse_tune(["--methods", ",".join(METHODS), f"--backbones={backbone}"])[0].study), [])
        assert len(found) == len(list(METHODS)) + 1  # causal has two fusions
        assert all(len({tuple(job.variant.flags) for job in one.draws(3)}) == 3 for one in found)


@pytest.mark.parametrize("method, read", [("unimodal", {"t_lr", "light_width"}),
                                          ("clue", {"t_lr", "light_width", "m_lr", "nlevels"}),
                                          ("late", {"t_lr", "light_width", "a_lr", "attention_width"})])
def test_only_what_a_model_reads_is_drawn(method, read):
    flags = ["--text_branch=light", "--audio_branch=attention"]
    (search,) = searches(plans(parse_tune([f"--methods={method}"])[0].study), flags)
    either = {"t_lr", "light_width", "a_lr", "attention_width", "m_lr", "nlevels"}
    assert ranges(search.usual).keys() & either == read
