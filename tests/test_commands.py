"""The two commands as a user types them: chained, stopped, given wrong input."""

import csv
import json
import math
import os
import pickle
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import inference
import main
from src.registry import BACKBONES
from src.structures import EMOTIONS, LETTER, MODALITIES
from tests.conftest import sentiment_content, write

ROOT = Path(__file__).parent.parent
OWN = ("--device", "cpu", "--dim", "8", "--num_heads", "2", "--nlevels", "1", "--num_epochs", "1", "--kernel_t", "1",
       "--kernel_a", "1", "--kernel_v", "1")  # a tiny run on a file of one's own
ENVIRONMENT = {**os.environ, "VIRTUAL_ENV": sys.prefix, "OMP_NUM_THREADS": "1"}


def shell(*words, **keywords):
    """Run a shell command of the repository and return it finished."""
    return subprocess.run(["bash", *map(str, words)], cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True,
                          timeout=120, **keywords)


def table(text):
    """The words of the result rows of an output."""
    return [line.split() for line in text.splitlines() if line.startswith("test") or "trivial" in line]


def all_scores(text):
    """The words of the result rows of the file that training names at its end."""
    return table(Path(text.split("all metrics, all rules: ")[1].splitlines()[0]).read_text())


def run_arguments(tiny):
    """The flags of a tiny run after the four arguments."""
    return tiny[2:]


def place(tmp_path):
    return ["--checkpoint_path", str(tmp_path)]


def test_inference_with_the_same_four_arguments_prints_what_training_printed(tiny, tmp_path):
    trained = shell("main.sh", "cpu", "exp_1", 3, "synthetic", "--method", "paired", *run_arguments(tiny))
    assert trained.returncode == 0, trained.stderr
    evaluated = shell("inference.sh", "cpu", "exp_1", 3, "synthetic", *place(tmp_path))
    assert evaluated.returncode == 0, evaluated.stderr
    whole = table(evaluated.stdout)
    assert all_scores(trained.stdout) == whole and len(whole) == 2 * 37
    short = [row for row in table(trained.stdout) if row[0] == "trivial"]
    assert short == [["trivial", *(row[2] for row in whole[:37] if row[1] in ("accuracy_mean", "accuracy_4class")
                                   and (row[0] == "test" or row[1] == "accuracy_4class"))]]
    run = tmp_path / "checkpoint(synthetic)" / "exp_1_seed3" / "mult-causal"
    assert table((run / "scores.txt").read_text()) == whole
    assert sorted(p.name for p in run.iterdir()) == ["best_valid_acc.pt", "best_valid_loss.pt", "config.yaml",
                                                     "history.csv", "last.pt", "results.json", "scores.txt"]
    assert "synthetic data: these scores are no result" in trained.stdout
    assert "it/s" not in trained.stderr  # progress bars are for terminals


@pytest.mark.parametrize("words, message", [
    (("main.sh", "cpu", "x", 1), "usage: bash main.sh GPU NAME SEED DATASET"),
    (("inference.sh", "cpu"), "usage: bash inference.sh GPU NAME SEED DATASET"),
    (("main.sh", "cpu", "x", 1, "mosei"), "unknown dataset 'mosei'; choose from ch_sims, crema_d"),
    (("main.sh", "cpu", "x", "one", "mosi"), "argument --seed: invalid int value: 'one'"),
])
def test_wrong_use_exits_with_2_and_says_what_is_right(words, message):
    done = shell(*words)
    assert done.returncode == 2 and message in done.stderr and "Traceback" not in done.stderr


def test_ctrl_c_and_kill_leave_a_run_that_resumes_to_the_same_bits(tiny, tmp_path):
    def argv(name):
        return [sys.executable, "main.py", *tiny, "--num_epochs", "4", "--embed_dropout", "0.3", "--name", name]

    def last(name):
        return tmp_path / "checkpoint(synthetic)" / f"{name}_seed1111" / "mult-causal" / "last.pt"

    subprocess.run(argv("whole"), cwd=ROOT, env=ENVIRONMENT, check=True, capture_output=True)
    for name, kind, code in (("stopped", signal.SIGINT, 130), ("killed", signal.SIGKILL, -9)):
        process = subprocess.Popen(argv(name), cwd=ROOT, env=ENVIRONMENT, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True)
        process.stdout.readline()  # loaded
        while "epoch 1/4" not in process.stdout.readline():
            assert process.poll() is None
        process.send_signal(kind)
        assert process.wait(60) == code
        assert main.main([*argv(name)[2:], "--resume"]) == 0
        states = [torch.load(last(run), weights_only=True)["model"] for run in ("whole", name)]
        assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])


def test_help_answers_at_once_without_heavy_packages():
    code = "import sys, main\ntry: main.main(['--help'])\nexcept SystemExit: pass\n" \
           "assert not {'transformers', 'sklearn', 'matplotlib'} & sys.modules.keys()"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True)


def evaluated(tmp_path, *more):
    return inference.main([*place(tmp_path), "--device", "cpu", *more])


@pytest.fixture
def trained(tiny, tmp_path, capsys):
    """A finished tiny run; returns its data file."""
    assert main.main(tiny) == 0
    capsys.readouterr()
    return next((tmp_path / "data").iterdir())


def predictions(path):
    with path.open() as file:
        return list(csv.DictReader(file))


ONE = ("--method", "causal", "--selection", "best_valid_loss")


def test_predictions_hold_ids_labels_and_effects_that_add_up(trained, tmp_path):
    out = tmp_path / "p.csv"
    assert evaluated(tmp_path, *ONE, "--predictions", str(out)) == 0
    rows = predictions(out)
    assert [row["split"] for row in rows] == ["test"] * 24 + ["test_shifted"] * 24 + ["test_reversed"] * 24
    assert rows[3]["id"] == "3" and {row["label"] for row in rows} <= {"neutral", "happy", "sad", "angry"}
    for row in rows:
        effects = [float(row[name]) for name in ("TE", "NDE_t", "NDE_a", "NDE_v", "TIE")]
        assert effects[0] - sum(effects[1:4]) == pytest.approx(effects[4], abs=1e-5)
        margins = [float(row[f"logit_{2 * i + 1}"]) - float(row[f"logit_{2 * i}"]) for i in range(4)]
        assert effects[4] == pytest.approx(max(margins), abs=1e-5)
        likely = [1 / (1 + math.exp(-margin)) for margin in margins]
        assert [float(row[f"probability_{name}"]) for name in EMOTIONS] == pytest.approx(likely, abs=1e-5)


def test_batches_of_one_give_the_same_predictions(trained, tmp_path):
    outs = [tmp_path / "16.csv", tmp_path / "1.csv"]
    for out, size in zip(outs, ("16", "1"), strict=True):
        assert evaluated(tmp_path, *ONE, "--predictions", str(out), "--batch_size", size) == 0
    many, single = (np.array([[float(row[f"logit_{i}"]) for i in range(8)] for row in predictions(o)]) for o in outs)
    np.testing.assert_allclose(many, single, atol=1e-5)


def test_a_file_without_labels_is_predicted(trained, tmp_path, capsys):
    content = pickle.loads(trained.read_bytes())
    own = {"test": {key: content["test"][key] for key in ("text", "audio", "vision")}}
    own["test"]["id"] = [f"clip {i}" for i in range(24)]
    (tmp_path / "own.pkl").write_bytes(pickle.dumps(own))
    out = tmp_path / "own.csv"
    assert evaluated(tmp_path, *ONE, "--predictions", str(out), "--data_file", str(tmp_path / "own.pkl")) == 0
    assert "the file has no labels" in capsys.readouterr().out
    assert evaluated(tmp_path, *ONE, "--predictions", str(tmp_path / "p.csv")) == 0
    for mine, full in zip(predictions(out), predictions(tmp_path / "p.csv"), strict=False):
        assert (mine["label"], mine["logit_0"]) == ("", full["logit_0"])
    assert predictions(out)[5]["id"] == "clip 5"


def test_the_tables_of_missing_modalities_and_contributions(trained, tmp_path, capsys):
    assert evaluated(tmp_path, *ONE, "--missing", "--contributions") == 0
    out = capsys.readouterr().out
    whole = next(line.split()[-1] for line in out.splitlines() if line.startswith("test accuracy_4class"))
    missing = next(part for part in out.split("\n\n") if part.startswith("mult-causal valid_loss, test\nmissing"))
    assert missing.splitlines()[2].split()[:2] == ["all", "present"] and missing.splitlines()[2].split()[-1] == whole
    assert missing.count("without ") == 6 and missing.count("random, rate ") == 10 and missing.count(" removals") == 2
    given = next(part for part in out.split("\n\n") if part.startswith("mult-causal valid_loss, test\ncontributions"))
    assert given.splitlines()[1].split()[-3:] == ["prediction", "fused", "backbone"]
    values = [float(line.split()[-3]) for line in given.splitlines() if line.startswith("shapley")]
    assert sum(values) == pytest.approx(3 * float(whole) / 100, abs=2e-4)  # v(all) = 3 where the decision is right
    assert evaluated(tmp_path, *ONE, "--missing", "--fill", "shuffle") == 0
    assert "missing, fill shuffle" in capsys.readouterr().out


def test_the_audit_judges_every_predictor_and_the_direct_effects(trained, tmp_path, capsys):
    assert evaluated(tmp_path, *ONE, "--audit") == 0
    out = capsys.readouterr().out
    audit = next(part for part in out.split("\n\n") if part.startswith("mult-causal valid_loss, test\naudit"))
    lines = [re.split(r"\s{2,}", line.strip()) for line in audit.splitlines()[1:]]
    assert [(len(cells), cells[0]) for cells in lines] == [
        (4, "audit"), (4, "ece"), *((2, f"agreement, {pair}") for pair in ("ta", "tv", "av")), (4, "kl_rule"),
        (4, "decides_by_rule"),
        *((2, f"{measure}, {name}") for name in MODALITIES for measure in ("kl_effect", "kl_no_effect"))]


def test_missing_and_contributions_refuse_what_they_cannot_use(trained, tmp_path, capsys):
    assert evaluated(tmp_path, *ONE, "--missing", "--remove", "t") == 2
    assert "leave out --remove" in capsys.readouterr().err
    content = pickle.loads(trained.read_bytes())
    (tmp_path / "own.pkl").write_bytes(pickle.dumps({"test": {m: content["test"][m] for m in LETTER.values()}}))
    assert evaluated(tmp_path, *ONE, "--contributions", "--data_file", str(tmp_path / "own.pkl")) == 1
    assert "need labels, and the file has none" in capsys.readouterr().err


def test_a_removed_modality_cannot_change_anything(trained, tmp_path):
    content = pickle.loads(trained.read_bytes())
    content["test"]["text"] = content["test"]["text"][::-1] * 3
    (tmp_path / "other.pkl").write_bytes(pickle.dumps(content))
    outs = {}
    for name, flags in {"removed": ("--remove", "t"), "plain": (), "none": ("--remove", ""),
                        "removed other": ("--remove", "t", "--data_file", str(tmp_path / "other.pkl"))}.items():
        assert evaluated(tmp_path, *ONE, "--predictions", str(tmp_path / "p.csv"), *flags) == 0
        outs[name] = [row["logit_0"] for row in predictions(tmp_path / "p.csv")[:24]]
    assert outs["removed"] == outs["removed other"] != outs["plain"] == outs["none"]


def test_data_that_is_not_the_training_data_is_refused(trained, tmp_path, capsys):
    content = pickle.loads(trained.read_bytes())
    content["test"]["text"] = content["test"]["text"] + 1
    trained.write_bytes(pickle.dumps(content))
    assert evaluated(tmp_path) == 1
    assert "bring the old file back, or name this one with --data_file" in capsys.readouterr().err
    assert evaluated(tmp_path, "--data_file", str(trained)) == 0
    for split in content.values():
        split["audio"] = split["audio"][..., :5]
    trained.write_bytes(pickle.dumps(content))
    assert evaluated(tmp_path, "--data_file", str(trained)) == 1
    assert "was trained on data with widths" in capsys.readouterr().err


def test_results_hold_what_was_printed_and_how_it_came_about(trained, tmp_path):
    run = tmp_path / "checkpoint(synthetic)" / "demo_seed1111" / "mult-causal"
    results = json.loads((run / "results.json").read_text())
    assert results["config"]["alpha"] == 0.1 and len(results["data"]["sha256"]) == 64
    assert set(results["versions"]) == {"python", "torch", "numpy", "transformers", "device", "git"}
    assert results["parameters"]["model"] == sum(v for k, v in results["parameters"].items() if k != "model") + 3
    assert results["selections"]["best_valid_acc"]["test"].keys() == results["trivial"]["test"].keys()


@pytest.mark.parametrize("flags, code, message", [
    (("--device", "cuda:9"), 1, "GPU 9 was asked for"),
    (("--dim", "12", "--kernel_a", "5"), 1, "audio has 4 frames, shorter than its kernel of 5"),
    (("--dim", "10", "--num_heads", "4"), 2, "--num_heads 4 does not divide --dim 10"),
])
def test_bad_input_is_one_sentence_and_leaves_no_run(tiny, tmp_path, capsys, flags, code, message):
    assert main.main([*tiny, *flags]) == code
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
    assert not list(tmp_path.glob("checkpoint*"))


@pytest.mark.parametrize("argv, message", [
    (["--dataset", "iemocap"], "no data file at"),
    (["--backbone", "json:JSONDecoder"], "breaks the contract 'a torch.nn.Module class'"),
])
def test_missing_parts_are_one_sentence(tmp_path, capsys, argv, message):
    assert main.main([*argv, "--device", "cpu", "--data_path", str(tmp_path), "--synthetic_sizes", "9,9,9"][
        : 6 if "iemocap" in argv else None] + place(tmp_path)) == 1
    assert message in capsys.readouterr().err


def test_an_output_folder_that_cannot_be_written_is_one_sentence(tiny, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert main.main([*tiny, "--checkpoint_path", str(tmp_path / "file")]) == 1
    assert "cannot be written" in capsys.readouterr().err


def test_nothing_to_evaluate_says_how_to_train(tmp_path, capsys):
    assert evaluated(tmp_path, "--name", "none") == 1
    assert "train it first with: bash main.sh cpu none 1111 synthetic" in capsys.readouterr().err


def test_another_method_of_a_run_is_named_and_so_is_another_rule(tiny, tmp_path, capsys):
    assert main.main([*tiny, "--method", "plain", "--num_epochs", "1"]) == 0
    assert evaluated(tmp_path, "--method", "causal") == 1
    assert "it has mult-plain, so choose one of these, or train it first with" in capsys.readouterr().err
    assert evaluated(tmp_path, "--selection", "last_epoch") == 1
    assert ("has no checkpoint of the rule last_epoch, it has valid_loss, valid_score; choose one of these, or train "
            "again: last_epoch is kept with --unwanted") in capsys.readouterr().err


def test_a_class_without_a_sample_is_told(tmp_path, capsys):
    content = sentiment_content()
    for split in content.values():
        split["labels"] = np.arange(6) % 2
    data = str(write(tmp_path / "mine.pkl", content))
    branches = [f"--{name}_branch=light" for name in MODALITIES]
    assert main.main(["--dataset", data, "--task", "classes:4", *OWN, *branches, *place(tmp_path)]) == 0
    shown = capsys.readouterr().out
    assert "note: no training sample is of class 2, 3; check --task if that is not meant" in shown
    assert "note: no validation sample is of class 2, 3; what is chosen is blind to it" in shown


def test_predictions_are_a_table_and_replace_no_data(tmp_path, capsys):
    data = write(tmp_path / "mine.pkl", sentiment_content())
    before = data.read_bytes()
    assert evaluated(tmp_path, *ONE, "--predictions", str(data)) == 2 and data.read_bytes() == before
    assert "may be data or a model; give a name that ends in .csv" in capsys.readouterr().err


def test_predictions_of_two_runs_need_a_choice(tiny, tmp_path, capsys):
    assert main.main([*tiny, "--method", "paired"]) == 0
    assert evaluated(tmp_path, "--selection", "best_valid_loss", "--predictions", str(tmp_path / "p.csv")) == 1
    assert "--predictions needs one run; mult-plain, mult-causal were found" in capsys.readouterr().err


def test_the_active_environment_is_used_if_it_satisfies_the_list(tmp_path):
    code = f'source "{ROOT}/environment.sh"; echo "$PYTHON"'
    done = subprocess.run(["bash", "-c", code], env=ENVIRONMENT, capture_output=True, text=True)
    assert (done.returncode, done.stdout.strip()) == (0, f"{sys.prefix}/bin/python"), done.stderr


def test_runs_of_two_backbones_under_one_name_are_told_apart(tiny, tmp_path, capsys):
    for backbone in ("mult", "pmr"):
        assert main.main([*tiny, "--backbone", backbone, "--num_epochs", "1"]) == 0
    capsys.readouterr()
    assert evaluated(tmp_path) == 0
    headings = [row for row in table(capsys.readouterr().out) if row[0] == "trivial"]
    assert headings == [["trivial", "mult-causal", "tanh", "pmr-causal", "tanh"]] * 2  # one table per rule
    out = ["--selection", "best_valid_loss", "--predictions", str(tmp_path / "p.csv")]
    assert evaluated(tmp_path, *out) == 1 and "choose with --method and --backbone" in capsys.readouterr().err
    assert evaluated(tmp_path, *out, "--backbone", "pmr") == 0
    for other in ("dmd", "/dev/null", "*"):
        assert evaluated(tmp_path, "--backbone", other) == 1
        assert f"no {other} checkpoint in" in capsys.readouterr().err


def test_an_own_file_that_changed_or_moved_is_noticed(tmp_path, capsys):
    from tests.src.datasets.test_base import mmsa_content
    flags = ["--device", "cpu", "--dim", "8", "--num_heads", "2", "--nlevels", "1", "--num_epochs", "1", "--method",
             "plain", "--task", "classes:3"]
    paths = [tmp_path / folder / "mine.pkl" for folder in "ab"]
    content = mmsa_content()
    for path in paths:
        write(path, content)
        content["test"]["audio"] += 1
    assert main.main(["--dataset", str(paths[0]), *flags, *place(tmp_path)]) == 0
    trained = all_scores(capsys.readouterr().out)
    paths[0].rename(tmp_path / "mine.pkl")
    assert evaluated(tmp_path, "--dataset", str(tmp_path / "mine.pkl")) == 0
    assert table(capsys.readouterr().out) == trained
    assert evaluated(tmp_path, "--dataset", str(paths[1])) == 1
    error = capsys.readouterr().err
    assert "runs of this name belong to another content of such a file (mine-" in error
    advice = shlex.split(re.search("--dataset mine-.* --data_file [^,]*", error)[0])
    assert evaluated(tmp_path, *advice) == 0
    assert table(capsys.readouterr().out) != trained
    assert evaluated(tmp_path, "--dataset", str(tmp_path / "none" / "mine.pkl")) == 1
    assert "no data file at" in capsys.readouterr().err


@pytest.mark.parametrize("flags, message", [
    (("--mosei_task", "regression"), "--mosei_task regression needs sentiment scores, but the task is emotion4"),
    (("--device", "gpu"), "'gpu' is no device"),
    (("--data_device", "cuda"), "--data_device cuda needs a run on a GPU"),
])
def test_combinations_without_sense_are_refused(tiny, capsys, flags, message):
    assert main.main([*tiny, *flags]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1


def test_batches_of_one_small_sample_are_refused_by_resnet(tiny, capsys):
    assert main.main([*tiny, "--audio_branch", "resnet18", "--batch_size", "1"]) == 1
    assert "raise --batch_size or take a light branch" in capsys.readouterr().err


def test_missing_weights_are_found_before_anything_is_trained(tiny, tmp_path, capsys):
    missing = ["--text_branch", "albert", "--text_pretrained", str(tmp_path / "none"), "--method", "paired"]
    assert main.main([*tiny, *missing]) == 1
    captured = capsys.readouterr()
    assert "--text_init random" in captured.err and "epoch" not in captured.out


def test_resuming_what_never_began_says_so(tiny, capsys):
    assert main.main([*tiny, "--resume"]) == 0
    assert "nothing to continue in" in capsys.readouterr().out


FORMS = [(), ("--mosei_task", "regression"), ("--no-aligned",), ("--mask_padding",)]


@pytest.mark.parametrize("backbone, task, method", [
    (backbone, task, ("plain", "causal")[(i + j) % 2]) for i, backbone in enumerate(BACKBONES)
    for j, task in enumerate(FORMS)])  # every two of the three meet
def test_every_backbone_combines_with_method_task_and_alignment(tmp_path, backbone, task, method):
    write(tmp_path / ("mosi_data_noalign.pkl" if "--no-aligned" in task else "mosi_data.pkl"), sentiment_content())
    flags = ["--dim", "8", "--num_heads", "2", "--nlevels", "1", "--num_epochs", "1", "--device", "cpu", *task]
    for letter, name in LETTER.items():
        flags += [f"--kernel_{letter}", "1", f"--{name}_branch", "light"]
    argv = ["--dataset", "mosi", "--backbone", backbone, "--method", method, "--data_path", str(tmp_path), *flags]
    assert main.main([*argv, *place(tmp_path)]) == 0
    assert evaluated(tmp_path, "--dataset", "mosi") == 0


def test_two_files_of_one_name_have_runs_of_their_own(tmp_path, capsys):
    paths = [tmp_path / folder / "Processed" / "aligned_50.pkl" for folder in ("MOSI", "MOSEI")]
    for shift, path in enumerate(paths):
        content = sentiment_content()
        content["train"]["audio"] += shift
        write(path, content)
    tables = []
    for path in paths:
        flags = ["--task", "sentiment7", *OWN, "--method", "plain", *place(tmp_path)]
        assert main.main(["--dataset", str(path), *flags]) == 0
        tables.append(all_scores(capsys.readouterr().out))
    for path, trained in zip(paths, tables, strict=True):
        assert evaluated(tmp_path, "--dataset", str(path)) == 0
        assert table(capsys.readouterr().out) == trained
    assert [path.name for path in tmp_path.glob("checkpoint(*)/*/*-*")] == ["mult-plain"] * 2


def test_a_run_on_a_moved_file_is_continued(tmp_path, capsys):
    paths = [tmp_path / folder / "mine.pkl" for folder in "ab"]
    for path in paths:
        write(path, sentiment_content())
    flags = ["--task", "sentiment7", *OWN, "--method", "plain", *place(tmp_path)]
    assert main.main(["--dataset", str(paths[0]), *flags]) == 0
    assert main.main(["--dataset", str(paths[1]), *flags, "--num_epochs", "2", "--resume"]) == 0
    assert "continuing after epoch 1" in capsys.readouterr().out


def test_another_file_is_padded_as_it_is_said(tmp_path, capsys):
    content = sentiment_content()
    back = {name: split | {m: np.concatenate([split[m][:, 1:], 0 * split[m][:, :1]], 1) for m in MODALITIES}
            for name, split in content.items()}
    write(tmp_path / "mine.pkl", back)
    write(tmp_path / "other.pkl", {"test": back["test"]})
    flags = ["--task", "sentiment7", *OWN, "--method", "plain", *place(tmp_path)]
    assert main.main(["--dataset", str(tmp_path / "mine.pkl"), *flags]) == 0
    trained = [row[-1] for row in all_scores(capsys.readouterr().out) if row[0] == "test"]
    words = ("--dataset", str(tmp_path / "mine.pkl"), "--data_file", str(tmp_path / "other.pkl"))
    assert evaluated(tmp_path, *words) == 0
    assert "give --padding back" in (told := capsys.readouterr().out)
    assert [row[-1] for row in table(told)] != trained
    assert evaluated(tmp_path, *words, "--padding", "back") == 0
    assert [row[-1] for row in table(capsys.readouterr().out)] == trained
    assert evaluated(tmp_path, *words[:2], "--padding", "back") == 2
    assert "--padding is for --data_file" in capsys.readouterr().err


def test_a_model_of_fixed_lengths_names_other_lengths(tmp_path, capsys):
    write(tmp_path / "mine.pkl", sentiment_content())
    flags = ["--task", "sentiment7", *OWN, "--backbone", "dmd", "--method", "plain", *place(tmp_path)]
    assert main.main(["--dataset", str(tmp_path / "mine.pkl"), *flags]) == 0
    content = sentiment_content()
    for split in content.values():
        split["audio"] = split["audio"][:, 1:]
    write(tmp_path / "short.pkl", content)
    capsys.readouterr()
    assert evaluated(tmp_path, "--dataset", str(tmp_path / "mine.pkl"), "--data_file", str(tmp_path / "short.pkl")) == 1
    assert "lengths text 4, audio 4, vision 4, this file has text 4, audio 3, vision 4" in capsys.readouterr().err


def test_the_task_of_the_training_may_be_given_again_and_another_is_refused(trained, tmp_path, capsys):
    assert evaluated(tmp_path, "--task", "emotion4") == 0
    assert evaluated(tmp_path, "--task", "sentiment7") == 2
    assert "was trained for the task emotion4, not 'sentiment7'" in capsys.readouterr().err


def test_a_backbone_without_published_settings_for_a_dataset_says_so(capsys):
    from src.config import parse_configs
    from src.configured import warnings
    words = ["--dataset", "iemocap", "--method", "plain"]
    assert warnings(parse_configs([*words, "--backbone", "dmd"])) == [
        "dmd has no published settings for iemocap; its defaults and those of the dataset are used"]
    assert warnings(parse_configs([*words, "--backbone", "mult"])) == []
