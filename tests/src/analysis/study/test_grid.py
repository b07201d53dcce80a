"""Grids, and what makes two runs the same run."""

import pytest

from src.analysis.study import __main__ as study
from src.analysis.study.grid import GRIDS, check_rule, fingerprint, jobs, plans
from src.analysis.tune import __main__ as tune
from src.config import parse_config, parse_study, parse_tune
from src.methods.pool import Pool
from src.structures import InputError, UsageError


def planned(*argv):
    options, extra = parse_study(argv)
    return jobs(plans(options), extra)


def test_the_lists_of_the_command_line_make_every_combination_once():
    found = planned("--backbones", "mult,pmr", "--fusions", "mask,hm", "--seeds", "1,2", "--num_epochs", "3")
    assert len(found) == 2 * 3 * 2 and {job.variant.label for job in found} == {"plain", "mask", "hm"}
    assert {job.config.training.num_epochs for job in found} == {3}
    assert [job.seed for job in found] == [1] * 6 + [2] * 6  # seed by seed, so that a study cut short is balanced


def test_the_main_grids_are_two_conditions_three_backbones_five_variants_five_seeds_and_two_additions():
    shift, dmd = planned("--grid", "shift"), planned("--grid", "dmd")
    fused = [job for job in dmd if getattr(job.config.method, "fuse_auxiliary", False)]
    assert (len(shift), len(dmd), len(fused)) == (2 * 2 * 5 * 5 + 20, 2 * 5 * 5 + 10, 10)
    found = shift + dmd
    strengths = {(c.shortcut_t, c.shortcut_a, c.shortcut_v) for c in (job.config.dataset for job in found)}
    assert strengths == {(0.8, 0, 0), (0.6, 0.6, 0.6)}


def test_conditions_are_flags_of_main_py():
    found = planned("--conditions", "shortcut_t=0.5+shortcut_v=0.1,shortcut_t=0", "--methods", "plain", "--seeds", "1")
    assert [(job.condition.label, job.config.dataset.shortcut_t, job.config.dataset.shortcut_v) for job in found] == [
        ("shortcut_t 0.5, shortcut_v 0.1", 0.5, 0.1), ("shortcut_t 0", 0, 0)]


@pytest.mark.parametrize("words, message", [
    (("--conditions=seed=5",), "--seed is of one run; study has a list of them, --seeds"),
    (("--conditions=nlevels=1,fusion_mode=mask+nlevels=2",), "--fusion_mode is of one run"),
    (("--conditions=nlevels=1,nlevels=3", "--nlevels=2"), "--nlevels stands within --conditions and beside them"),
    (("--fusions=tanh,tanh",), "--fusions needs values, each once"),
    (("--datasets=mosi", "--conditions=task=sentiment7,task=sentiment", "--methods=plain"),
     "asks mosi for the tasks sentiment and sentiment7, whose scores no table can hold together")])
def test_what_would_make_rows_of_other_runs_than_they_say_is_refused(words, message):
    with pytest.raises(InputError, match=message):
        planned(*words)


@pytest.mark.parametrize("command, word, own", [(study, "--sedes=1", "seeds"), (tune, "--trial=3", "trials"),
                                                (study, "--nlevel=3", "nlevels")])
def test_a_misspelled_flag_is_taken_for_the_nearest_of_the_command_or_of_main_py(tmp_path, capsys, command, word, own):
    assert command.main([word, f"--report={tmp_path / 'report'}"]) == 2
    assert f"did you mean {own}? choose from datasets, conditions" in capsys.readouterr().err


def test_a_study_of_knowledge_is_of_synthetic_data_or_of_the_data_sets_given():
    found = planned("--grid", "knowledge")
    assert len(found) == 2 * 11 * 5 and {job.config.choice.unbiased for job in found} == {400}
    own = planned("--grid", "knowledge", "--datasets", "mosi", "--seeds", "1")
    assert len(own) == 11 and {job.config.run.dataset for job in own} == {"mosi"}


@pytest.mark.parametrize("words, name", [
    (("quick", "--datasets", "mosi"), "datasets"), (("methods", "--backbones", "pmr"), "backbones"),
    (("baselines", "--methods", "plain"), "methods"),
    (("baselines", "--datasets", "mosi", "--fusions", "sum"), "fusions"),
    (("knowledge", "--conditions", "shortcut_t=0"), "conditions")])
def test_a_list_that_a_grid_does_not_read_is_refused(words, name):
    with pytest.raises(UsageError, match=f"has its own {name}, so --{name} would do nothing"):
        planned("--grid", *words)


@pytest.mark.parametrize("flag, values", [("--seed=3", "seeds"), ("--model", "backbones"), ("--backbone", "backbones"),
                                          ("--fusion_mode", "fusions"), ("--method", "methods"),
                                          ("--dataset", "datasets")])
def test_a_flag_of_one_run_that_a_study_compares_is_refused(flag, values):
    for parse, command in ((parse_study, "study"), (parse_tune, "tune")):
        with pytest.raises(UsageError, match=f"is of one run; {command} has a list of them, --{values}, with commas"):
            parse([flag, "tanh"])


def test_sets_of_labels_have_no_audit_and_are_told_so_before_training():
    with pytest.raises(UsageError, match="--analyses audit needs labels of which every sample has exactly one"):
        check_rule("best_valid_acc", planned("--task", "labels:4"), ("audit",))
    check_rule("best_valid_acc", planned("--task", "classes:4"), ("audit",))


def test_a_study_of_knowledge_needs_unbiased_samples():
    with pytest.raises(UsageError, match="--analyses knowledge needs --unbiased N"):
        check_rule("best_valid_acc", planned(), ("knowledge",))


@pytest.mark.parametrize("argv, message", [
    (("--backbones", "mult,nosuch"), "unknown backbone 'nosuch'"), (("--fusions", "mask,nosuch"), "invalid choice"),
    (("--datasets", "nosuch"), "unknown dataset 'nosuch'"), (("--nosuch", "1"), "unknown argument '--nosuch'"),
    (("--methods", "paired"), "--method stands for 2 runs, plain, causal; choose one"),
    (("--methods", "nosuch"), "unknown method 'nosuch'; choose from .*plain.*, or give"),
    (("--analyses", "nosuch"), "--analyses has 'nosuch'"),
    (("--seeds", ""), "argument --seeds: '' is not a list of numbers"),
    (("--seeds", "1,1"), "--seeds needs values, each once"), (("--jobs", "0"), "--jobs must be at least 1"),
    (("--seeds", ",".join(map(str, range(1000)))), "3,000 runs, more than 2,000")])
def test_what_main_py_would_refuse_is_refused_before_any_run(argv, message):
    with pytest.raises(UsageError, match=message):
        planned(*argv)


def test_a_run_is_the_same_wherever_it_is_kept_and_another_with_any_other_setting_or_data():
    def key(*argv, sha256="a"):
        return fingerprint(parse_config(argv), sha256)
    assert key() == key("--name", "other", "--device", "cpu", "--checkpoint_path", "x", "--resume")
    assert len({key(), key("--seed", "2"), key("--m_lr", "0.1"), key(sha256="b"), key("--fusion_mode", "hm")}) == 5


def test_runs_whose_strengths_an_earlier_rule_chose_are_others_and_only_those():
    pool, plain = (parse_config(["--method", method]) for method in ("pool", "plain"))
    now, before = ({"choosing": number, "version": Pool.version} for number in (2, 1))
    assert fingerprint(pool, "a", now) == fingerprint(pool, "a") != fingerprint(pool, "a", before)
    assert fingerprint(plain, "a", before | {"version": 1}) == fingerprint(plain, "a")


def test_runs_of_an_earlier_form_of_a_method_are_others():
    pool = parse_config(["--method", "pool"])
    assert fingerprint(pool, "a", {"choosing": 2}) != fingerprint(pool, "a")


@pytest.mark.parametrize("words", [("plain", "--strength", "cautious"), ("late", "--branch_epochs", "6"),
                                   ("unimodal", "--branch_epochs", "6"), ("plain", "--strength", "published")])
def test_a_setting_that_does_nothing_for_a_method_does_not_make_another_run(words):
    assert fingerprint(parse_config(["--method", *words]), "a") == fingerprint(
        parse_config(["--method", words[0]]), "a")
    other = fingerprint(parse_config(["--method", "causal", *words[1:]]), "a")
    assert other != fingerprint(parse_config(["--method", "causal"]), "a")


def test_runs_whose_unbiased_samples_chose_by_an_earlier_rule_are_others():
    granted = parse_config(["--method", "plain", "--unbiased", "9"])
    assert fingerprint(granted, "a", {"granting": 1}) != fingerprint(granted, "a")


def test_seeds_of_ones_own_take_the_place_of_those_of_a_grid():
    assert [job.seed for job in planned("--grid", "quick", "--seeds", "7")] == [7] * 3


def test_the_last_epoch_is_no_selection_of_runs_that_do_not_keep_it():
    with pytest.raises(UsageError, match="--selection last_epoch needs --unwanted text"):
        check_rule("last_epoch", planned())
    check_rule("last_epoch", planned("--unwanted", "text"))


def test_the_grid_of_knowledge_measures_it():
    assert "knowledge" in parse_study(["--grid", "knowledge"])[0].analyses


def test_the_strength_curve_meets_its_two_zeros_in_one_run():
    found = [job for job in planned("--grid", "strength") if job.condition.label in ("text 0.0", "vision 0.0")]
    assert len(found) == 18 and len({job.fingerprint("a") for job in found}) == 9


def test_every_grid_can_be_planned():
    # Of one seed: runs are told apart by nothing else.
    assert {name: len(planned("--grid", name, "--seeds", "1")) for name in GRIDS} == {
        "quick": 3, "methods_quick": 30, "shift": 24, "dmd": 12, "strength": 24, "benchmark": 60, "knowledge": 22,
        "classes": 36, "methods": 4 * 34 + 4, "methods_longer": 12}
    assert {name: sum(len(plan.conditions) * len(plan.backbones) * len(plan.variants) * len(plan.seeds)
                      for plan in grid) for name, grid in GRIDS.items()} == {
        "quick": 6, "methods_quick": 90, "shift": 120, "dmd": 60, "strength": 72, "benchmark": 252, "knowledge": 110,
        "classes": 288, "methods": 8 * (4 * 34 + 4), "methods_longer": 96}
