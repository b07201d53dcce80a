"""Sets of labels, several numbers and named classes, from a file to scores, predictions, tables and the report."""

import csv
from dataclasses import replace

import numpy as np
import pytest
import torch

import inference
import main
from src.analysis.measures import measure, samples
from src.analysis.records import SampleRecord, Study
from src.analysis.report.charts_models import CLASSES, _told
from src.analysis.report.tables import study_tables
from src.analysis.trained import load_trained
from src.backbones.base import ONE_FRAME
from src.build import build_model
from src.checkpoint import load_checkpoint, save_checkpoint
from src.config import parse_config, parse_inference
from src.configured import class_names
from src.datasets.base import dataset_spec, open_file
from src.registry import BACKBONES, DATASETS
from src.structures import MODALITIES, Batch, DataInfo
from src.tasks import make_task
from tests.conftest import TINY, write

SMALL = (*TINY[:2], *TINY[4:], "--text_branch", "light", "--audio_branch", "light", "--vision_branch", "light",
         "--kernel_a", "1", "--kernel_v", "1")
SIZES = {"train": 48, "valid": 24, "test": 30}


def content(labels):
    """Utterance features (N, 1, D) whose first two show what `labels` makes of them, (N, 2) -> (N, ...)."""
    random, splits = np.random.default_rng(0), {}
    for name, count in SIZES.items():
        shown = random.standard_normal((count, 2))
        splits[name] = {modality: np.concatenate([shown, random.standard_normal((count, width))], 1)[:, None]
                        for modality, width in (("text", 4), ("audio", 2), ("vision", 1))} | {"labels": labels(shown)}
    return splits


@pytest.fixture
def run(tmp_path):
    """Train on a file, then evaluate everything; returns the rows of the predictions, and the words of the place."""
    def go(labels, *words):
        place = ["--dataset", str(write(tmp_path / "own.pkl", content(labels))), "--checkpoint_path", str(tmp_path)]
        assert main.main([*SMALL, *place, *words]) == 0
        csv_file = tmp_path / "predictions.csv"
        assert inference.main([*place, "--device", "cpu", "--selection", "valid_score", "--missing", "--contributions",
                               "--predictions", str(csv_file)]) == 0
        with csv_file.open() as file:
            return list(csv.DictReader(file))
    return go


def sets(shown):
    return np.concatenate([shown > 0, shown[:, :1] > 1], 1)


def test_sets_of_labels_are_trained_scored_and_predicted_by_their_names(run, capsys, tmp_path):
    rows = run(sets, "--task", "labels:3", "--class_names", "happy,sad,very happy", "--fusion_mode", "tanh")
    printed = capsys.readouterr().out
    assert all(word in printed for word in ("test f1_macro", "test map", "test f1_class_very happy", "to exact_match"))
    assert {row["label"] for row in rows} == {"happy", "sad", "happy+sad", "none", "happy+very happy",
                                              "happy+sad+very happy"}
    assert len(rows) == 30 and "logit_5" in rows[0] and {"TE", "NDE_t", "TIE"} <= rows[0].keys()
    saved = torch.load(next(tmp_path.glob("checkpoint*/*/*/last.pt")), weights_only=True)
    assert saved["config"]["class_names"] == list(saved["info"]["class_names"]) == ["happy", "sad", "very happy"]


def test_several_numbers_are_trained_scored_and_predicted(run, capsys):
    rows = run(lambda shown: shown, "--task", "regression:2", "--class_names", "valence,arousal", "--fusion_mode",
               "tanh")
    printed = capsys.readouterr().out
    assert all(word in printed for word in ("test ccc_mean", "test ccc_arousal", "test pearson_valence",
                                            "debiases nothing here"))
    assert all(row[key].split()[::2] == ["valence", "arousal"] for row in rows for key in ("prediction", "label"))


@pytest.mark.parametrize("labels, words, headline", [
    (sets, ("--task", "labels:3", "--class_names", "happy,sad,elated"), "f1_macro"),
    (lambda shown: shown, ("--task", "regression:2"), "ccc_mean")])
def test_a_study_has_all_its_tables(tmp_path, labels, words, headline):
    place = ["--dataset", str(write(tmp_path / "own.pkl", content(labels))), "--checkpoint_path", str(tmp_path)]
    assert main.main([*SMALL, *place, *words, "--num_epochs", "1"]) == 0
    path = next(tmp_path.glob("checkpoint*/*/*/best_valid_acc.pt"))
    _, trained = load_trained(path, parse_inference(place), torch.device("cpu"), {})
    run = {"dataset": "own", "condition": "", "backbone": "mult", "variant": "mask", "method": "causal",
           "fusion": "mask", "seed": 1, "selection": "best_valid_acc"}
    rows = [run | row for row in measure(trained, ("missing", "contributions"), ("zero",))]
    found = Study("A study", rows, [], [], [], [], {"own": trained.task.exact})
    tables = {caption.partition("(")[0].strip(): cells for caption, _, cells in study_tables(found)}
    assert headline in tables[f"own: {trained.task.exact}, test scores"][0] and len(tables) == 4
    (shown,) = samples(trained)
    assert shown["classes"] == list(trained.task.classes) and len(shown["effects"]["TE"][0]) == len(shown["classes"])


def test_too_many_different_labels_are_put_together_in_a_figure():
    labels = [f"{i // 2} {i}" for i in range(40)] + ["0 0"] * 3
    record = SampleRecord("own", "", "mult", "plain", 1, "test", [], labels, [], [], {}, [[0.0, 0.0]] * 43)
    told = _told([record])["plain"]
    assert told.count("others") == 43 - 4 - (CLASSES - 2) and told.count("0 0") == 4 and len(set(told)) == CLASSES
    assert _told([replace(record, labels=list(map(str, range(43))))])["plain"] == list(map(str, range(43)))


def test_a_checkpoint_from_before_there_were_names_is_evaluated_and_continued(tmp_path):
    file = write(tmp_path / "own.pkl", content(lambda shown: (shown[:, 0] > 0) * 1))
    place = ["--dataset", str(file), "--checkpoint_path", str(tmp_path), "--method", "plain"]
    argv = [*SMALL, *place, "--task", "classes:2"]
    assert main.main(argv) == 0
    for path in tmp_path.glob("checkpoint*/*/*/*.pt"):
        saved = load_checkpoint(path, torch.device("cpu"))
        del saved["config"]["class_names"]
        model = torch.nn.Module()
        model.state_dict = lambda saved=saved: saved["model"]
        info = DataInfo(**{name: value for name, value in vars(saved["info"]).items() if name != "class_names"})
        rest = {key: value for key, value in saved.items() if key not in ("format", "config", "info", "model")}
        save_checkpoint(path, model, saved["config"], info, **rest)
    assert inference.main([*place, "--device", "cpu"]) == 0
    assert main.main([*argv, "--num_epochs", "3", "--resume"]) == 0


@pytest.mark.parametrize("dataset, task, names", [
    ("meld", "classes:7", "neutral surprise fear sadness joy disgust anger"),
    ("meld", "classes:3", "neutral positive negative"),
    ("iemocap6", "classes:6", "happy sad neutral angry excited frustrated")])
def test_conversations_have_the_order_of_their_published_features(dataset, task, names):
    assert class_names(parse_config(["--dataset", dataset, "--task", task])) == tuple(names.split())


def test_the_task_chooses_between_the_emotions_and_the_sentiment_of_meld(tmp_path):
    made = content(lambda shown: (shown[:, 0] > 0) * 6)
    for split in made.values():
        split |= {"emotion_labels": split["labels"], "sentiment_labels": split["labels"] // 3}
        split["labels"] = split["sentiment_labels"]  # as of a file that was converted for them
    file = write(tmp_path / "meld_data.pkl", made)
    largest = {task: open_file(file, dataset_spec("meld"), task)["test"]["labels"].max()
               for task in ("classes:7", "classes:3")}
    assert largest == {"classes:7": 6, "classes:3": 2}
    assert main.main([*SMALL, "--dataset", "meld", "--data_path", str(tmp_path), "--checkpoint_path", str(tmp_path),
                      "--method", "plain", "--task", "classes:3"]) == 0
    scores = next(tmp_path.glob("checkpoint*/*/*/scores.txt")).read_text()
    assert all(name in scores for name in ("f1_weighted", "f1_class_neutral", "f1_class_positive", "f1_class_negative"))


@pytest.mark.parametrize("backbone", BACKBONES)
@pytest.mark.parametrize("dataset", ONE_FRAME)
def test_every_backbone_takes_one_vector_per_utterance(dataset, backbone):
    config, widths = parse_config(["--dataset", dataset, "--backbone", backbone]), dict.fromkeys(MODALITIES, 7)
    task = dataset_spec(dataset).task
    info = DataInfo(dataset, task, make_task(task).outputs, widths, dict.fromkeys(MODALITIES, 1))
    output = build_model(config, info).eval()(Batch({name: torch.randn(2, 1, 7) for name in MODALITIES}, None))
    assert output.logits.shape == (2, info.outputs)


@pytest.mark.parametrize("dataset", DATASETS)
def test_names_of_a_dataset_fit_its_tasks(dataset):
    spec = dataset_spec(dataset)
    for task in (spec.task, *spec.class_names):
        assert make_task(task, spec.class_names.get(task, ())).outputs > 1


def test_names_of_a_dataset_are_those_of_its_own_tasks_only(tmp_path):
    assert class_names(parse_config(["--dataset", "meld"]))[0] == "neutral"
    assert class_names(parse_config(["--dataset", "meld", "--task", "classes:4"])) == ()
    given = ["--dataset", "meld", "--task", "classes:2", "--class_names", "low,high"]
    assert class_names(parse_config(given)) == ("low", "high")
