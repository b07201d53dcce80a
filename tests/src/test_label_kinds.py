"""Sets of labels, several numbers and named classes, from a file to scores, predictions, tables and the report."""

import csv

import numpy as np
import pytest
import torch

import inference
import main
from src.analysis.study import __main__ as study
from src.backbones.base import ONE_FRAME
from src.build import build_model, class_names
from src.checkpoint import load_checkpoint, save_checkpoint
from src.config import parse_config
from src.datasets.base import dataset_spec
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
    rows = run(lambda shown: shown, "--task", "regression:2", "--fusion_mode", "tanh")
    printed = capsys.readouterr().out
    assert all(word in printed for word in ("test ccc_mean", "test ccc_1", "test pearson_0", "debiases nothing here"))
    assert all(len(row["prediction"].split()) == len(row["label"].split()) == 2 for row in rows)


def test_a_study_of_sets_reports_by_names(tmp_path):
    file = write(tmp_path / "own.pkl", content(sets))
    assert study.main([*SMALL, "--datasets", str(file), "--task", "labels:3", "--class_names", "happy,sad,elated",
                       "--methods", "plain,causal", "--fusions", "tanh", "--seeds", "1", "--num_epochs", "1",
                       "--oracle", "--checkpoint_path", str(tmp_path), "--report", str(tmp_path / "report")]) == 0
    page = (tmp_path / "report" / "report.html").read_text()
    assert "f1_macro" in page and "exact_match" in page and "elated" in page


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


@pytest.mark.parametrize("dataset, names", [
    ("meld", "neutral surprise fear sadness joy disgust anger"),
    ("iemocap6", "happy sad neutral angry excited frustrated")])
def test_conversations_have_the_order_of_their_published_features(dataset, names):
    assert dataset_spec(dataset).class_names == tuple(names.split())


@pytest.mark.parametrize("backbone", BACKBONES)
@pytest.mark.parametrize("dataset", ONE_FRAME)
def test_every_backbone_takes_one_vector_per_utterance(dataset, backbone):
    config, widths = parse_config(["--dataset", dataset, "--backbone", backbone]), dict.fromkeys(MODALITIES, 7)
    task = dataset_spec(dataset).task
    info = DataInfo(dataset, task, make_task(task).outputs, widths, dict.fromkeys(MODALITIES, 1))
    output = build_model(config, info).eval()(Batch({name: torch.randn(2, 1, 7) for name in MODALITIES}, None))
    assert output.logits.shape == (2, info.outputs)


@pytest.mark.parametrize("dataset", DATASETS)
def test_names_of_a_dataset_fit_its_task(dataset):
    spec = dataset_spec(dataset)
    assert make_task(spec.task, spec.class_names).outputs > 1


def test_names_of_a_dataset_are_those_of_its_own_task_only(tmp_path):
    assert class_names(parse_config(["--dataset", "meld"]))[0] == "neutral"
    assert class_names(parse_config(["--dataset", "meld", "--task", "classes:3"])) == ()
    given = ["--dataset", "meld", "--task", "classes:2", "--class_names", "low,high"]
    assert class_names(parse_config(given)) == ("low", "high")
