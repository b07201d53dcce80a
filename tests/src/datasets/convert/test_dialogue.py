"""Utterances in conversations: one frame each, four orders of entries, valid by dialogue."""

import pickle

import numpy as np
import pytest

from tests.src.datasets.convert.made import converted, refused

TRAIN = [f"Ses0{i}F_impro01" for i in range(1, 6)]


def row(entries=9, train=None, numbered=False):
    """Dialogues of two utterances; the text of an utterance is its place in the file from 1, three times."""
    names = [*(TRAIN if train is None else train), "Ses05M_script01"]
    names = list(range(len(names))) if numbered else names
    random = np.random.default_rng(0)
    tables = [{name: [f"{name}_{i}" for i in range(2)] for name in names}, {name: ["M", "F"] for name in names},
              {name: [i % 2, 1] for i, name in enumerate(names)},
              {name: [np.full(3, 2.0 * i + j + 1) for j in range(2)] for i, name in enumerate(names)},
              *({name: [np.zeros(9)] * 2 for name in names} for _ in range(3 if entries > 11 else 0)),
              {name: random.standard_normal((2, 4)) for name in names},
              {name: [random.standard_normal(5) for _ in range(2)] for name in names},
              {name: [f"word {i}" for i in range(2)] for name in names}]
    more = [{name: [2, 0] for name in names}] if entries in (10, 13) else []
    return (*tables, names[:-1], names[-1:], *more)


def source(tmp_path, content, protocol=4):
    (tmp_path / "IEMOCAP_features.pkl").write_bytes(pickle.dumps(content, protocol))
    return tmp_path / "IEMOCAP_features.pkl"


@pytest.mark.parametrize("entries", [9, 10, 12, 13])
def test_every_utterance_is_a_clip_of_one_frame(tmp_path, entries):
    found = converted(tmp_path, "dialogue", source(tmp_path, row(entries), protocol=2))
    assert found["test"]["id"] == ["Ses05M_script01_0", "Ses05M_script01_1"]
    assert found["test"]["text"].tolist() == [[[11.0] * 3], [[12.0] * 3]]
    assert found["test"]["labels"].tolist() == [1, 1] and found["test"]["raw_text"] == ["word 0", "word 1"]
    assert found["train"]["audio"].shape == (8, 1, 4) and found["train"]["vision"].shape == (8, 1, 5)


def test_a_tenth_of_the_training_dialogues_but_at_least_one_is_valid(tmp_path, capsys):
    file = source(tmp_path, row())
    found = converted(tmp_path, "dialogue", file)
    dialogues = {name: {text.rpartition("_")[0] for text in split["id"]} for name, split in found.items()}
    assert len(dialogues["valid"]) == 1 and dialogues["train"] | dialogues["valid"] == set(TRAIN)
    assert "1 dialogues of train, drawn by the seed 0, are valid" in capsys.readouterr().out
    assert len(converted(tmp_path, "dialogue", file, "--valid", "0.4")["valid"]["id"]) == 4


def test_a_set_of_dialogues_gives_the_same_file_as_a_list(tmp_path):
    content = list(row(train=sorted(TRAIN, reverse=True)))
    first = converted(tmp_path, "dialogue", source(tmp_path, content))
    content[7] = set(content[7])
    assert converted(tmp_path, "dialogue", source(tmp_path, content))["train"]["id"] == first["train"]["id"]


@pytest.mark.parametrize("entries", [10, 13])
def test_meld_files_keep_emotions_and_sentiment_and_the_task_says_which_are_the_labels(tmp_path, entries):
    file = source(tmp_path, row(entries))
    for task, labels in (("classes:7", [1, 1]), ("classes:3", [2, 0])):
        test = converted(tmp_path, "dialogue", file, task=task)["test"]
        assert [test[key].tolist() for key in ("labels", "emotion_labels", "sentiment_labels")] == [labels, [1, 1],
                                                                                                    [2, 0]]


@pytest.mark.parametrize("last", [None, {"other": [0, 0]}])
def test_sentiment_that_does_not_fit_is_an_error_for_its_task_alone(tmp_path, capsys, last):
    file = source(tmp_path, (*row(10)[:-1], last))
    assert "sentiment_labels" not in converted(tmp_path, "dialogue", file, task="classes:7")["test"]
    (tmp_path / "made" / "mine.pkl").unlink()
    assert "labels" in refused(tmp_path, capsys, "dialogue", file, task="classes:3")


def test_dialogues_can_be_numbers(tmp_path):
    assert converted(tmp_path, "dialogue", source(tmp_path, row(10, numbered=True)))["test"]["id"] == ["5_0", "5_1"]


@pytest.mark.parametrize("place, value, expected", [
    (2, {name: [[1, 2], [3]] for name in (*TRAIN, "Ses05M_script01")}, "labels of different forms"),
    (4, {name: [[1, 2], [[3], 4]] for name in (*TRAIN, "Ses05M_script01")}, "cannot be read as an array"),
    (3, "x", "has 'x' where text of the dialogues belong"), (7, 5, "where the dialogues of train belong"),
    (3, {}, "utterances of labels 2, text none"), (7, ["other"], "the dialogue 'other' has utterances of labels none"),
    (5, {name: ["a", "b"] for name in (*TRAIN, "Ses05M_script01")}, "expected numbers of the shape")])
def test_an_entry_that_is_another_is_refused(tmp_path, capsys, place, value, expected):
    content = list(row())
    content[place] = value
    assert expected in refused(tmp_path, capsys, "dialogue", source(tmp_path, content))


def test_modalities_with_other_counts_of_utterances_are_refused(tmp_path, capsys):
    content = row()
    content[4][TRAIN[0]] = content[4][TRAIN[0]][:1]
    message = refused(tmp_path, capsys, "dialogue", source(tmp_path, content))
    assert "utterances of labels 2, text 2, audio 1, vision 2" in message


@pytest.mark.parametrize("content", [{}, [1, 2], "text", None])
def test_another_file_is_refused(tmp_path, capsys, content):
    assert "expected a row of 9, 10, 12 or 13 entries" in refused(tmp_path, capsys, "dialogue",
                                                                  source(tmp_path, content))


def test_too_few_dialogues_and_a_share_of_all_are_refused(tmp_path, capsys):
    file = source(tmp_path, row(train=TRAIN[:1]))
    assert "leaves none to train on" in refused(tmp_path, capsys, "dialogue", file)
    assert "--valid" in refused(tmp_path, capsys, "dialogue", file, "--valid", "1", code=2)
