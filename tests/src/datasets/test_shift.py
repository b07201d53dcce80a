"""The split maker: what is tied, what stays equal, what stands where, and what is refused."""

import json
import os
import pickle

import numpy as np
import pytest

from src.datasets.shift import __main__ as shift
from src.datasets.shift.proof import cramers_v
from src.datasets.shift.sampling import rounded
from src.structures import MODALITIES
from tests.conftest import write


def source(count=900, videos=60, **changes):
    """Three classes; text shows one of three values at random, of audio and vision nothing is to be learned."""
    random = np.random.default_rng(0)
    content, labels = {}, np.arange(count) % 3
    said = random.integers(3, size=count)
    words = np.array([f"uh {('good', 'bad', 'plain')[value]} thing" for value in said])
    arrays = {"text": np.eye(3)[said][:, None].repeat(2, 1), "audio": random.standard_normal((count, 2, 4)),
              "vision": random.standard_normal((count, 3, 5))}
    ids = np.array([f"clip{random.integers(videos)}_{i}" for i in range(count)])
    parts = np.split(np.arange(count), [count // 2, 2 * count // 3])
    for name, part in zip(("train", "valid", "test"), parts, strict=True):
        content[name] = {m: arrays[m][part] for m in MODALITIES} | {"labels": labels[part], "id": ids[part],
                                                                   "raw_text": words[part]}
    return content | changes


@pytest.fixture
def made(tmp_path):
    """Make a shift of a file's content; returns exit code, the new content, and its record."""
    def make(content, *words):
        file, new = write(tmp_path / "source.pkl", content), tmp_path / "new.pkl"
        code = shift.main(["--dataset", str(file), "--task", "classes:3", "--output", str(new), *words])
        if not new.exists():
            return code, None, None
        return code, pickle.loads(new.read_bytes()), json.loads(new.with_suffix(".json").read_text())
    return make


CUE = ("--cue", "value:text", "--strength", "0.6")


def test_the_cue_is_tied_as_asked_in_three_splits_untied_in_two_and_turned_in_one(made):
    code, _, record = made(source(), *CUE)
    tied = {name: row["tied"] for name, row in record["association"].items()}
    assert code == 0
    assert [tied[name] for name in ("train", "valid", "test")] == pytest.approx([0.6] * 3, abs=0.03)
    assert [tied[name] for name in ("test_shifted", "valid_shifted")] == pytest.approx([1 / 3] * 2, abs=0.03)
    assert tied["test_reversed"] == pytest.approx(0.2, abs=0.03)
    assert record["probes"]["text"]["test"] > 0.5 > 0.4 > record["probes"]["text"]["test_shifted"]


def test_label_frequencies_are_the_same_in_all_splits(made):
    _, content, _ = made(source(), *CUE)
    for split in content.values():
        shares = np.bincount(split["labels"], minlength=3) / len(split["labels"])
        assert shares == pytest.approx([1 / 3] * 3, abs=1.5 / len(split["labels"]))


def test_samples_are_chosen_and_never_changed(made):
    origin = source()
    known = {name: (split, i) for split in origin.values() for i, name in enumerate(split["id"])}
    _, content, _ = made(origin, *CUE)
    for split in content.values():
        for i, name in enumerate(split["id"]):
            old, place = known[name]
            assert all(np.array_equal(split[key][i], old[key][place]) for key in (*MODALITIES, "labels", "raw_text"))


def test_no_identifier_no_content_and_no_video_stands_in_two_splits(made):
    _, content, _ = made(source(), *CUE)
    for key in (lambda split, i: split["id"][i], lambda split, i: split["id"][i].split("_")[0],
                lambda split, i: b"".join(split[m][i].tobytes() for m in MODALITIES)):
        seen = [{key(split, i) for i in range(len(split["id"]))} for split in content.values()]
        assert sum(map(len, seen)) == len(set().union(*seen))


def test_a_repeated_sample_is_used_once(made, capsys):
    origin = source()
    for key in (*MODALITIES, "labels", "raw_text"):
        origin["test"][key][0] = origin["train"][key][0]
    _, content, _ = made(origin, *CUE)
    both = {origin["test"]["id"][0], origin["train"]["id"][0]}
    assert "899 samples, 60 videos or speakers, 1 repetitions left out" in capsys.readouterr().out
    assert sum(len(both & set(split["id"])) for split in content.values()) <= 1


def test_one_seed_gives_one_file_and_another_seed_another(made, tmp_path):
    files = [made(source(), *CUE, "--overwrite", "--seed", seed) and (tmp_path / "new.pkl").read_bytes()
             for seed in "001"]
    assert files[0] == files[1] != files[2]


def test_shifted_splits_of_the_cue_group_have_videos_of_their_own(made):
    _, content, record = made(source(), "--cue", "group", "--strength", "0.5", "--fall", "0")
    videos = {name: {identifier.split("_")[0] for identifier in split["id"]} for name, split in content.items()}
    new = videos.pop("test_shifted") | videos.pop("valid_shifted")
    assert new and not new & set().union(*videos.values())
    assert record["association"]["train"]["tied"] == pytest.approx(0.5, abs=0.03)


def test_the_cue_prior_changes_label_frequencies_alone(made):
    _, content, _ = made(source(), "--cue", "prior", "--strength", "0.6")
    first = {name: (split["labels"] == 0).mean() for name, split in content.items()}
    assert [first[name] for name in ("train", "test", "test_shifted", "test_reversed")] == pytest.approx(
        [0.6, 0.6, 1 / 3, 0.2], abs=0.03)


@pytest.mark.parametrize("cue", ["words", "cluster:text"])
def test_words_and_clusters_find_what_the_text_says(made, cue):
    code, _, record = made(source(), "--cue", cue, "--strength", "0.6", "--fall", "0.2")
    assert code == 0 and record["association"]["test_shifted"]["cramers_v"] < 0.15 < 0.3 < (
        record["association"]["test"]["cramers_v"])


def test_keep_train_cuts_the_test_side_alone(made):
    origin = source()
    text = origin["train"]["text"]
    text[::2] = np.eye(3)[origin["train"]["labels"][::2]][:, None]
    origin["test"]["id"] = np.array([f"other{name}" for name in origin["test"]["id"]])
    origin["test"]["id"][0] = origin["train"]["id"][0].split("_")[0] + "_999"
    _, content, record = made(origin, "--cue", "value:text", "--keep_train", "--least", "10")
    assert np.array_equal(content["train"]["id"], origin["train"]["id"])
    assert np.array_equal(content["valid"]["id"], origin["valid"]["id"])
    assert record["association"]["test"]["tied"] == pytest.approx(record["strength"], abs=0.05)
    assert not any(origin["test"]["id"][0] in content[name]["id"] for name in content if name.startswith("test"))
    assert record["association"]["test_shifted"]["tied"] == pytest.approx(1 / 3, abs=0.05)


def test_a_strength_beyond_reach_is_refused_with_the_largest_and_nothing_is_written(made, tmp_path, capsys):
    code, content, _ = made(source(), "--cue", "value:text", "--strength", "1", "--least", "40")
    largest = float(capsys.readouterr().err.split("the largest that can be had is ")[1].split(";")[0])
    assert code == 1 and content is None and not list(tmp_path.glob("*new*"))
    assert made(source(), "--cue", "value:text", "--strength", str(largest + 0.01), "--least", "40")[0] == 1
    assert made(source(), "--cue", "value:text", "--strength", str(largest), "--least", "40")[0] == 0


def test_where_no_strength_is_left_the_way_out_is_another_count(made, capsys):
    assert made(source(), *CUE, "--least", "400")[0] == 1
    assert "nor can any lower one; lower --least" in capsys.readouterr().err


def spoiled(key):
    origin = source()
    if key == "one side":
        for split in origin.values():
            split["labels"][:] = 1
    elif key == "rare":
        origin["train"]["labels"][:] = 0
        origin["valid"]["labels"][:] = 0
        origin["test"]["labels"][3:] = 0
    elif key == "twice":
        origin["train"]["id"][1] = origin["train"]["id"][0]
    else:
        for split in origin.values():
            split.pop(key)
    return origin


@pytest.mark.parametrize("key, words, expected", [
    ("one side", CUE, "all samples are 1"), ("rare", CUE, "class 1 has 1 samples"),
    ("twice", CUE, "two different samples have the identifier"), ("raw_text", ("--cue", "words"), "needs the words"),
    ("id", ("--cue", "group"), "needs identifiers"), ("id", ("--cue", "value:audio"), "take cluster:audio")])
def test_a_file_that_lacks_what_a_cue_needs_is_refused(made, capsys, key, words, expected):
    code, content, _ = made(spoiled(key), *words)
    assert code == 1 and content is None and expected in capsys.readouterr().err


@pytest.mark.parametrize("words, expected", [
    (("--cue", "weather"), "unknown cue 'weather'; choose from words"), ((*CUE, "--strength", "1.5"), "in (0, 1]"),
    ((*CUE, "--group", "("), "no regular expression"), ((*CUE, "--output", "x.csv"), "ends in .pkl"),
    ((*CUE, "--group", "clip"), "needs a bracket"), ((*CUE, "--group", "(clop)"), "--group finds no video or speaker"),
    ((*CUE, "--group", ""), "needs a bracket"), ((*CUE, "--seed", "-1"), "--seed lies in"),
    ((*CUE, "--least", "0"), "--least is at least 1"), ((*CUE, "--fall", "nan"), "--fall is a share"),
    ((*CUE, "--strength", "0.3"), "which is chance"), (("--cue", "prior", "--strength", "1"), "which is chance"),
    (("--cue", "group", "--keep_train"), "does not go with the cue group")])
def test_a_wrong_word_is_one_sentence(made, capsys, words, expected):
    assert made(source(), *words)[0] == 2
    assert expected in capsys.readouterr().err


def test_a_shift_whose_cue_still_tells_the_label_is_refused(made, capsys):
    code, content, _ = made(source(), *CUE, "--fall", "0.9")
    assert code == 1 and content is None and "--fall asks for 90" in capsys.readouterr().err


def test_cramers_v_by_hand():
    assert cramers_v(np.array([[30, 10], [10, 30]])) == pytest.approx(0.5)  # chi2 is 4 x 10^2 / 20 = 20, n is 80
    assert cramers_v(np.array([[5, 0], [7, 0]])) == 0


def test_shares_are_rounded_by_the_largest_remainder():
    assert rounded(np.array([[0.5, 0.3, 0.2]]), 7).tolist() == [[4, 2, 1]]  # of 3.5, 2.1 and 1.4


def test_equal_classes_stay_equal_however_their_cells_are_rounded():
    cells = np.full((6, 6), 0.4 / 30)
    np.fill_diagonal(cells, 0.6 / 6)
    assert rounded(cells, 48).sum(1).tolist() == [8] * 6


def write_ids(content, form):
    """The same file with identifiers of another form."""
    for split in content.values():
        names = [name.split("_") for name in split["id"]]
        split["id"] = np.array([form(video, number) for video, number in names])
    return content


@pytest.mark.parametrize("form, told", [
    (lambda video, number: f"clip {number}", "no videos"), (lambda video, number: (video, number, "1.5"), "60 videos"),
    (lambda video, number: (f"{video}_{number}", "0.0", "1.5"), "60 videos"),
    (lambda video, number: f"{video}$_${number}", "60 videos"),
    (lambda video, number: f"{video}[{number}]", "60 videos")])
def test_videos_are_found_in_identifiers_of_the_usual_forms(made, capsys, form, told):
    assert made(write_ids(source(), form), *CUE)[0] == 0
    assert told in capsys.readouterr().out


def test_an_odd_identifier_is_a_video_of_its_own_and_protects_the_others_still(made):
    origin = source()
    origin["train"]["id"][5] = "odd"
    _, content, _ = made(origin, *CUE)
    videos = [{name.split("_")[0] for name in split["id"]} for split in content.values()]
    assert sum(map(len, videos)) == len(set().union(*videos))


def test_features_are_copied_and_gathered_on_the_disk(made, monkeypatch):
    asked = []
    monkeypatch.setattr(os, "posix_fallocate", lambda file, start, size: (asked.append(size), os.truncate(file, size)))
    _, content, _ = made(source(), *CUE)
    # 900 samples of 2 x 3, 2 x 4 and 3 x 5 numbers in double precision: one copy in single precision, in 3 splits each.
    assert sum(asked[:9]) == 4 * 900 * (6 + 8 + 15)
    assert sum(asked[9:]) == sum(array.nbytes for split in content.values() for array in split.values())


def test_a_full_disk_leaves_nothing(made, tmp_path, monkeypatch, capsys):
    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    assert made(source(), *CUE)[0] == 1 and "No space left on device" in capsys.readouterr().err
    assert [file.name for file in tmp_path.iterdir()] == ["source.pkl"]


def test_the_file_that_is_read_is_never_written(tmp_path, capsys):
    file = write(tmp_path / "source.pkl", source())
    before = file.read_bytes()
    assert shift.main(["--dataset", str(file), "--task", "classes:3", "--output", str(file), *CUE]) == 2
    assert "is the file that is read" in capsys.readouterr().err and file.read_bytes() == before


def test_an_existing_file_is_replaced_only_where_that_is_asked_for(made, tmp_path, capsys):
    (tmp_path / "new.pkl").write_bytes(b"mine")
    assert shift.main(["--dataset", str(write(tmp_path / "source.pkl", source())), "--task", "classes:3", "--output",
                       str(tmp_path / "new.pkl"), *CUE]) == 1
    assert "exists and is kept" in capsys.readouterr().err and (tmp_path / "new.pkl").read_bytes() == b"mine"


def test_labels_of_one_task_of_mmsa_do_not_stand_for_those_of_another(made):
    origin = source()
    for split in origin.values():
        split["classification_labels"] = split.pop("labels")
        split["regression_labels"] = split["classification_labels"] - 1.0
    _, content, _ = made(origin, *CUE)
    assert "labels" not in content["train"]
    assert (content["train"]["regression_labels"] == content["train"]["classification_labels"] - 1).all()


def test_what_lies_beside_the_samples_may_have_any_form(made):
    origin = source()
    origin["extra"] = {key: value for key, value in origin["test"].items() if key != "labels"}
    origin["test"]["labels"] = origin["test"]["labels"][:, None]
    for split in origin.values():
        split["ragged"] = [[1] * (i % 3) for i in range(len(split["id"]))]
    code, content, _ = made(origin, *CUE)
    assert code == 0 and set(map(len, content["train"]["ragged"])) == {0, 1, 2}


def test_of_sentiment_the_sign_is_tied_and_divides_a_class(tmp_path):
    origin = source()
    random = np.random.default_rng(7)
    for split in origin.values():
        split["labels"] = random.choice([-2.0, -0.3, 0.0, 0.3, 2.0], (len(split["id"]), 1, 1))
    file = write(tmp_path / "source.pkl", origin)
    assert shift.main(["--dataset", str(file), "--task", "sentiment7", "--output", str(tmp_path / "new.pkl"), "--cue",
                       "cluster:text", "--strength", "0.7", "--least", "10"]) == 0
    content = pickle.loads((tmp_path / "new.pkl").read_bytes())
    negative = [(split["labels"] < 0).mean() for split in content.values()]
    assert max(negative) - min(negative) < 0.03 and json.loads((tmp_path / "new.json").read_text())["sides"][0] == (
        "negative")
