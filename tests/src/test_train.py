"""A run: bits that repeat, resuming, selection, pairing, and every way it can be stopped."""

import csv
import gc
import hashlib
import json
import os
import pickle
import re
import shutil
import signal
import sys
import weakref
from pathlib import Path

import pytest
import torch

import main
from src import final, train
from src.analysis.study.grid import fingerprint
from src.analysis.study.stored import finished
from src.build import build_data
from src.config import parse_config, parse_configs
from src.engine import EpochResult
from src.locks import FolderLock, busy
from src.samples import has_samples, read_samples, samples_file, write_samples
from src.saving import Saving
from src.strengths import Strengths
from src.tasks import make_task
from tests.conftest import TINY

CPU = torch.device("cpu")


def folder(tmp_path, method="causal"):
    return tmp_path / "checkpoint(synthetic)" / "demo_seed1111" / f"mult-{method}"


def weights(path, name="last"):
    return torch.load(path / f"{name}.pt", weights_only=True)["model"]


def same_bits(first, second):
    return first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)


def history(path):
    with (path / "history.csv").open() as file:
        return [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)]


def moved(tiny, folder):
    """The same arguments with another output folder, and the data where it was."""
    return [*tiny, "--checkpoint_path", str(folder)]


STOCHASTIC = ("--embed_dropout", "0.2", "--relu_dropout", "0.2", "--num_epochs", "3")
GRANTED = ("--unbiased", "5", "--unwanted", "text")


@pytest.fixture
def stochastic(tiny):
    """A run with dropout, so that random states matter."""
    return [*tiny, *STOCHASTIC]


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """The folder of such a run that nobody stopped."""
    torch.set_num_threads(1)  # it is made before `one_thread`
    place = tmp_path_factory.mktemp("whole")
    assert main.main([*TINY, *STOCHASTIC, *GRANTED, "--checkpoint_path", str(place), "--data_path", str(place)]) == 0
    return folder(place)


def test_two_runs_with_one_seed_give_the_same_bits_and_another_seed_does_not(stochastic, tmp_path):
    for name, seed in (("a", 1111), ("b", 1111), ("c", 5)):
        assert main.main([*moved(stochastic, tmp_path / name), "--seed", str(seed)]) == 0
    runs = [next((tmp_path / name).glob("*/*/mult-causal")) for name in "abc"]
    assert same_bits(weights(runs[0]), weights(runs[1])) and history(runs[0]) == history(runs[1])
    assert not same_bits(weights(runs[0]), weights(runs[2]))


# stop counts batches: 3 of training and 2 of validation in an epoch
@pytest.mark.parametrize("how, stop", [("quick", 1), ("quick", 9), ("slow", 14), ("killed", 14)])
def test_an_interrupted_and_resumed_run_ends_with_the_bits_of_an_uninterrupted_one(stochastic, uninterrupted, tmp_path,
                                                                                   monkeypatch, how, stop, capsys):
    stochastic += GRANTED
    cut = moved(stochastic, tmp_path / "cut")
    seen, original, flush = [], train.run_epoch, Saving.flush
    writes = []

    def interrupting(model, *arguments, **keywords):
        def count(*_):
            seen.append(1)
            if len(seen) == stop:
                if how == "killed":
                    monkeypatch.setattr(Saving, "flush", lambda saving: None)
                raise KeyboardInterrupt
        with_hook = model.register_forward_pre_hook(count)
        try:
            return original(model, *arguments, **keywords)
        finally:
            with_hook.remove()

    monkeypatch.setattr(train, "run_epoch", interrupting)
    monkeypatch.setattr(Saving, "flush", lambda saving: (writes.append(1), flush(saving)))
    if how != "quick":  # the start and the first epoch are written, what follows waits
        monkeypatch.setattr(Saving, "due", property(lambda saving: len(writes) < 2))
    assert main.main(cut) == 130
    assert "continue with the same command and --resume" in capsys.readouterr().err
    monkeypatch.undo()
    assert main.main([*cut, "--resume"]) == 0
    whole, resumed = uninterrupted, folder(tmp_path / "cut")
    assert history(whole) == history(resumed)
    for name in ("last", "best_valid_loss", "best_valid_acc", "best_valid_shifted", "last_epoch"):
        assert same_bits(weights(whole, name), weights(resumed, name))
    least = [torch.load(run / "last.pt", weights_only=True)["least"] for run in (whole, resumed)]
    assert least[0] == least[1] and len(least[0]) == 5
    assert same_bits(*({f"{k}.{n}": t for k, state in
                        torch.load(run / "last.pt", weights_only=True)["optimizer"]["state"].items()
                        for n, t in state.items()} for run in (whole, resumed)))


def test_a_finished_run_can_be_given_more_epochs(tiny, tmp_path):
    assert main.main([*moved(tiny, tmp_path / "a"), "--num_epochs", "3"]) == 0
    assert main.main(moved(tiny, tmp_path / "b")) == 0
    assert main.main([*moved(tiny, tmp_path / "b"), "--num_epochs", "3", "--resume"]) == 0
    assert same_bits(weights(folder(tmp_path / "a")), weights(folder(tmp_path / "b")))


def test_resuming_needs_no_pretrained_weights(tiny, tmp_path):
    from src.branches.albert import AlbertBranch, AlbertOptions
    sizes = dict(albert_layers=1, albert_hidden=8, albert_heads=2, albert_intermediate=8, albert_embedding=8)
    weights_folder = tmp_path / "weights"
    AlbertBranch(16, 6, 8, AlbertOptions(text_init="random", **sizes), False).albert.save_pretrained(weights_folder)
    argv = [*tiny, "--text_branch", "albert", "--text_pretrained", str(weights_folder), "--num_epochs", "1"]
    argv += [f"--{name}={size}" for name, size in sizes.items()]
    assert main.main(argv) == 0
    weights_folder.rename(tmp_path / "gone")
    assert main.main([*argv, "--num_epochs", "2", "--resume"]) == 0


def test_resuming_with_other_settings_or_other_data_is_refused(tiny, tmp_path, capsys):
    assert main.main(tiny) == 0
    assert main.main([*tiny, "--resume", "--alpha", "0.5"]) == 1
    assert "made with other settings (alpha 0.1 -> 0.5)" in capsys.readouterr().err
    file = next((tmp_path / "data").iterdir())
    content = pickle.loads(file.read_bytes())
    content["train"]["text"][0] += 1
    file.write_bytes(pickle.dumps(content))
    assert main.main([*tiny, "--resume"]) == 1
    assert "made with other data" in capsys.readouterr().err


def test_an_earlier_run_of_the_same_name_is_kept(tiny, tmp_path, capsys):
    assert main.main(tiny) == 0
    before = weights(folder(tmp_path))
    assert main.main([*tiny, "--alpha", "0.5"]) == 0
    assert "the earlier run of this name is kept in" in capsys.readouterr().out
    assert same_bits(before, weights(Path(f"{folder(tmp_path)}.1")))
    assert not same_bits(before, weights(folder(tmp_path)))


def test_test_labels_have_no_part_in_the_selection(tiny, tmp_path):
    assert main.main(moved(tiny, tmp_path / "a")) == 0
    file = next((tmp_path / "data").iterdir())
    content = pickle.loads(file.read_bytes())
    content["test"]["labels"] = content["test"]["labels"][::-1].copy()
    file.write_bytes(pickle.dumps(content))
    assert main.main(moved(tiny, tmp_path / "b")) == 0
    for name in ("best_valid_loss", "best_valid_acc"):
        assert same_bits(*(weights(folder(tmp_path / run), name) for run in "ab"))


def test_the_selected_epoch_is_the_first_best_one_of_the_history(tiny, tmp_path):
    assert main.main([*tiny, "--num_epochs", "5"]) == 0
    rows = history(folder(tmp_path))
    losses, scores = ([float(row[key]) for row in rows] for key in ("valid_loss", "valid_accuracy_mean"))
    expected = {"best_valid_loss": losses.index(min(losses)) + 1, "best_valid_acc": scores.index(max(scores)) + 1}
    for name, epoch in expected.items():
        saved = torch.load(folder(tmp_path) / f"{name}.pt", weights_only=True)
        assert saved["epoch"] == epoch == saved["metrics"]["epoch"]


def test_the_test_split_is_scored_once_per_selection(tiny, monkeypatch):
    titles = []
    original = final.evaluate
    monkeypatch.setattr(final, "evaluate", lambda *a: titles.append(list(a[1].test_splits)) or original(*a))
    assert main.main(tiny) == 0
    assert titles == [["test", "test_shifted", "test_reversed"]] * 2


def test_both_methods_start_from_the_same_backbone_and_see_the_same_batches(tiny):
    configs = parse_configs([*tiny, "--method", "paired"])
    data = build_data(configs[0])
    trainers = [train.Trainer(config, data, CPU) for config in configs]
    plain, causal = (trainer.model for trainer in trainers)
    assert same_bits(plain.backbone.state_dict(), causal.backbone.state_dict())
    orders = [[batch.labels for batch in trainer.train_loader] for trainer in trainers]
    assert all(torch.equal(*pair) for pair in zip(*orders, strict=True))


def test_every_parameter_has_one_learning_rate_of_its_own(tiny):
    argv = [*tiny, "--m_lr", "1", "--t_lr", "2", "--a_lr", "3", "--v_lr", "4", "--c_t_lr", "5", "--c_a_lr", "6",
            "--c_v_lr", "7"]
    trainer = train.Trainer(config := parse_config(argv), build_data(config), CPU)
    rate = {id(p): group["lr"] for group in trainer.state.optimizer.param_groups for p in group["params"]}
    model = trainer.model
    found = [{rate[id(p)] for p in part.parameters()} for part in (model.backbone, *model.branches.values())]
    assert found == [{1.0}, {2.0}, {3.0}, {4.0}] and [rate[id(c)] for c in model.constants.values()] == [5, 6, 7]
    assert len(rate) == len(list(model.parameters()))


@pytest.mark.parametrize("optim", ["Adam", "AdamW", "RMSprop", "SGD"])
def test_every_optimizer_trains(tiny, optim):
    assert main.main([*tiny, "--optim", optim, "--num_epochs", "1"]) == 0


def test_learning_rates_fall_to_a_tenth_when_the_validation_loss_stays(tiny, tmp_path, monkeypatch):
    original = train.run_epoch

    def stuck(*arguments, **keywords):
        result = original(*arguments, **keywords)
        result.terms["loss"] = 1.0
        return result

    monkeypatch.setattr(train, "run_epoch", stuck)
    assert main.main([*tiny, "--num_epochs", "4", "--when", "1", "--m_lr", "0.5"]) == 0
    # Epoch 1 is the best, epoch 2 is the one allowed, epoch 3 lowers the rate.
    assert [float(row["lr_m"]) for row in history(folder(tmp_path))] == pytest.approx([0.5, 0.5, 0.05, 0.05])


def test_a_loss_that_is_not_finite_stops_with_one_sentence_and_keeps_the_last_state(tiny, tmp_path, capsys):
    assert main.main([*tiny, "--m_lr", "1e30", "--method", "plain"]) == 1
    assert "epoch 1/2 train: the loss of batch 2 of 3 is not finite" in capsys.readouterr().err
    saved = torch.load(folder(tmp_path, "plain") / "last.pt", weights_only=True)
    assert saved["epoch"] == 0 and all(value.isfinite().all() for value in saved["model"].values())


def test_regression_inside_causalmer_says_what_it_means(tiny, tmp_path, capsys):
    from tests.conftest import sentiment_content, write
    write(tmp_path / "data" / "mosi_data.pkl", sentiment_content())
    argv = [*tiny[:2], *tiny[4:], "--dataset", "mosi", "--mosei_task", "regression"]
    for branch in ("text", "audio", "vision"):
        argv += [f"--{branch}_branch", "light"]
    assert main.main(argv) == 0
    assert "CausalMER debiases nothing here, prefer classes (for MOSEI and" in capsys.readouterr().out
    assert main.main([*argv, "--method", "plain"]) == 0
    assert "debiases nothing" not in capsys.readouterr().out


def names(path):
    return sorted(entry.name for entry in path.iterdir())


def runs(path):
    return sorted(entry.name for entry in path.iterdir() if entry.is_dir())


RUN = ["best_valid_acc.pt", "best_valid_loss.pt", "config.yaml", "history.csv", "last.pt", "results.json",
       "scores.txt"]


@pytest.mark.parametrize("left", [(), ("last.pt",), ("last.pt", "config.yaml", "best_valid_loss.pt", "history.csv")])
@pytest.mark.parametrize("more", [(), ("--resume",), ("--resume", "--alpha", "0.5")])
def test_a_run_killed_before_its_first_epoch_was_saved_is_replaced_in_silence(tiny, tmp_path, capsys, left, more):
    run = train.Trainer(parse_config(tiny), build_data(parse_config(tiny)), CPU)
    run.start()
    (run.folder / "best_valid_loss.pt").write_bytes(b"of another run")
    (run.folder / "history.csv").write_text("of another run")
    (run.folder / ".last.pt.999999999.partial").write_bytes(b"half")
    for name in set(RUN) - set(left):
        (run.folder / name).unlink(missing_ok=True)
    capsys.readouterr()
    assert main.main([*tiny, *more]) == 0
    assert names(run.folder) == RUN and runs(run.folder.parent) == ["mult-causal"]
    assert "is kept in" not in capsys.readouterr().out


def test_an_imported_run_is_no_empty_one(tiny, tmp_path):
    run = folder(tmp_path)
    run.mkdir(parents=True)
    (run / "best_valid_acc.pt").write_bytes(b"imported")
    assert main.main(tiny) == 0
    assert runs(run.parent) == ["mult-causal", "mult-causal.1"]


def test_two_runs_of_one_name_are_not_mixed(tiny, tmp_path, capsys):
    with FolderLock(folder(tmp_path), ""):
        (folder(tmp_path) / "last.pt").write_bytes(b"")
        assert main.main(tiny) == 1
    assert "another process works in" in capsys.readouterr().err and names(folder(tmp_path)) == ["last.pt"]


def test_the_new_folder_is_locked_once_the_old_one_is_put_aside(tiny, tmp_path, monkeypatch):
    assert main.main(tiny) == 0
    seen = []
    monkeypatch.setattr(train.Trainer, "run", lambda self: seen.append(busy(self.folder)))
    assert main.main(tiny) != 0  # nothing was trained
    assert seen == [True] and not busy(folder(tmp_path))


@pytest.mark.parametrize("owner, step", [(train.Trainer, "start"), (train, "final_test")])
def test_a_stop_before_or_after_the_epochs_says_where_the_run_continues(tiny, monkeypatch, capsys, owner, step):
    monkeypatch.setattr(owner, step, lambda *_: signal.raise_signal(signal.SIGTERM))
    assert main.main(tiny) == 143
    assert capsys.readouterr().err.strip().startswith("stopped; epoch ")


def test_a_closed_pipe_does_not_stop_the_training(tiny, tmp_path, monkeypatch):
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as target:
        monkeypatch.setattr(sys, "stdout", target)
        assert main.main(tiny) == 141
    assert names(folder(tmp_path)) == RUN


def test_a_model_beyond_the_memory_is_refused_before_it_is_built(tiny, capsys):
    assert main.main([*tiny, "--dim", "4096", "--nlevels", "100"]) == 1
    assert "the model and its optimizer would take" in capsys.readouterr().err


def test_the_state_of_a_run_in_the_place_of_a_selected_checkpoint_is_named(tiny, tmp_path, capsys):
    assert main.main([*tiny, "--method", "plain"]) == 0
    run = folder(tmp_path, "plain")
    (run / "best_valid_loss.pt").write_bytes((run / "last.pt").read_bytes())
    assert main.main([*tiny, "--method", "plain", "--resume"]) == 1
    assert "is no selected checkpoint" in capsys.readouterr().err


def test_regression_selects_by_the_mean_absolute_error(tiny, tmp_path):
    from tests.conftest import sentiment_content, write
    write(tmp_path / "data" / "mosi_data.pkl", sentiment_content())
    assert main.main([*tiny[:2], *tiny[4:], "--dataset", "mosi", "--mosei_task", "regression", "--method", "plain",
                      "--num_epochs", "5", "--m_lr", "0.05"]) == 0
    run = tmp_path / "checkpoint(mosi)" / "demo_seed1111" / "mult-plain"
    errors = [float(row["valid_mae"]) for row in history(run)]
    assert torch.load(run / "best_valid_acc.pt", weights_only=True)["epoch"] == errors.index(min(errors)) + 1


def test_a_run_starts_from_the_weights_of_another_one(tiny, tmp_path):
    assert main.main(moved(tiny, tmp_path / "a")) == 0
    file = folder(tmp_path / "a") / "last.pt"
    for method in ("causal", "plain"):
        config = parse_config([*moved(tiny, tmp_path / "b"), "--init", str(file), "--seed", "5", "--method", method])
        given = weights(folder(tmp_path / "a"))
        own = train.Trainer(config, build_data(config), CPU).model.state_dict()
        assert same_bits(own, {name: given[name] for name in own})


def test_weights_to_start_from_that_do_not_fit_are_named(tiny, tmp_path, capsys):
    assert main.main(moved(tiny, tmp_path / "a")) == 0
    argv = [*moved(tiny, tmp_path / "b"), "--init", str(folder(tmp_path / "a") / "last.pt")]
    assert main.main([*argv, "--dim", "12"]) == 1
    assert re.search(r"does not fit the model .*\(8,.* in the file", capsys.readouterr().err)
    assert main.main([*argv[:-1], str(tmp_path / "nothing.pt")]) == 1
    assert "there is no such file" in capsys.readouterr().err
    assert main.main([*argv[:-1], str(folder(tmp_path / "a") / "config.yaml")]) == 1
    assert "is no checkpoint of ours" in capsys.readouterr().err


def test_a_run_with_a_teacher_starts_from_another_one(tiny, tmp_path):
    words = ["--method", "confidence", "--num_epochs", "1", "--branch_epochs", "1"]
    assert main.main([*moved(tiny, tmp_path / "a"), *words]) == 0
    file = folder(tmp_path / "a", "confidence") / "last.pt"
    assert main.main([*moved(tiny, tmp_path / "b"), *words, "--init", str(file)]) == 0


def test_a_run_of_more_epochs_does_not_stand_for_one_of_fewer(tiny, tmp_path, capsys):
    words = [*tiny, "--method", "causal", "--branch_epochs", "1", "--resume"]
    assert main.main([*words, "--num_epochs", "2"]) == 0
    before = (folder(tmp_path) / "results.json").read_bytes()
    assert main.main([*words, "--num_epochs", "1"]) == 1
    assert "is of 2 epochs" in (told := capsys.readouterr().err) and "give --num_epochs 2 or more" in told
    assert (folder(tmp_path) / "results.json").read_bytes() == before
    assert main.main([*words, "--num_epochs", "2"]) == 0


def test_a_finished_run_that_goes_on_is_finished_only_at_its_new_end(tiny, tmp_path, monkeypatch):
    assert main.main(tiny) == 0
    monkeypatch.setattr(train.Trainer, "run", lambda self: signal.raise_signal(signal.SIGTERM))
    assert main.main([*tiny, "--num_epochs", "9", "--resume"]) == 143
    assert not {"results.json", "scores.txt"} & set(names(folder(tmp_path)))


def test_a_run_is_of_the_content_that_it_began_from(tiny, tmp_path, monkeypatch, capsys):
    assert main.main(moved(tiny, tmp_path / "a")) == 0
    start, other = (folder(tmp_path / "a") / f"{name}.pt" for name in ("best_valid_loss", "last"))
    content, run = start.read_bytes(), train.Trainer.run
    words = [*moved(tiny, tmp_path / "b"), "--init", str(start), "--num_epochs", "1"]
    monkeypatch.setattr(train.Trainer, "run", lambda self: (shutil.copy(other, start), run(self)))
    assert main.main(words) == 0
    results = json.loads((folder(tmp_path / "b") / "results.json").read_text())
    assert results["init"] == hashlib.sha256(content).hexdigest()
    assert main.main([*words[:-1], "2", "--resume"]) == 1
    assert "began from another content of --init" in capsys.readouterr().err


def test_samples_of_a_split_whose_name_has_a_slash_are_read_again(tmp_path):
    labels = torch.tensor([0.0, 1.0])
    result = EpochResult({}, {"logits": torch.tensor([[3.0, 0.0], [0.0, 3.0]])}, labels)
    write_samples(tmp_path, 1, {"test/ood": result}, make_task("classes:2"))
    assert torch.equal(read_samples(samples_file(tmp_path, 1))["test/ood"].labels, labels)


@pytest.mark.parametrize("words", [(), ("--init", "start.pt"), ("--method", "plain", "--strength", "cautious",
                                                                "--unbiased", "5")])
def test_a_finished_run_is_found_by_what_it_is(tiny, tmp_path, monkeypatch, words):
    monkeypatch.chdir(tmp_path)
    assert main.main([*moved(tiny, tmp_path / "a"), "--num_epochs", "1"]) == 0
    shutil.copy(folder(tmp_path / "a") / "last.pt", "start.pt")
    argv = [*tiny, "--num_epochs", "1", *words]
    assert main.main(argv) == 0
    config = parse_config(argv)
    found, whole = finished(folder(tmp_path, config.run.method))
    assert whole and found == fingerprint(config, build_data(config).info.sha256)
    Path("start.pt").write_bytes(b"another")
    assert (found == fingerprint(config, build_data(config).info.sha256)) == ("--init" not in words)


def test_one_model_at_a_time_is_on_the_device(tiny, monkeypatch):
    there = []
    original = train.Trainer.whole
    monkeypatch.setattr(train.Trainer, "whole", lambda self: there.append(weakref.ref(self)) or original(self))
    configs = parse_configs([*tiny, "--method", "paired", "--num_epochs", "1"])
    results = train.train(configs, build_data(configs[0]), CPU)
    next(results)
    gc.collect()
    assert there[0]() is None


def test_a_run_that_waited_long_enough_is_finished_with_the_samples_of_its_epochs(tiny, tmp_path):
    argv = [*tiny, "--num_epochs", "30", "--patience", "1", "--m_lr", "1e-12", "--log_samples", "--method", "plain"]
    assert main.main(argv) == 0  # nothing is learnt, so the second epoch is no better than the first
    assert len(history(folder(tmp_path, "plain"))) == 2
    assert has_samples(folder(tmp_path, "plain"), parse_config(argv))
    next((folder(tmp_path, "plain") / "samples").glob("*2.npz")).unlink()
    assert not has_samples(folder(tmp_path, "plain"), parse_config(argv))


def test_strengths_are_chosen_in_the_epochs_that_can_be_selected_alone(tiny, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(Strengths, "by", lambda self, split, *rest: asked.append(split) or {**self.start, "m": 0.5})
    words = ["--method=pool", "--strength=valid", "--branch_epochs=1", "--num_epochs=2", "--unbiased=5"]
    assert main.main([*tiny, *words]) == 0
    assert asked == ["valid", "valid_shifted"] * 2
    assert [row["valid_strength_m"] for row in history(folder(tmp_path, "pool"))] == ["1.0", "0.5", "0.5"]


@pytest.mark.parametrize("words, first, there", [([], 1, True), ([], 2, False), (["--branch_epochs=1"], 2, True),
                                                 (["--branch_epochs=1", "--method=late"], 2, False)])
def test_the_samples_of_an_early_end_begin_with_the_first_epoch_that_could_be_selected(tmp_path, words, first, there):
    (tmp_path / "history.csv").write_text("epoch\n1\n2\n3\n")
    (tmp_path / "samples").mkdir()
    (tmp_path / "samples" / "epoch_of_mine.npz").touch()
    for epoch in range(first, 4):
        samples_file(tmp_path, epoch).touch()
    assert has_samples(tmp_path, parse_config(["--patience=1", *words])) == there
