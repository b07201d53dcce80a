"""MMSA's layout: lengths tell padding, words stay, labels are those that were asked for; also CIDer's joblib files."""

import joblib
import numpy as np
import pytest

from tests.conftest import write
from tests.src.datasets.convert.made import converted, refused


def content(sims=False):
    """Clips of 2, 3 and 4 frames of 4, padded behind; the second ends in a true frame of zeros, as its length tells."""
    random, made = np.random.default_rng(0), {}
    for name in ("train", "valid", "test"):
        split = {"raw_text": [f"{name} says {i}" for i in range(3)], "id": [f"{name}$_${i}" for i in range(3)],
                 "annotations": ["Positive"] * 3, "text_bert": np.zeros((3, 3, 4)),
                 "classification_labels": np.array([0.0, 1, 2]), "regression_labels": np.array([-1.0, 0, 1]),
                 "audio_lengths": [2, 3, 4], "vision_lengths": [2, 3, 4]}
        for modality, width in (("text", 8), ("audio", 3), ("vision", 2)):
            split[modality] = random.standard_normal((3, 4, width)) + 9
            for i, length in enumerate((2, 3, 4)):
                split[modality][i, length:] = 0
                split["text_bert"][i, :2, :length] = [[101] * length, [1] * length]
        split["audio"][1, 2] = 0
        if sims:
            split |= {f"{key}_{letter}": split[key][::-1] for key in ("classification_labels", "regression_labels")
                      for letter in "TAV"}
        made[name] = split
    return made


def test_padding_moves_to_the_front_and_lengths_tell_true_zeros(tmp_path):
    source = content()
    found = converted(tmp_path, "mmsa", write(tmp_path / "unaligned_50.pkl", source), task="sentiment")["train"]
    for modality in ("text", "audio", "vision"):
        for i, length in enumerate((2, 3, 4)):
            assert not found[modality][i, :4 - length].any()
            assert (found[modality][i, 4 - length:] == source["train"][modality][i, :length].astype("f4")).all()


def test_words_and_identifiers_stay(tmp_path):
    found = converted(tmp_path, "mmsa", write(tmp_path / "aligned_50.pkl", content()), task="sentiment")["test"]
    assert found["raw_text"][1] == "test says 1" and found["id"][2] == "test$_$2"


@pytest.mark.parametrize("task, expected", [("sentiment", [-1, 0, 1]), ("classes:3", [0, 1, 2])])
def test_the_task_chooses_among_the_labels(tmp_path, task, expected):
    found = converted(tmp_path, "mmsa", write(tmp_path / "aligned_50.pkl", content()), task=task)
    assert found["valid"]["labels"].tolist() == expected


@pytest.mark.parametrize("task, expected", [("sentiment", [1, 0, -1]), ("classes:3", [2, 1, 0])])
def test_labels_of_one_modality_are_chosen_by_name(tmp_path, task, expected):
    source = write(tmp_path / "ch_sims.pkl", content(sims=True))
    assert converted(tmp_path, "mmsa", source, "--labels", "audio", task=task)["train"]["labels"].tolist() == expected


def test_labels_that_are_not_there_are_refused(tmp_path, capsys):
    source = write(tmp_path / "aligned_50.pkl", content())
    message = refused(tmp_path, capsys, "mmsa", source, "--labels", "vision", task="sentiment")
    assert "has no regression_labels_V in 'train'" in message


def test_token_numbers_are_no_text(tmp_path, capsys):
    source = content()
    for split in source.values():
        del split["text"]
    message = refused(tmp_path, capsys, "mmsa", write(tmp_path / "a.pkl", source), task="sentiment")
    assert "has no text in 'train' but text_bert" in message and "run BERT over them" in message
    for split in source.values():
        split["text"] = split["text_bert"]
    message = refused(tmp_path, capsys, "mmsa", write(tmp_path / "a.pkl", source), task="sentiment")
    assert "holds token numbers" in message


def test_a_file_of_joblib_is_read(tmp_path):
    joblib.dump(content(), tmp_path / "ood.pkl")
    found = converted(tmp_path, "mmsa", tmp_path / "ood.pkl", task="sentiment")
    again = converted(tmp_path, "mmsa", write(tmp_path / "same.pkl", content()), task="sentiment")
    assert all((found[name][key] == again[name][key]).all() for name in found for key in ("text", "audio", "vision"))


def test_identifiers_that_stand_twice_are_refused(tmp_path, capsys):
    source = content()
    source["test"]["id"][0] = "train$_$0"
    message = refused(tmp_path, capsys, "mmsa", write(tmp_path / "a.pkl", source), task="sentiment")
    assert "stand at several clips: 1, the first is 'train$_$0'" in message


def test_a_folder_is_sent_to_the_format_of_clue(tmp_path, capsys):
    assert "--from clue" in refused(tmp_path, capsys, "mmsa", tmp_path, task="sentiment")
