"""Computational sequences: frames go to the clip whose interval holds their middle, videos to their fold."""

import json

import numpy as np
import pytest

from tests.src.datasets.convert.made import converted, refused

h5py = pytest.importorskip("h5py")
VIDEOS = ("one", "two", "three")
ENDS = ((0, 2), (2, 4))  # seconds of the two clips of every video


def sequence(path, name, parts):
    """NAME/data/VIDEO/{features, intervals} and NAME/metadata, as the SDK stores them."""
    with h5py.File(path, "w") as file:
        for video, (features, intervals) in parts.items():
            file[f"{name}/data/{video}/features"] = features
            file[f"{name}/data/{video}/intervals"] = np.array(intervals, float)
        file[f"{name}/metadata/root name"] = [name.encode()]
    return path


@pytest.fixture
def source(tmp_path):
    """Four frames of a second in every video; the feature of a frame is its number, plus 100 for each video before."""
    seconds = [(i, i + 1) for i in range(4)]
    for modality, width in (("text", 3), ("audio", 2), ("vision", 4)):
        sequence(tmp_path / f"{modality}.csd", f"CMU_{modality}", {
            video: (np.arange(1.0, 5)[:, None] + 100 * i + np.arange(width), seconds)
            for i, video in enumerate(VIDEOS)})
    (tmp_path / "folds.json").write_text(json.dumps({"train": ["one"], "valid": ["two"], "test": ["three"]}))
    return sequence(tmp_path / "labels.csd", "Opinion Segment Labels", {
        video: (np.array([[i, 7.0], [i + 1, 8.0]]), ENDS) for i, video in enumerate(VIDEOS)})


def words(tmp_path):
    return [word for name in ("text", "audio", "vision") for word in (f"--{name}", tmp_path / f"{name}.csd")] + [
        "--folds", tmp_path / "folds.json"]


def test_frames_go_to_the_clip_that_holds_their_middle(tmp_path, source):
    found = converted(tmp_path, "csd", source, *words(tmp_path), task="sentiment")
    assert found["train"]["id"] == ["one[0]", "one[1]"] and found["train"]["labels"].tolist() == [0, 1]
    assert found["train"]["text"][:, :, 0].tolist() == [[1, 2], [3, 4]]
    assert found["test"]["audio"][1].tolist() == [[203, 204], [204, 205]]


def test_a_sequence_that_is_cut_already_has_the_clips_themselves(tmp_path, source):
    sequence(tmp_path / "audio.csd", "audio", {f"{video}[{i}]": (np.full((3, 2), 10.0 * i + j + 1), np.zeros((3, 2)))
                                               for j, video in enumerate(VIDEOS) for i in range(2)})
    found = converted(tmp_path, "csd", source, *words(tmp_path), task="sentiment")
    assert found["valid"]["audio"][:, :, 0].tolist() == [[2, 2, 2], [12, 12, 12]]


def test_labels_of_segments_keep_their_names_and_folds_are_those_of_videos(tmp_path, source):
    sequence(source, "All Labels", {f"{video}[{i}]": (np.array([[1.0 + i]]), [ENDS[i]]) for video in VIDEOS
                                    for i in range(2)})
    found = converted(tmp_path, "csd", source, *words(tmp_path), task="sentiment")
    assert found["test"]["id"] == ["three[0]", "three[1]"] and found["test"]["text"][1, :, 0].tolist() == [203, 204]


def test_columns_of_the_labels_can_be_chosen(tmp_path, source):
    found = converted(tmp_path, "csd", source, *words(tmp_path), "--label_columns", "1", task="classes:9")
    assert found["train"]["labels"].tolist() == [7, 8]


def test_a_clip_without_frames_is_zeros_and_reported(tmp_path, source, capsys):
    sequence(tmp_path / "vision.csd", "vision", {video: (np.arange(4.0)[:, None] + i + 1, [(i / 4, i / 4)
                                                 for i in range(4)]) for i, video in enumerate(VIDEOS)})
    found = converted(tmp_path, "csd", source, *words(tmp_path), task="sentiment", code=1)
    assert found["train"]["vision"][0].any() and not found["train"]["vision"][1].any()
    assert "vision is zero or no number in every frame of 1 of 2 samples" in capsys.readouterr().out


def test_videos_without_a_fold_or_a_label_are_left_out_and_counted(tmp_path, source, capsys):
    sequence(source, "labels", {video: (np.ones((2, 1)), ENDS) for video in (*VIDEOS, "four")})
    (tmp_path / "folds.json").write_text(json.dumps({"train": ["one", "five"], "valid": ["two"], "test": ["three"]}))
    converted(tmp_path, "csd", source, *words(tmp_path), task="sentiment")
    said = capsys.readouterr().out
    assert "1 videos stand in no fold" in said and "1 videos of the folds have no labels" in said


def test_a_video_without_a_modality_is_counted(tmp_path, source, capsys):
    sequence(tmp_path / "audio.csd", "audio", {"one": (np.ones((4, 2)), np.zeros((4, 2)))})
    message = refused(tmp_path, capsys, "csd", source, *words(tmp_path), task="sentiment")
    assert "audio has no features of 4 of 6 clips, the first is 'two[0]'" in message


@pytest.mark.parametrize("folds, expected", [
    ("{", "cannot be read as JSON"), ("[]", "is no list of videos"), ('{"train": "one"}', "is no list of videos"),
    ('{"train": ["one"], "test": ["one"]}', "has the video 'one' in 'train' and 'test'"),
    ('{"train": ["one"], "dev": ["two"], "test": ["three"]}', "the split 'valid' is missing")])
def test_folds_that_cannot_be_used_are_refused(tmp_path, source, capsys, folds, expected):
    (tmp_path / "folds.json").write_text(folds)
    assert expected in refused(tmp_path, capsys, "csd", source, *words(tmp_path), task="sentiment")


def test_a_column_that_is_not_there_is_refused(tmp_path, source, capsys):
    message = refused(tmp_path, capsys, "csd", source, *words(tmp_path), "--label_columns", "0,2", task="sentiment")
    assert "'one[0]' has 2 labels" in message


def test_words_are_no_features(tmp_path, source, capsys):
    sequence(tmp_path / "text.csd", "words", {video: (np.array([[b"sp"]] * 4), [(i, i + 1) for i in range(4)])
                                              for video in VIDEOS})
    message = refused(tmp_path, capsys, "csd", source, *words(tmp_path), task="sentiment")
    assert "text of clip 'one[0]' is an array of |S2" in message


def test_other_files_are_refused(tmp_path, source, capsys):
    (tmp_path / "audio.csd").write_bytes(b"text")
    assert "cannot be read as HDF5" in refused(tmp_path, capsys, "csd", source, *words(tmp_path))
    with h5py.File(tmp_path / "audio.csd", "w") as file:
        file["data"] = np.ones(3)
    assert "is no computational sequence" in refused(tmp_path, capsys, "csd", source, *words(tmp_path))
    with h5py.File(tmp_path / "audio.csd", "w") as file:
        for video in VIDEOS:
            file[f"audio/data/{video}/features"] = np.ones((3, 2))
    assert "'/audio/data' has no intervals of 'one'" in refused(tmp_path, capsys, "csd", source, *words(tmp_path))


def test_every_file_has_to_be_named(tmp_path, source, capsys):
    assert "needs --folds" in refused(tmp_path, capsys, "csd", source, *words(tmp_path)[:-2], code=2)
