import csv
import json
import math
import os

import pytest
import torch
from torch import nn

from src.checkpoint import find_runs, load_checkpoint, load_weights, run_folder, save_checkpoint, set_aside
from src.options import PlaceOptions
from src.structures import DataInfo, InputError
from src.writing import number, read_json, write_csv, write_json

CPU = torch.device("cpu")
INFO = DataInfo("mosi", "sentiment7", 7, dict(text=1), dict(text=2), "abc")


def test_a_checkpoint_comes_back_as_plain_data(tmp_path):
    model = nn.Linear(2, 3)
    save_checkpoint(tmp_path / "a" / "x.pt", model, {"clip": 0.8}, INFO, epoch=3)
    saved = load_checkpoint(tmp_path / "a" / "x.pt", CPU)
    assert (saved["epoch"], saved["config"], saved["info"]) == (3, {"clip": 0.8}, INFO)
    other = nn.Linear(2, 3)
    load_weights(other, saved["model"], tmp_path)
    assert torch.equal(other.weight, model.weight)


def test_a_full_disk_keeps_the_old_checkpoint(tmp_path):
    path = tmp_path / "x.pt"
    save_checkpoint(path, nn.Linear(2, 3), {}, INFO, epoch=1)
    (tmp_path / f".x.pt.{os.getpid()}.partial").symlink_to("/dev/full")
    with pytest.raises(InputError, match=r"x\.pt cannot be written \(No space left on device\)"):
        save_checkpoint(path, nn.Linear(2, 3), {}, INFO, epoch=2)
    assert load_checkpoint(path, CPU)["epoch"] == 1 and os.listdir(tmp_path) == ["x.pt"]


def test_a_first_write_that_fails_leaves_no_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "replace", lambda *a: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(InputError, match="cannot be written"):
        save_checkpoint(tmp_path / "a" / "b" / "x.pt", nn.Linear(2, 3), {}, INFO)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [{"format": 99}, {"model": {}}, [1, 2], {"format": torch.ones(3)},
                                     {"format": True}])
def test_another_format_is_named(tmp_path, content):
    torch.save(content, tmp_path / "x.pt")
    with pytest.raises(InputError, match=r"has the checkpoint format .*, this code reads 3"):
        load_checkpoint(tmp_path / "x.pt", CPU)


def test_a_pickled_model_and_a_damaged_file_are_refused(tmp_path):
    torch.save(nn.Linear(2, 3), tmp_path / "whole.pt")
    save_checkpoint(tmp_path / "cut.pt", nn.Linear(2, 3), {}, INFO)
    data = (tmp_path / "cut.pt").read_bytes()
    (tmp_path / "cut.pt").write_bytes(data[: len(data) // 2])
    for name in ("whole.pt", "cut.pt"):
        with pytest.raises(InputError, match="is not a checkpoint of this code .*--import_published"):
            load_checkpoint(tmp_path / name, CPU)
    with pytest.raises(InputError, match="no checkpoint at"):
        load_checkpoint(tmp_path / "none.pt", CPU)


def test_weights_of_other_shapes_are_named(tmp_path):
    with pytest.raises(InputError, match=r"2 differences: weight \(3, 2\) here, \(4, 2\) in the file"):
        load_weights(nn.Linear(2, 3), nn.Linear(2, 4).state_dict(), tmp_path)
    with pytest.raises(InputError, match="bias only here"):
        load_weights(nn.Linear(2, 3), nn.Linear(2, 3, bias=False).state_dict(), tmp_path)


def test_one_function_names_the_folder_of_a_run(tmp_path):
    place = PlaceOptions(dataset="iemocap", name="x", seed=7, checkpoint_path=tmp_path)
    assert run_folder(place, "mult", "causal") == tmp_path / "checkpoint(iemocap)" / "x_seed7" / "mult-causal"


def test_runs_are_found_plain_before_causal_without_those_put_aside(tmp_path):
    place = PlaceOptions(dataset="iemocap", name="x", seed=7, checkpoint_path=tmp_path)
    with pytest.raises(InputError, match="no checkpoint in .*bash main.sh auto x 7 iemocap"):
        find_runs(place, "paired")
    for method in ("causal", "plain"):
        folder = run_folder(place, "mult", method)
        folder.mkdir(parents=True)
        (folder / "best_valid_loss.pt").write_bytes(b"")
    assert set_aside(run_folder(place, "mult", "plain")).name == "mult-plain.1"
    assert [path.name for path in find_runs(place, "paired")] == ["mult-causal"]


def test_the_runs_of_a_plan_are_found_in_its_order_under_the_names_that_it_gives_them(tmp_path):
    place = PlaceOptions(dataset="synthetic", name="x", seed=7, checkpoint_path=tmp_path)
    for run in ("x_seed7/mult-causal", "x_mask_seed7/mult-causal", "x_text_seed7/mult-unimodal", "x_seed7/mult-plain"):
        folder = tmp_path / "checkpoint(synthetic)" / run
        folder.mkdir(parents=True)
        (folder / "best_valid_loss.pt").write_bytes(b"")
    found = [path.relative_to(tmp_path / "checkpoint(synthetic)").as_posix() for path in find_runs(place, "demo")]
    assert found == ["x_seed7/mult-plain", "x_text_seed7/mult-unimodal", "x_mask_seed7/mult-causal",
                     "x_seed7/mult-causal"]


def test_putting_aside_never_overwrites(tmp_path):
    for expected in ("run.1", "run.2"):
        (tmp_path / "run").mkdir()
        assert set_aside(tmp_path / "run").name == expected
    assert set_aside(tmp_path / "run") is None


def test_nan_becomes_null_in_json(tmp_path):
    write_json(tmp_path / "x.json", {"a": [math.nan, 1.0]})
    assert json.loads((tmp_path / "x.json").read_text()) == {"a": [None, 1.0]}


def test_what_is_no_number_is_null_in_json_empty_in_csv_and_nan_again_when_read(tmp_path):
    undefined = {"a": math.nan, "b": math.inf, "c": 0.5}
    write_json(tmp_path / "x.json", undefined)
    write_csv(tmp_path / "x.csv", [undefined])
    assert (tmp_path / "x.csv").read_text().splitlines()[1] == ",,0.5"
    for saved in (read_json(tmp_path / "x.json"), next(csv.DictReader((tmp_path / "x.csv").open()))):
        values = list(map(number, saved.values()))
        assert math.isnan(values[0]) and math.isnan(values[1]) and values[2] == 0.5


@pytest.mark.parametrize("text", ["=1+1", "+1+1", "-2+3", "@SUM(A1)", "\t=1", "\r=1", " =1", "\uff1d1", "-1-1",
                                  "+49 170", "-cmd|' /C calc'!A0"])
def test_no_text_in_a_csv_file_begins_like_a_formula(tmp_path, text):
    write_csv(tmp_path / "x.csv", [{text: text}])
    with (tmp_path / "x.csv").open(newline="", encoding="utf-8") as file:
        assert list(csv.reader(file)) == [[f"'{text}"]] * 2


@pytest.mark.parametrize("value", [-2.5, -3, "-3", "+1", "-1.5e-05", "clip 1", "a=b"])
def test_numbers_and_plain_text_in_a_csv_file_stay_as_they_are(tmp_path, value):
    write_csv(tmp_path / "x.csv", [{"a": value}])
    assert (tmp_path / "x.csv").read_text().splitlines()[1] == str(value)
