"""A table of labels and folders of .npy files: values by hand, and every way in which they can be wrong."""

import numpy as np
import pytest

from src.datasets.base import dataset_spec, load
from tests.src.datasets.convert.made import converted, features, refused, table

IDS = ["a", "b", "c", "d", "e", "f"]
SPLITS = ["train", "train", "train", "valid", "test", "test_other"]


def rows():
    return [{"id": one, "split": split, "label": i % 2} for i, (one, split) in enumerate(zip(IDS, SPLITS, strict=True))]


@pytest.fixture
def source(tmp_path):
    features(tmp_path, IDS)
    return table(tmp_path / "labels.csv", rows())


def test_clips_stand_at_the_end_of_their_place_behind_zeros(tmp_path, source):
    found = converted(tmp_path, "folder", source)
    assert found["train"]["text"].shape == (3, 3, 5) and found["train"]["text"].dtype == np.float32
    assert found["train"]["id"] == ["a", "b", "c"] and found["train"]["labels"].tolist() == [0, 1, 0]
    first = np.load(tmp_path / "text" / "a.npy")
    assert (found["train"]["text"][0, 0] == 0).all() and (found["train"]["text"][0, 1:] == first).all()
    assert (found["train"]["vision"][2] == np.load(tmp_path / "vision" / "c.npy")).all()
    assert list(found) == ["train", "valid", "test", "test_other"]


def test_what_was_written_loads_as_any_file(tmp_path, source):
    converted(tmp_path, "folder", source)
    file = tmp_path / "made" / "mine.pkl"
    data = load(file, dataset_spec(str(file)), "classes:2", 2)
    assert data.info.widths == {"text": 5, "audio": 3, "vision": 2} and data.splits["test"].ids == ["e"]


def test_frames_cut_long_clips_to_their_beginning_and_pad_short_ones(tmp_path, source):
    found = converted(tmp_path, "folder", source, "--frames", "text=1,audio=5")["train"]
    assert (found["text"][2, 0] == np.load(tmp_path / "text" / "c.npy")[0]).all() and found["text"].shape[1] == 1
    assert (found["audio"][0, :3] == 0).all() and (found["audio"][0, 3:] == np.load(tmp_path / "audio" / "a.npy")).all()


def test_a_vector_is_one_frame_and_a_leading_axis_of_one_is_none(tmp_path, source):
    np.save(tmp_path / "audio" / "a.npy", np.array([1.0, 2, 3]))
    np.save(tmp_path / "audio" / "b.npy", np.full((1, 2, 3), 4.0))
    found = converted(tmp_path, "folder", source)["train"]["audio"]
    assert found[0].tolist() == [[0, 0, 0], [0, 0, 0], [1, 2, 3]] and (found[1, 1:] == 4).all()


def frames_of(tmp_path, clip, **frames):
    """A folder of frame files in the place of a clip's file of vision; two features each."""
    (tmp_path / "vision" / f"{clip}.npy").unlink(missing_ok=True)
    (tmp_path / "vision" / clip).mkdir()
    for name, values in frames.items():
        np.save(tmp_path / "vision" / clip / f"{name}.npy", np.array(values, float))


def test_a_folder_of_frames_is_a_clip_in_the_order_of_their_numbers(tmp_path, source):
    frames_of(tmp_path, "a", frame_10=[10, 1], frame_9=[[9, 1]], frame_1=[1, 1])
    (tmp_path / "vision" / "a" / "notes.txt").write_text("no frame")
    assert converted(tmp_path, "folder", source)["train"]["vision"][0].tolist() == [[1, 1], [9, 1], [10, 1]]


def test_a_file_goes_before_a_folder_of_frames_and_an_empty_folder_is_no_clip(tmp_path, source, capsys):
    (tmp_path / "vision" / "a").mkdir()
    converted(tmp_path, "folder", source)
    frames_of(tmp_path, "b")
    message = refused(tmp_path, capsys, "folder", source, "--overwrite")
    assert "vision has no features of 1 of 6 clips, the first is 'b'" in message


def test_frames_of_different_widths_are_refused(tmp_path, source, capsys):
    frames_of(tmp_path, "a", frame_1=[1, 1], frame_2=[1, 1, 1])
    assert "vision of clip 'a' cannot be read as an array" in refused(tmp_path, capsys, "folder", source)


def test_several_columns_are_several_labels(tmp_path, source):
    table(source, [{"id": row["id"], "split": row["split"], "label_0": row["label"], "label_1": 1 - row["label"]}
                   for row in rows()])
    assert converted(tmp_path, "folder", source)["train"]["labels"].tolist() == [[0, 1], [1, 0], [0, 1]]


def test_columns_of_labels_go_by_their_numbers_wherever_they_stand(tmp_path, source, capsys):
    order = sorted(range(12), key=str)  # 0, 1, 10, 11, 2, ...
    table(source, [{"id": row["id"], "split": row["split"], **{f"label_{i}": int(i == 2) for i in order}}
                   for row in rows()])
    found = converted(tmp_path, "folder", source, task="labels:12")["train"]["labels"]
    assert found.argmax(1).tolist() == [2, 2, 2] and found.sum() == 3
    table(source, [{"id": row["id"], "split": row["split"], "label_0": 0, "label_2": 1} for row in rows()])
    assert "has no column 'label_1'" in refused(tmp_path, capsys, "folder", source, "--overwrite")


def test_labels_may_be_words_and_valid_may_be_called_dev(tmp_path, source, capsys):
    words, splits = ("neg", "pos"), [one.replace("valid", "dev") for one in SPLITS]
    table(source, [{"id": row["id"], "split": split, "label": words[row["label"]]}
                   for row, split in zip(rows(), splits, strict=True)])
    assert "give those of class 0, 1, ... as --class_names" in refused(tmp_path, capsys, "folder", source)
    found = converted(tmp_path, "folder", source, "--class_names", "neg,pos")
    assert found["train"]["labels"].tolist() == [0, 1, 0] and list(found)[1] == "valid"
    assert "expected a number, or one of pos, no" in refused(tmp_path, capsys, "folder", source, "--overwrite",
                                                             "--class_names", "pos,no")


def test_an_existing_file_is_replaced_only_where_that_is_asked_for(tmp_path, source, capsys):
    converted(tmp_path, "folder", source)
    before = (tmp_path / "made" / "mine.pkl").read_bytes()
    assert "exists and is kept" in refused(tmp_path, capsys, "folder", source)
    assert (tmp_path / "made" / "mine.pkl").read_bytes() == before


def test_folders_can_be_named(tmp_path, source, capsys):
    (tmp_path / "audio").rename(tmp_path / "covarep")
    assert "there is no folder" in refused(tmp_path, capsys, "folder", source)
    assert converted(tmp_path, "folder", source, "--audio", tmp_path / "covarep")["train"]["audio"].any()


def test_clips_without_a_modality_are_counted_and_the_first_is_named(tmp_path, source, capsys):
    for name in ("b", "d"):
        (tmp_path / "audio" / f"{name}.npy").unlink()
    assert "audio has no features of 2 of 6 clips, the first is 'b'" in refused(tmp_path, capsys, "folder", source)


def test_clips_without_a_modality_are_left_out_on_request(tmp_path, source, capsys):
    (tmp_path / "audio" / "b.npy").unlink()
    assert converted(tmp_path, "folder", source, "--skip_missing")["train"]["id"] == ["a", "c"]
    assert "1 of 6 clips are left out: audio has no features of 1" in capsys.readouterr().out


@pytest.mark.parametrize("change, expected", [
    ({"id": "b"}, "line 3 of"), ({"id": "../labels"}, "without a path in it"), ({"id": ".."}, "without a path in it"),
    ({"id": "x\\y"}, "without a path in it"), ({"id": ""}, "without a path in it"),
    ({"split": "odd"}, "the split 'odd' cannot be used"), ({"split": ""}, "the split '' cannot be used"),
    ({"label": "happy"}, "line 2 of"), ({"label": "nan"}, "has the label 'nan'; expected a number")])
def test_a_wrong_row_is_refused(tmp_path, source, capsys, change, expected):
    table(source, [rows()[0] | change, *rows()[1:]])
    assert expected in refused(tmp_path, capsys, "folder", source)


def test_a_table_without_a_column_is_refused(tmp_path, source, capsys):
    for column in ("id", "split", "label"):
        table(source, [{key: value for key, value in row.items() if key != column} for row in rows()])
        assert f"has no column '{column}'" in refused(tmp_path, capsys, "folder", source)


def test_a_missing_and_an_empty_table_are_refused(tmp_path, source, capsys):
    source.write_text("")
    assert "has no column 'id'" in refused(tmp_path, capsys, "folder", source)
    assert "No such file" in refused(tmp_path, capsys, "folder", tmp_path / "no.csv")


@pytest.mark.parametrize("missing", ["train", "valid", "test"])
def test_a_table_without_a_split_is_refused(tmp_path, source, capsys, missing):
    table(source, [row for row in rows() if row["split"] != missing])
    assert f"the split '{missing}' is missing" in refused(tmp_path, capsys, "folder", source)


def test_widths_that_differ_are_refused_and_both_clips_named(tmp_path, source, capsys):
    np.save(tmp_path / "vision" / "e.npy", np.ones((2, 7)))
    message = refused(tmp_path, capsys, "folder", source)
    assert "vision of clip 'e' has 7 features, that of clip 'a' has 2" in message


@pytest.mark.parametrize("content", [b"", b"x" * 100, b"\x93NUMPY\x01\x00"])
def test_a_damaged_file_is_refused(tmp_path, source, capsys, content):
    (tmp_path / "text" / "d.npy").write_bytes(content)
    assert "d.npy cannot be read as an array of numbers" in refused(tmp_path, capsys, "folder", source)


@pytest.mark.parametrize("array", [np.array(["a"]), np.ones((2, 2, 2)), np.ones((2, 0)), np.ones(3, complex)])
def test_an_array_of_another_kind_is_refused(tmp_path, source, capsys, array):
    np.save(tmp_path / "text" / "a.npy", array)
    assert "expected numbers of the shape (frames, features)" in refused(tmp_path, capsys, "folder", source)


def test_objects_are_refused_and_never_loaded(tmp_path, source, capsys):
    np.save(tmp_path / "text" / "a.npy", np.array([{"a": 1}], object), allow_pickle=True)
    assert "a.npy cannot be read" in refused(tmp_path, capsys, "folder", source)


def test_a_clip_without_frames_is_zeros(tmp_path, source):
    np.save(tmp_path / "vision" / "a.npy", np.ones((0, 2)))
    assert not converted(tmp_path, "folder", source, code=1)["train"]["vision"][0].any()
