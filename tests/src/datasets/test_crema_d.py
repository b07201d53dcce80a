"""CREMA-D's votes: one clip by hand, folds by actor, and tables that are others."""

import numpy as np
import pytest

from src.datasets.base import data_file, dataset_spec
from src.datasets.convert import __main__ as convert
from src.datasets.convert.crema_d import INTENSITIES, VOTES
from src.datasets.safe_pickle import read_pickle

HEAD = ["", *VOTES.values(), "fileName", *INTENSITIES]


def table(tmp_path, actors=31, **changes):
    """Two sentences of every actor, angry and sad; all voters hear anger, see sadness, and are divided over both."""
    rows = []
    for actor in range(1001, 1001 + actors):
        for sentence, emotion in (("DFA", "ANG"), ("IEO", "SAD")):
            name = f"{actor}_{sentence}_{emotion}_XX"
            for condition, votes in (("1", (4, 0, 0, 0, 1, 0)), ("2", (0, 0, 0, 0, 0, 5)), ("3", (2, 0, 0, 0, 0, 2))):
                if name == "1002_DFA_ANG_XX" and condition == "3":
                    votes = (1, 0, 0, 0, 0, 3)
                means = [50 if count else -1 for count in votes]
                rows.append([f"{condition}00001", *votes, name, *means])
    for place, value in changes.items():
        rows[0][HEAD.index(place)] = value
    file = tmp_path / "votes.csv"
    file.write_text("\n".join(",".join(map(str, row)) for row in [HEAD, *rows]))
    return file


def test_a_clip_becomes_sentence_shares_of_votes_and_intensities(tmp_path, capsys):
    assert convert.main(["crema_d", "--source", str(table(tmp_path)), "--data_path", str(tmp_path)]) == 1
    content = read_pickle(tmp_path / "crema_d_data.pkl")
    first = {key: value[0] for key, value in content["train"].items()}
    assert first["id"] == b"1001_DFA_ANG_XX" and first["labels"] == 0 and first["text"].tolist() == [[1, 0]]
    assert first["audio"][0] == pytest.approx([0.8, 0, 0, 0, 0.2, 0, 0.5, 0, 0, 0, 0.5, 0])
    assert first["vision"][0] == pytest.approx([0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0.5])
    assert content["train"]["labels"][1] == 5
    assert "identical samples across splits" in capsys.readouterr().out  # all actors got the same votes


def test_folds_have_actors_of_their_own(tmp_path):
    convert.main(["crema_d", "--source", str(table(tmp_path)), "--data_path", str(tmp_path)])
    content = read_pickle(tmp_path / "crema_d_data.pkl")
    actors = {name: {text[:4] for text in split["id"]} for name, split in content.items()}
    assert {name: len(found) for name, found in actors.items()} == {"train": 1, "valid": 10, "test": 20}
    assert len(set().union(*actors.values())) == 31


def test_what_was_heard_is_the_majority_and_ties_are_left_out(tmp_path, capsys):
    file = table(tmp_path, actors=33)
    lines = [line if "_DFA_" not in line else line.replace("2,0,0,0,0,2", "1,0,0,0,0,3") for line in
             file.read_text().splitlines()]
    file.write_text("\n".join(lines))
    convert.main(["crema_d", "--source", str(file), "--data_path", str(tmp_path), "--label", "heard"])
    content = read_pickle(tmp_path / "crema_d_data.pkl")
    assert "33 clips have no single majority" in capsys.readouterr().out
    assert sum(len(split["id"]) for split in content.values()) == 33
    assert all((split["labels"] == 5).all() for split in content.values())


@pytest.mark.parametrize("changes, expected", [
    ({"A": "many"}, "line 2"), ({"A": -4}, "line 2"), ({"A": "nan"}, "line 2"), ({"fileName": "clip"}, "line 2"),
    ({"": "700001"}, "number that begins with 1, 2 or 3")])
def test_a_damaged_table_is_refused_by_line_and_nothing_is_written(tmp_path, capsys, changes, expected):
    assert convert.main(["crema_d", "--source", str(table(tmp_path, **changes)), "--data_path", str(tmp_path)]) == 1
    assert expected in capsys.readouterr().err and not list(tmp_path.glob("*.pkl"))


@pytest.mark.parametrize("content", [b"", b"a,b\n1,2\n", b"\x00\xff\xfe\x80"])
def test_another_file_is_refused(tmp_path, capsys, content):
    (tmp_path / "votes.csv").write_bytes(content)
    assert convert.main(["crema_d", "--source", str(tmp_path / "votes.csv"), "--data_path", str(tmp_path)]) == 1
    assert "take tabulatedVotes.csv" in capsys.readouterr().err


def test_too_few_actors_are_refused(tmp_path, capsys):
    assert convert.main(["crema_d", "--source", str(table(tmp_path, actors=30)), "--data_path", str(tmp_path)]) == 1
    assert "30 actors" in capsys.readouterr().err


def test_classes_have_the_names_of_the_votes_and_the_report_on_the_file_counts_by_them(tmp_path, capsys):
    names = dataset_spec("crema_d").class_names["classes:6"]
    assert [name[:3].upper() for name in names] == list(VOTES)
    convert.main(["crema_d", "--source", str(table(tmp_path)), "--data_path", str(tmp_path)])
    assert "anger 1, sad 1" in capsys.readouterr().out


def test_the_file_lies_where_the_data_set_is_looked_for(tmp_path):
    assert data_file(tmp_path, dataset_spec("crema_d"), True).name == "crema_d_data.pkl"
    assert np.unique([dataset_spec("crema_d").group]).tolist() == [r"^(\d+)_"]
