"""MERBench's archive of label dictionaries, read without executing anything, and its folders of features."""

import os

import numpy as np
import pytest

from tests.src.datasets.convert.made import converted, features, refused


def labels(count=4, prefix="sample"):
    return {f"{prefix}_{i:04d}": {"emo": ("neutral", "sad")[i % 2], "val": np.float64(i)} for i in range(count)}


@pytest.fixture
def source(tmp_path):
    corpora = {"train_corpus": labels(), "test1_corpus": labels(3, "first"), "test2_corpus": labels(3, "second"),
               "test3_corpus": {name: label | {"val": -10} for name, label in labels(2, "third").items()}}
    features(tmp_path, [name for corpus in corpora.values() for name in corpus])
    np.savez_compressed(tmp_path / "label-6way.npz", **corpora)
    return tmp_path / "label-6way.npz"


def test_emotions_are_numbered_in_their_order_and_valid_is_drawn(tmp_path, source, capsys):
    found = converted(tmp_path, "merbench", source, "--valid", "0.25", task="classes:6")
    assert {name: len(split["id"]) for name, split in found.items()} == {
        "train": 3, "valid": 1, "test": 3, "test2": 3, "test3": 2}
    assert found["test"]["id"] == ["first_0000", "first_0001", "first_0002"]
    assert found["test"]["labels"].tolist() == [0, 3, 0]
    assert (found["test3"]["text"][0, -1] == np.load(tmp_path / "text" / "third_0000.npy")[-1]).all()
    said = capsys.readouterr().out
    assert "1 utterances of train, drawn by the seed 0, are valid" in said and "test1 is called test" in said


def test_one_seed_draws_one_split(tmp_path, source):
    drawn = [converted(tmp_path, "merbench", source, "--seed", seed, task="classes:6")["valid"]["id"]
             for seed in (0, 0, 3, 5)]
    assert drawn[0] == drawn[1] and len({name for ids in drawn for name in ids}) > 1


def test_valence_leaves_out_what_has_none(tmp_path, source, capsys):
    found = converted(tmp_path, "merbench", source, "--label", "val", task="classes:6")
    assert list(found) == ["train", "valid", "test", "test2"] and found["test"]["labels"].tolist() == [0, 1, 2]
    assert "2 of 2 utterances of test3 have no label and are left out" in capsys.readouterr().out


def test_the_order_of_emotions_can_be_given(tmp_path, source):
    found = converted(tmp_path, "merbench", source, "--classes", "sad,neutral")
    assert found["test"]["labels"].tolist() == [1, 0, 1]


def test_val_is_valid_where_the_archive_has_it(tmp_path):
    corpora = {f"{name}_corpus": {f"{name}{i}": {"emo": i % 2, "val": ""} for i in range(3)}
               for name in ("train", "val", "test")}
    features(tmp_path, [name for corpus in corpora.values() for name in corpus])
    np.savez(tmp_path / "label.npz", **corpora)
    found = converted(tmp_path, "merbench", tmp_path / "label.npz")
    assert list(found) == ["train", "valid", "test"] and found["valid"]["id"] == ["val0", "val1", "val2"]


def whole(tmp_path, ids):
    """An archive of one whole_corpus, as MERBench writes of IEMOCAP: numbers of classes, no valence."""
    features(tmp_path, ids)
    np.savez(tmp_path / "label_4way.npz", whole_corpus={name: {"emo": i % 4, "val": -10} for i, name in enumerate(ids)})
    return tmp_path / "label_4way.npz"


SESSIONS = [f"Ses0{session}{dialogue}_F00{i}" for session in range(1, 6) for dialogue in ("F_impro01", "M_script02_1")
            for i in (0, 1)]


def test_a_whole_corpus_is_split_by_its_sessions_one_each_for_valid_and_test(tmp_path, capsys):
    found = converted(tmp_path, "merbench", whole(tmp_path, SESSIONS), task="classes:4")
    assert {name: len(split["id"]) for name, split in found.items()} == {"train": 12, "valid": 4, "test": 4}
    sessions = {name: {one[:5] for one in split["id"]} for name, split in found.items()}
    assert set.union(*sessions.values()) == {f"Ses0{i}" for i in range(1, 6)} and sum(map(len, sessions.values())) == 5
    assert found["test"]["labels"].tolist() == [0, 1, 2, 3]
    assert f"valid are {next(iter(sessions['valid']))}, test are" in capsys.readouterr().out


def test_folds_say_which_session_is_tested(tmp_path, capsys):
    source = whole(tmp_path, SESSIONS)
    (tmp_path / "folds.json").write_text('{"train": ["Ses01", "Ses02"], "valid": ["Ses04"], "test": ["Ses05"]}')
    found = converted(tmp_path, "merbench", source, "--folds", tmp_path / "folds.json", task="classes:4")
    assert found["test"]["id"] == SESSIONS[-4:] and found["train"]["id"] == SESSIONS[:8]
    assert "1 videos stand in no fold" in capsys.readouterr().out


@pytest.mark.parametrize("words, place, groups", [
    ((), 1, [1, 1, 3]), (("--group", "(..)", "--test", "0.4"), 1, [1, 2, 2]), (("--group", ".*_(.)"), -1, [1, 1, 2])])
def test_other_groups_are_dialogues_or_what_a_pattern_finds(tmp_path, words, place, groups):
    ids = [f"d{dialogue}_{i}" for dialogue in range(5) for i in range(4)]
    found = converted(tmp_path, "merbench", whole(tmp_path, ids), *words, task="classes:4")
    assert sorted(len({one[place] for one in split["id"]}) for split in found.values()) == groups


def test_words_for_a_whole_corpus_have_to_fit(tmp_path, source, capsys):
    assert "leave --folds and --group out" in refused(tmp_path, capsys, "merbench", source, "--group", "(.)", code=2)
    assert "--group needs a bracket" in refused(tmp_path, capsys, "merbench", source, "--group", "a", code=2)


class Bomb:
    def __reduce__(self):
        return os.mkdir, ("executed",)


@pytest.mark.parametrize("corpora, expected", [
    ({"train_corpus": {"a": {"emo": "bored"}}}, "emo of 'a' is 'bored'; expected a number, or one of neutral"),
    ({"train_corpus": {"a": {"emo": [1]}}}, "emo of 'a' is"), ({"whole_corpus": {}}, "tell 0 groups of 0 utterances"),
    ({"whole_corpus": {name: {"emo": 1} for name in "abcd"}}, "such as 'a' tell 0 groups of 4 utterances; name the"),
    ({"whole_corpus": {f"{name}_{i}": {"emo": 1} for name in "ab" for i in (0, 1)}}, "tell 2 groups of 4 utterances"),
    ({"whole_corpus": {1: {"emo": 1}}}, "emo of 1 is a dict"),
    ({"other": np.ones(3)}, "has no train_corpus"), ({"train_corpus": np.ones(3)}, "is no dictionary"),
    ({"train_corpus": np.array(["a"])}, "is no dictionary"), ({"train_corpus": Bomb()}, "nothing of it was executed")])
def test_another_archive_is_refused(tmp_path, capsys, corpora, expected):
    np.savez(tmp_path / "label.npz", **corpora)
    assert expected in refused(tmp_path, capsys, "merbench", tmp_path / "label.npz")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04" + bytes(50), b"text"])
def test_a_damaged_archive_is_refused(tmp_path, capsys, content):
    (tmp_path / "label.npz").write_bytes(content)
    assert "cannot be read as an archive of numpy" in refused(tmp_path, capsys, "merbench", tmp_path / "label.npz")
    (tmp_path / "label.npz").unlink()
    assert "No such file" in refused(tmp_path, capsys, "merbench", tmp_path / "label.npz")
