"""Training, evaluation and prediction from Python, beside what the commands do."""

import csv
import json
import logging
import random
import threading

import numpy as np
import pytest
import torch

import inference
import main
from src.api import InputError, UsageError, evaluate, load, train
from src.datasets.safe_pickle import read_pickle
from src.export import __main__ as export
from src.flags import words
from src.guest import guest
from src.structures import MODALITIES
from src.writing import write_pickle
from tests.conftest import sentiment_content

SMALL = {"device": "cpu", "dim": 8, "num_heads": 2, "nlevels": 1, "light_width": 4, "num_epochs": 2, "batch_size": 16}
OWN = SMALL | {"task": "sentiment7", "num_epochs": 1, "kernel_t": 1, "kernel_a": 1, "kernel_v": 1}
pytestmark = pytest.mark.xdist_group("api")  # one run for all


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with the run "called" by Python and "command" by main.py; the former, and what came out of it."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("api")
    flags = SMALL | {"synthetic_sizes": (48, 24, 24), "data_path": folder / "data", "checkpoint_path": folder,
                     "embed_dropout": 0.2}
    lines = []
    called = train(name="called", progress=lines.append, **flags)
    assert main.main(words({**flags, "name": "command"})) == 0
    return folder, flags, called, lines


@pytest.fixture(scope="module")
def tested(made):
    """The inputs of the test split that the runs were tested on."""
    split = read_pickle(next((made[0] / "data").iterdir()))["test"]
    return {name: split[name] for name in MODALITIES}


def of_command(made):
    return made[2].folder.parents[1] / "command_seed1111" / made[2].folder.name


def weights(path):
    return torch.load(path, weights_only=True)["model"]


@pytest.mark.parametrize("name", ["last", "best_valid_acc", "best_valid_loss"])
def test_a_call_trains_to_the_bits_of_the_command(made, name):
    called, commanded = (weights(folder / f"{name}.pt") for folder in (made[2].folder, of_command(made)))
    assert called.keys() == commanded.keys() and all(torch.equal(called[key], commanded[key]) for key in called)


def test_a_call_writes_the_files_of_the_command_but_for_times_and_the_name(made):
    def rows(folder):
        with (folder / "history.csv").open() as file:
            return [{key: value for key, value in row.items() if key != "seconds"} for row in csv.DictReader(file)]

    def results(folder):
        content = json.loads((folder / "results.json").read_text())
        content.pop("seconds"), content["config"].pop("name")
        for one in content["selections"].values():
            one["valid"].pop("seconds")
        return content

    called, commanded = made[2].folder, of_command(made)
    assert rows(called) == rows(commanded) and results(called) == results(commanded)
    assert (called / "scores.txt").read_text() == (commanded / "scores.txt").read_text()
    assert sorted(path.name for path in called.iterdir()) == sorted(path.name for path in commanded.iterdir())


def test_a_run_tells_what_its_files_hold(made):
    run, results = made[2], json.loads((made[2].folder / "results.json").read_text())
    assert run.scores["valid_score"]["test"] == results["selections"]["best_valid_acc"]["test"]
    assert run.strengths["valid_loss"] == {"m": 1, "t": 0, "a": 0, "v": 0}
    assert run.history()["epoch"].tolist() == [1, 2]


def test_a_call_prints_nothing_and_hands_on_whole_lines(made, capsys, caplog):
    assert [line[:9] for line in made[3] if line.startswith("epoch")] == ["epoch 1/2", "epoch 2/2"]
    assert made[3][-1] == f"saved in {made[2].folder}" and not any("\n" in line for line in made[3])
    with caplog.at_level(logging.INFO, "causalmer"):
        evaluate(made[2].folder, missing=True, selection="valid_score")
        train(**made[1], name="called", resume=True)
    assert capsys.readouterr() == ("", "") and "nothing is trained" in caplog.text


def test_random_states_and_settings_are_the_callers_again(made):
    def state():
        flushed = bool(torch.full((1,), torch.finfo(torch.float32).tiny).div(2) == 0)
        return (random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist(), flushed,
                torch.get_num_threads(), torch.backends.cudnn.deterministic, torch.is_grad_enabled())

    torch.set_flush_denormal(False)
    for seed in (random.seed, np.random.seed, torch.manual_seed):
        seed(5)
    before = state()
    load(made[2].folder, device="cpu")
    with pytest.raises(UsageError):
        train(**made[1], name="x", strength="w=1")
    train(**made[1], name="called", resume=True)
    assert state() == before


@pytest.mark.parametrize("flags", [{"epochs": 3}, {"num_epochs": 0}, {"optim": "sgd"}, {"seed": True},
                                   {"resume": "yes"}, {"unwanted": ("sound",)}, {"dataset": "mosei"},
                                   {"method": "cf_vqa", "accumulate": 2.5}])
def test_wrong_flags_are_the_sentence_of_the_command(tmp_path, capsys, flags):
    with pytest.raises(UsageError) as caught:
        train(**flags, checkpoint_path=tmp_path)
    assert main.main(words({**flags, "checkpoint_path": tmp_path})) == 2
    assert capsys.readouterr().err == f"error: {caught.value}\n" and not list(tmp_path.iterdir())


def test_values_become_the_words_of_a_command():
    flags = {"seed": np.int64(3), "alpha": 0.5, "aligned": False, "resume": True, "init": None,
             "synthetic_sizes": (9, 8, 7), "unwanted": ()}
    assert words(flags) == ["--seed=3", "--alpha=0.5", "--no-aligned", "--resume", "--synthetic_sizes=9,8,7",
                            "--unwanted="]


@pytest.mark.parametrize("flags, message", [({"seed": object()}, "'seed' is a object of other things than text"),
                                            ({"help": True}, "a call has no flag help")])
def test_values_that_no_command_can_have_are_refused(flags, message):
    with pytest.raises(UsageError, match=message):
        words(flags)


def test_several_runs_are_no_single_call(tmp_path):
    with pytest.raises(UsageError, match="--method stands for 2 runs, plain, causal; choose one"):
        train(method="paired", checkpoint_path=tmp_path)


def test_an_interrupted_call_continues_to_the_same_bits(made):
    def stop(line):
        if line.startswith("epoch 1/2"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt, match="epoch 1 of 2 is the last one saved"):
        train(**made[1], name="stopped", progress=stop)
    resumed = train(**made[1], name="stopped", resume=True)
    states = [weights(folder / "last.pt") for folder in (resumed.folder, made[2].folder)]
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])


def test_predictions_are_those_of_inference(made, tested, tmp_path):
    place = ["--checkpoint_path", str(made[0]), "--name", "called", "--device", "cpu", "--selection", "valid_score"]
    model = load(made[2].folder, device="cpu")
    for letters, arrays in (("", tested), ("tv", {"audio": tested["audio"]})):
        path = tmp_path / f"{letters}.csv"
        assert inference.main([*place, "--remove", letters, "--predictions", str(path)]) == 0
        with path.open() as file:
            rows = [row for row in csv.DictReader(file) if row["split"] == "test"]
        frame = model.predict(arrays).frame()
        assert frame["prediction"].tolist() == [row["prediction"] for row in rows]
        for name in ("logit_0", "logit_7", "TE", "NDE_t", "NDE_v", "TIE"):
            assert frame[name].tolist() == [float(row[name]) for row in rows]


def test_removed_modalities_are_those_left_out(made, tested):
    model = load(made[2].folder / "best_valid_loss.pt", device="cpu")
    left_out = model.predict({name: tested[name] for name in ("audio", "vision")})
    np.testing.assert_array_equal(model.predict(tested, remove="t").logits, left_out.logits)
    shuffled = model.predict(tested, remove="t", fill="shuffle")
    assert (shuffled.direct["text"] != left_out.direct["text"]).any()
    np.testing.assert_array_equal(shuffled.direct["audio"], left_out.direct["audio"])


def test_effects_are_arrays_that_add_up(made, tested):
    found = load(made[2].folder, device="cpu").predict(tested)
    assert found.TIE.shape == (24, 8) and found.probabilities.shape == (24, 4) and len(found.decision) == 24
    np.testing.assert_allclose(found.TIE, found.total - sum(found.direct.values()), atol=1e-6)
    np.testing.assert_array_equal(found.TIE, found.logits)


def test_an_exported_folder_predicts_like_its_run(made, tested, tmp_path):
    place = ["--checkpoint_path", str(made[0]), "--name", "called", "--output", str(tmp_path / "hub")]
    assert export.main([*place, "--selection", "valid_score", "--to", "hub_folder"]) == 0
    models = [load(folder, device="cpu") for folder in (tmp_path / "hub", made[2].folder)]
    first, second = (model.predict(tested) for model in models)
    np.testing.assert_array_equal(first.TIE, second.TIE)


def test_other_lengths_are_read_where_the_backbone_can(made, tested):
    model = load(made[2].folder, device="cpu")
    whole = model.predict(tested).logits
    short = {name: x[:, -3:] for name, x in tested.items()}
    assert model.predict(short).logits.shape == (24, 8)
    np.testing.assert_array_equal(model.predict(tested).logits, whole)


@pytest.fixture(scope="module")
def fixed(tmp_path_factory):
    """A run of DMD, plain, on arrays of 6 samples: widths 5, 3, 2 and 4 frames."""
    folder = tmp_path_factory.mktemp("fixed")
    return train(**OWN, dataset=sentiment_content(), backbone="dmd", method="plain", checkpoint_path=folder)


def changed(**arrays):
    return {name: x for name, x in (sentiment_content()["test"] | arrays).items() if name in (*MODALITIES, *arrays)}


@pytest.mark.parametrize("inputs, kind, message", [
    ({}, UsageError, "predict got no array; give one or more of text, audio, vision"),
    ({"words": np.zeros((2, 4, 5))}, UsageError, "predict got 'words'; give one or more"),
    (changed(text=np.zeros((6, 5))), InputError, r"text of 'inputs' has the shape \(6, 5\); expected"),
    (changed(audio=np.zeros((6, 4, 9))), InputError, "audio has 9 features per frame, and .* was trained on 3"),
    (changed(audio=np.zeros((5, 4, 3))), InputError, "audio of 'inputs' has 5 samples, text has 6; expected equal"),
    (changed(audio=[[0.0]]), InputError, "audio of 'inputs' is a list; expected an array of real numbers"),
    (changed(audio=np.full((6, 4, 3), np.nan)), InputError, "72 of 72 values of audio are -inf, inf or NaN"),
    (changed(audio=np.zeros((6, 3, 3))), InputError, "the lengths text 4, audio 4, vision 4, this file has text 4, "
                                                     "audio 3, vision 4, and the dmd model is made for fixed lengths"),
])
def test_arrays_that_a_model_cannot_read_are_one_sentence(fixed, inputs, kind, message):
    with pytest.raises(kind, match=message) as caught:
        load(fixed.folder, device="cpu").predict(inputs)
    assert "\n" not in str(caught.value)


def test_sequences_shorter_than_a_kernel_are_named(tmp_path):
    run = train(**OWN | {"kernel_t": 3}, dataset=sentiment_content(), method="plain", checkpoint_path=tmp_path)
    with pytest.raises(InputError, match="^text has 2 frames, shorter than its kernel of 3"):
        load(run.folder, device="cpu").predict(changed(text=np.ones((6, 2, 5))))


@pytest.mark.parametrize("how, message", [({"remove": "x"}, "remove is 'x'; give letters of t, a, v"),
                                          ({"fill": "shuffle"}, "fill is 'shuffle'; choose zero or shuffle for the"),
                                          ({"remove": "t", "fill": "mean"}, "needs a train split to average over"),
                                          ({"padding": "left"}, "padding is 'left'; choose from auto, front, back")])
def test_words_that_predict_does_not_know_are_refused(fixed, how, message):
    with pytest.raises(InputError, match=message):
        load(fixed.folder, device="cpu").predict(changed(), **how)


def test_a_few_values_that_are_no_numbers_become_zero_and_are_told(fixed, caplog):
    arrays, model = changed(), load(fixed.folder, device="cpu")
    arrays["audio"][0, 3, 0] = np.nan
    found = model.predict(arrays)
    assert "1 of 72 values of inputs audio were -inf, inf or NaN and became 0" in caplog.text
    assert np.isnan(arrays["audio"][0, 3, 0])
    arrays["audio"][0, 3, 0] = 0
    np.testing.assert_array_equal(model.predict(arrays).logits, found.logits)


def test_a_model_without_effects_says_so(fixed):
    found = load(fixed.folder, device="cpu").predict(changed())
    assert found.effects == {} and found.probabilities.sum(1) == pytest.approx(np.ones(6))
    for ask in ("TIE", "total", "direct"):
        with pytest.raises(InputError, match="dmd-plain has no .*, its effects are none"):
            getattr(found, ask)


def test_arrays_are_a_data_set_like_their_file(fixed, tmp_path):
    write_pickle(tmp_path / "mine.pkl", sentiment_content())
    run = train(**OWN, dataset=tmp_path / "mine.pkl", backbone="dmd", method="plain", checkpoint_path=tmp_path)
    assert run.scores == fixed.scores and run.trivial == fixed.trivial


@pytest.mark.parametrize("arrays, message", [
    (sentiment_content(valid={}), "split 'valid' has no 'text'"),
    ({"train": [1]}, "dataset is no dictionary of splits"),
    ({"train": {"text": lambda: 0}}, "dataset is no dictionary of splits"),
])
def test_arrays_that_are_no_data_set_leave_no_file(tmp_path, arrays, message):
    with pytest.raises(InputError, match=message):
        train(**OWN, dataset=arrays, checkpoint_path=tmp_path)
    assert not list(tmp_path.iterdir())


def test_what_is_no_run_or_no_checkpoint_is_one_sentence(made, tmp_path):
    for ask in (load, evaluate):
        with pytest.raises(InputError, match="is no folder of a run; give checkpoint"):
            ask(tmp_path)
    with pytest.raises(InputError, match="name one of those in it: mult-causal"):
        load(made[2].folder.parent)
    with pytest.raises(UsageError, match="selection is 'best'; choose from last_epoch, valid_loss, valid_score"):
        load(made[2].folder, selection="best")
    path = tmp_path / "best_valid_acc.pt"
    whole = (made[2].folder / path.name).read_bytes()
    for content in (whole[:-1000], b"", whole.replace(b"sha256", b"sha255")):
        path.write_bytes(content)
        with pytest.raises(InputError, match="best_valid_acc.pt"):
            load(tmp_path)
    with pytest.raises(InputError, match="no checkpoint at"):
        load(tmp_path / "none.pt")


def test_evaluation_gives_the_scores_of_the_training(made):
    rows = evaluate(made[2].folder.parent, audit=True)
    assert set(rows["analysis"]) == {"test", "audit"} and set(rows["run"]) == {"trivial", "mult-causal tanh"}
    own = rows[(rows["run"] != "trivial") & (rows["analysis"] == "test")]
    for selection, scored in made[2].scores.items():
        for split, metrics in scored.items():
            found = own[(own["selection"] == selection) & (own["split"] == split)]
            assert dict(zip(found["measure"], found["value"], strict=True)) == metrics


def test_evaluation_without_a_modality_is_other_rows(made):
    rows = evaluate(made[2].folder, remove="t", selection="valid_loss")
    assert set(rows.loc[rows["run"] != "trivial", "setting"]) == {"t"} and set(rows["selection"]) == {"valid_loss"}


def test_evaluation_refuses_what_the_folder_says(made):
    with pytest.raises(UsageError, match="evaluate takes no seed"):
        evaluate(made[2].folder, seed=1)
    with pytest.raises(UsageError, match="is one run, and none of pmr plain"):
        evaluate(made[2].folder, method="plain", backbone="pmr")
    assert len(evaluate(made[2].folder, method="causal", backbone="mult"))


def test_a_function_that_prints_its_lines_prints_them_outside(capsys):
    with guest(print):
        print("from", "here")
        worker = threading.Thread(target=print, args=("and there",))
        worker.start()
        worker.join()
        assert capsys.readouterr().out == "from here\nand there\n"
