"""Strengths and epochs are chosen by the stated rule, and the record of samples gives the same choice again."""

import csv
import json
import math
import re

import numpy as np
import pytest
import torch

import main
from src.analysis.choice import CHOSEN, choice_rows, read_record, selected
from src.config import parse_config
from src.configured import known, run_strengths, warnings
from src.datasets.base import Dataset, Split
from src.methods.base import Look
from src.methods.causal_mer import Causal
from src.methods.pool import Pool
from src.registry import METHODS
from src.selection import Latest, kept, knowledge, shown, unbiased_samples
from src.strengths import Strengths, strengths
from src.structures import MODALITIES, InputError, UsageError
from src.tasks import make_task
from tests.conftest import install

TASK = make_task("classes:2")
LABELS = torch.tensor([0.0, 1.0, 1.0, 0.0])
RIGHT = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0], [1.0, 0.0]])


def values(backbone, **evidence):
    """What a pool says of four samples: its paths, silent where none is given."""
    silent = torch.zeros(4, 2)
    return {"backbone": backbone, "prior": silent} | {
        f"evidence_{name}": evidence.get(name, silent) for name in MODALITIES}


def pool(**start):
    """Strengths of which m and t are chosen from 0 and 1."""
    return Strengths({"m": 1.0, "t": 1.0, "a": 1.0, "v": 1.0} | start, {"m": (0.0, 1.0), "t": (0.0, 1.0)})


def test_what_is_taken_from_the_joint_path_of_a_pool_the_prior_gets_back():
    said = values(torch.full((4, 2), 8.0)) | {"prior": torch.tensor([0.25, 0.75]).log().expand(4, 2)}
    found = [Pool.combined(said, dict.fromkeys("tav", 1.0) | {"m": m}).softmax(1)[0, 1].item() for m in (0.0, 1.0)]
    assert found == pytest.approx([0.75, 0.5])


def test_the_path_that_misleads_is_switched_off():
    found = pool().chosen(Pool, values(-2 * RIGHT, text=RIGHT), LABELS, TASK.misfit)
    assert found == {"m": 0.0, "t": 1.0, "a": 1.0, "v": 1.0}


def test_of_two_paths_with_equal_scores_the_likelier_one_is_taken():
    bad, mild = (RIGHT * torch.tensor([[1.0], [1.0], [1.0], [last]]) for last in (-5.0, -0.1))  # three of four right
    plan = Strengths({**pool().start, "t": 0.0}, pool().free)
    wrong = (1 - TASK.correct(one, LABELS).double() for one in (bad, mild))
    assert [one.tolist() for one in wrong] == [[0, 0, 0, 1]] * 2
    assert plan.chosen(Pool, values(bad, text=mild), LABELS, TASK.misfit) == {**plan.start, "m": 0.0, "t": 1.0}


def test_ten_unbiased_samples_choose_the_path_that_a_biased_validation_does_not():
    def look(joint, text):
        found = values(joint * RIGHT, text=text * RIGHT)
        return Look({name: paths.repeat(8, 1) for name, paths in found.items()}, LABELS.repeat(8))  # 32 samples

    record = {1: {"valid": look(1, -1), "valid_shifted": look(-1, 1), "test": look(1, -1), "test_shifted": look(-1, 1)}}
    config = parsed("--method=pool", "--unwanted=text", "--unbiased=24")  # 25 would be more than are granted
    found = CHOSEN["knowledge"](record, Pool, config, TASK)
    assert list(found["test"]) == ["0", "10", "declared"] and found["test"] == found["test_shifted"]
    weights = {setting: [strength["m"], strength["t"]] for setting, (_, strength) in found["test"].items()}
    assert weights["0"][1] == 0 < weights["0"][0] and weights["declared"] == [0, 0]
    # Of 0, 1/4, 1/2, 1 all pairs with t above m are right; their mean is (0 + 1/4 + 3/4) / 6 for m, 17/4 / 6 for t.
    assert weights["10"] == pytest.approx([1 / 6, 17 / 24], abs=0.005)


@pytest.mark.parametrize("sizes, expected", [((1,), (1 / 2, 3 / 4)), ((1, 2), (3 / 7, 11 / 14))])
def test_few_samples_average_strengths_by_their_likelihood(sizes, expected):
    # Losses of all samples together, at size 1: log 2 for z_m, 0 for text, log 2 for both; likelihoods 1/2, 1, 1/2;
    # with size 2, where losses double, they are 1/2 + 1/4, 1 + 1 and 1/2 + 1/4.
    joint, words = (torch.tensor([[first, 0], [second, 0], [0, 0], [0, 0]])
                    for first, second in ((math.log(2), 0.0), (0.5, -0.5)))
    found = pool().averaged(Pool, values(joint, text=words), LABELS,
                            lambda logits, _: torch.stack([size * logits[:, 0] for size in sizes]))
    assert [found["m"], found["t"], found["a"]] == pytest.approx([*expected, 1])


def test_an_epoch_is_left_out_only_where_samples_show_it_to_be_worse():
    latest = Latest([])
    # Above the least by 1/4 with a standard error of 0.22; then by 1 with one of 0.35; then below, so that it is 1 / 8.
    seen = ([0, 0, 0, 0], [1, 0, 0, 0], [2, 1, 1, 0], [-1, 0, 0, 0], [0, 0, 0, 0])
    assert [latest.takes(torch.tensor(losses, dtype=torch.float)) for losses in seen] == [True, True, False, True, True]
    assert latest.least == [-1, 0, 0, 0]


@pytest.mark.parametrize("errors, text", [(1.0, 0.0), (0.0, 1.0)])
def test_a_path_that_gains_less_than_its_standard_error_is_left_out(errors, text):
    # The loss here is the square of the first logit. Both paths: (0, 1/2, 0, 0), mean 1/8; z_m alone: (1, 0, 0, 0),
    # 1/8 more, with a standard error of sqrt((1 + 1/4) / 4 - 1/64) / 2 = 0.27; text alone: 1/4 more, error 0.22.
    joint, words = (torch.tensor([[first, 0], [second, 0], [0, 0], [0, 0]])
                    for first, second in ((1.0, 0.0), (-1.0, 0.5 ** 0.5)))
    found = pool().chosen(Pool, values(joint, text=words), LABELS, lambda logits, _: logits[:, 0].square(), errors)
    assert found == pool().start | {"t": text}


def test_the_misfit_of_a_prediction_does_not_depend_on_its_scale():
    # centred, the logits are 1/2 and -1/2; at size 1 they differ by 2, at the largest size by 32
    lost = [TASK.misfit(scaled, LABELS).tolist() for scaled in (RIGHT - 0.5, 0.25 * RIGHT)]
    assert lost == [[pytest.approx(math.log1p(math.exp(-32)))] * 4] * 2


def test_a_task_with_a_loss_of_its_own_is_misfit_by_that_loss(monkeypatch):
    def loss(logits, targets, reduction):
        return 1 - logits.gather(1, targets.unsqueeze(1)).squeeze(1)
    monkeypatch.setattr(type(TASK), "loss", staticmethod(loss), raising=False)
    # centred, the logits are 1/2 and -1/2, so that at size 1 that of the label is 2; then an eighth to 16 times that
    assert TASK.misfits(RIGHT, LABELS)[:, 0].tolist() == [0.75, 0.5, 0, -1, -3, -7, -15, -31]


def test_the_misfit_of_a_sample_with_several_labels_is_the_mean_of_its_pairs():
    # present - absent is 8 for both labels of sample 0 and -8 for those of sample 1
    logits, labels = torch.tensor([[0.0, 8, 0, 8], [0, -8, 0, -8]]), torch.tensor([[1.0, 0], [0, 0]])
    # three of four are right: a margin of log 3 would be best, 1 is the nearest of those tried (2, 1, 1/2, ...)
    right, wrong = math.log1p(math.exp(-1)), math.log1p(math.exp(1))
    assert make_task("labels:2").misfit(logits, labels).tolist() == pytest.approx([(right + wrong) / 2, right])


@pytest.mark.parametrize("off", ["m", "t"])
def test_ties_go_to_the_start(off):
    plan = pool(**{off: 0.0})
    assert plan.chosen(Pool, values(RIGHT, text=RIGHT), LABELS, TASK.misfit) == plan.start


def test_no_path_at_all_is_no_choice():
    found = pool().chosen(Pool, values(-RIGHT, text=-RIGHT), 0 * LABELS, TASK.misfit)
    assert found["m"] or found["t"]


def parsed(*words):
    branches = [word for name in MODALITIES for word in (f"--{name}_branch", "light")]
    return parse_config(["--dataset", "x.pkl", "--task", "classes:2", *branches, *words])


@pytest.mark.parametrize("words, start", [
    ((), (1, 0, 0, 0)), (("--nde_a", "0.5"), (1, 0, 0.5, 0)), (("--unwanted", "text"), (1, 0, 1, 1)),
    (("--strength", "m=0.5,v=1"), (0.5, 0, 0, 1)), (("--method", "pool"), (1, 1, 1, 1)),
    (("--method", "pool", "--unwanted", "vision,text"), (0, 0, 1, 0))])
def test_where_strengths_start(words, start):
    assert tuple(run_strengths(parsed(*words)).start.values()) == start


def test_declared_strengths_are_not_chosen_by_validation():
    assert set(run_strengths(parsed("--unwanted", "text", "--strength", "valid")).free) == {"m"}
    assert set(run_strengths(parsed("--method", "pool", "--unwanted", "text")).free) == {"a", "v"}


@pytest.mark.parametrize("asked, message", [
    ("t=2", r"--strength t must lie in \[0, 1\], got '2'"),
    ("alpha=1", "--strength names 'alpha', .* it has m, t, a, v"),
    ("most", "--strength has 'most'; give published, valid, cautious, or values"), ("t=nan", "must lie in"),
    ("t", "has 't'")])
def test_a_strength_that_cannot_be_is_one_sentence(asked, message):
    with pytest.raises(UsageError, match=message):
        strengths(Causal, parsed().method, asked, ())


@pytest.mark.parametrize("words, message", [
    (("--method", "nosuch"), "unknown method 'nosuch'; choose from .*clue"),
    (("--method", "poe", "--task", "sentiment"), "the method poe needs classes, and the task sentiment has none"),
    (("--method", "pool", "--task", "regression:2"), "pool needs classes, and the task regression:2 has none"),
    (("--class_names", "a,b"), "--class_names has 2 names, and the task classes:3 needs 3"),
    (("--class_names", "a,b", "--task", "sentiment7"), "and the task is sentiment7; leave it out"),
    (("--fusion_mode", "evidence", "--task", "sentiment"), "causal with the fusion evidence needs classes"),
    (("--method", "ogm_ge", "--backbone", "own:Class"), "which parameters belong to which modality, and the backbone"),
    (("--method", "ogm_ge", "--accumulate", "2"), "so --accumulate must be 1, got 2"),
    (("--strength", "t=7"), "--strength t must lie in"),
    (("--unwanted", "speech"), "--unwanted takes text, audio and vision"),
])
def test_parts_that_cannot_work_together_are_refused_before_anything_is_read(capsys, monkeypatch, words, message):
    install(monkeypatch, type("Class", (torch.nn.Module,), {}))
    assert main.main(["--dataset", "missing.pkl", "--task", "classes:3", *words]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert re.search(message, error)


def test_unbiased_samples_are_some_of_the_shifted_validation_split():
    numbers = torch.arange(9.0)
    split = Split({name: numbers.reshape(9, 1, 1) for name in MODALITIES}, numbers, list("abcdefghi"))
    found = unbiased_samples(Dataset({"valid_shifted": split}, None, []), 4)
    assert len(found) == 4 and found.inputs["text"].flatten().tolist() == found.labels.tolist()
    with pytest.raises(UsageError, match="more samples than the 9"):
        unbiased_samples(Dataset({"valid_shifted": split}, None, []), 10)
    with pytest.raises(UsageError, match="needs a split valid_shifted"):
        unbiased_samples(Dataset({"valid": split}, None, []), 1)


def test_what_a_choice_knew_is_told():
    assert knowledge((), 0, "best_valid_acc") == "nothing (validation as train)"
    assert knowledge(("text",), 50, "best_valid_acc") == "declared: text"
    assert knowledge((), 50, "best_valid_shifted") == "50 unbiased validation samples"
    always = ("best_valid_loss", "best_valid_acc")
    assert kept(0, ()) == always and kept(5, ("text",)) == (*always, "best_valid_shifted", "last_epoch")
    assert [shown(0, ()), shown(0, ("text",)), shown(5, ("text",))] == ["best_valid_acc", "last_epoch",
                                                                        "best_valid_shifted"]


def test_the_record_of_samples_gives_the_choice_of_the_training_again(tiny, tmp_path):
    words = [*tiny, "--method", "pool", "--log_samples", "--num_epochs", "3", "--unbiased", "10"]
    assert main.main(words) == 0
    folder, config = tmp_path / "checkpoint(synthetic)" / "demo_seed1111" / "mult-pool", parse_config(words)
    task, results = make_task("emotion4"), json.loads((folder / "results.json").read_text())
    record, plan = read_record(folder, config), run_strengths(config)
    with (folder / "history.csv").open(newline="") as file:
        history = list(csv.DictReader(file))
    epoch, chosen = selected(record, METHODS["pool"], plan, task)
    assert (epoch, chosen) == (results["selections"]["best_valid_acc"]["epoch"], results["strengths"]["best_valid_acc"])
    granted = CHOSEN["knowledge"](record, METHODS["pool"], config, task)["test"]["10"]
    assert granted[0] == results["selections"]["best_valid_shifted"]["epoch"]
    assert granted[1] == pytest.approx(results["strengths"]["best_valid_shifted"], abs=1e-5)
    test = record[epoch]["test"]
    scored = task.metrics(Pool.combined(test.values, chosen), test.labels)
    printed = results["selections"]["best_valid_acc"]["test"]
    assert scored["accuracy_4class"] == pytest.approx(printed["accuracy_4class"])
    for look in record[1].values():  # of an epoch that was not the last to be selected, too
        early = {letter: float(history[0][f"valid_strength_{letter}"]) for letter in "mtav"}
        mixed = Pool.combined(look.values, early)
        torch.testing.assert_close(task.log_probabilities(mixed), look.values["logits"], atol=1e-4, rtol=1e-4)
    assert test.values["text"].reshape(-1, 2).exp().sum(1).sub(1).abs().max() < 1e-5
    for damage in ({"valid/labels": np.zeros(3)}, {"valid/labels": np.zeros(3), "valid/backbone": np.zeros((3, 2))}):
        for file in (folder / "samples").iterdir():
            np.savez(file, **damage)
        with pytest.raises(InputError, match="is not what every epoch of this run writes; train it again"):
            list(choice_rows(folder, config, task))
    file.write_bytes(b"PK")
    with pytest.raises(InputError, match="npz cannot be used"):
        read_record(folder, config)


def test_where_a_modality_is_unwanted_the_last_epoch_is_kept_as_well(tiny, tmp_path):
    words = [*tiny, "--method", "causal", "--fusion_mode", "sum", "--num_epochs", "3", "--unwanted", "text"]
    assert main.main(words) == 0
    folder = tmp_path / "checkpoint(synthetic)" / "demo_seed1111" / "mult-causal"
    results = json.loads((folder / "results.json").read_text())
    assert results["selections"]["last_epoch"]["epoch"] == 3
    assert results["strengths"]["last_epoch"] == {"m": 1, "t": 0, "a": 1, "v": 1}


@pytest.mark.parametrize("words, start", [
    (("--method", "clue", "--unwanted", "text"), {"alpha": 1}),
    (("--method", "clue", "--unwanted", "audio"), {"alpha": 0}),
    (("--method", "muldef", "--unwanted", "text,audio,vision"), {"alpha": 1}),
    (("--method", "cf_vqa", "--cf_modality", "vision", "--unwanted", "vision"), {"alpha": 1}),
    (("--method", "learned_mixin", "--unwanted", "text"), {"gate": 0})])
def test_what_a_subtracting_method_makes_of_unwanted_modalities(words, start):
    config = parsed(*words, "--strength", "valid")
    assert run_strengths(config).start == start and not run_strengths(config).free
    assert known(config, "best_valid_acc") == f"declared: {', '.join(config.choice.unwanted)}"


@pytest.mark.parametrize("method", ("muldef", "gge"))
def test_where_nothing_follows_from_unwanted_modalities_it_is_said_and_no_table_claims_it(method):
    config = parsed("--method", method, "--unwanted", "text")
    assert f"for {method} nothing follows from --unwanted text" in warnings([config])
    assert known(config, "best_valid_acc") == "nothing (validation as train)"


@pytest.mark.parametrize("method, said", [("late", True), ("unimodal", True), ("pool", False)])
def test_epochs_ahead_of_nobody_are_named(method, said):
    texts = warnings([parsed("--method", method, "--branch_epochs", "2")])
    assert any("nothing follows from --branch_epochs" in text for text in texts) == said


def test_a_published_value_off_the_grid_is_on_it():
    assert run_strengths(parsed("--nde_t", "0.3", "--strength", "valid")).free["t"] == (0.0, 0.25, 0.5, 0.7, 1.0)


@pytest.mark.parametrize("words", (("--method", "pool", "--unwanted", "text,audio,vision", "--strength", "published"),
                                   ("--strength", "m=0")))
def test_a_prediction_without_a_path_is_refused(words):
    with pytest.raises(UsageError, match="no path of the prediction is left"):
        run_strengths(parsed(*words))
