"""The command: how a format is chosen, what is refused, and that nothing stays behind."""

import os
import sys

import numpy as np
import pytest

import main
from src.datasets.convert import __main__ as convert
from src.datasets.convert import clips
from src.registry import FORMATS
from tests.conftest import sentiment_content, write
from tests.src.datasets.convert.made import converted, refused


def test_a_flag_of_another_format_is_refused(tmp_path, capsys):
    source = write(tmp_path / "source.pkl", sentiment_content())
    assert "unknown argument '--folds'" in refused(tmp_path, capsys, "mult", source, "--folds", "x.json", code=2)
    assert "unknown argument '--label'" in refused(tmp_path, capsys, "mult", source, "--label", "heard", code=2)


def test_an_unknown_format_is_refused_with_those_that_are_known(tmp_path, capsys):
    assert "'mat'; choose from clue, crema_d, csd" in refused(tmp_path, capsys, "mat", tmp_path, code=2)


@pytest.mark.parametrize("words, expected", [
    (["mosi", "--source", "x"], "--from has to name the format of the source, got none"),
    (["mine.pkl", "--from", "mult", "--source", "x"], "--task has to say what its labels are"),
    (["nothing", "--from", "mult", "--source", "x"], "unknown dataset 'nothing'"),
    (["synthetic", "--from", "mult", "--source", "x"], "is made by main.py"),
    (["mine.pkl", "--from", "mult", "--source", "mine.pkl", "--task", "sentiment"], "is the file that is written"),
    (["mosi", "--from", "mult"], "--source"),
    *((["mosi", "--from", "mult", "--source", "x", "--frames", frames], "is no list such as text=50,audio=400")
      for frames in ("50", "text=0", "words=3", "text=-1", "text=9999999999", "text=", "text=1,,"))])
def test_a_command_that_says_too_little_or_too_much_is_refused(capsys, words, expected):
    assert convert.main(words) == 2
    assert expected in capsys.readouterr().err


def test_help_lists_every_format_and_a_format_lists_its_flags(capsys):
    with pytest.raises(SystemExit):
        convert.main(["--help"])
    shown = capsys.readouterr().out
    assert all(f"  {name:10} {FORMATS[name].__doc__.splitlines()[0]}" in shown for name in FORMATS)
    with pytest.raises(SystemExit):
        convert.main(["--from", "csd", "--help"])
    assert "--label_columns" in capsys.readouterr().out


def test_a_file_goes_where_its_dataset_is_looked_for(tmp_path):
    source = write(tmp_path / "source.pkl", sentiment_content())
    assert convert.main(["mosi", "--from", "mult", "--source", str(source), "--data_path", str(tmp_path),
                         "--no-aligned"]) == 0
    assert (tmp_path / "mosi_data_noalign.pkl").is_file()


def test_a_converted_file_trains(tmp_path):
    converted(tmp_path, "mult", write(tmp_path / "source.pkl", sentiment_content()), task="sentiment7")
    assert main.main(["--device", "cpu", "--dataset", str(tmp_path / "made" / "mine.pkl"), "--task", "sentiment7",
                      "--method", "plain", "--dim", "8", "--num_heads", "2", "--nlevels", "1", "--num_epochs", "1",
                      "--kernel_a", "1", "--kernel_v", "1", "--checkpoint_path", str(tmp_path)]) == 0


def test_a_stop_in_the_middle_leaves_nothing(tmp_path, monkeypatch):
    source = write(tmp_path / "source.pkl", sentiment_content())
    before, filled = sorted(tmp_path.rglob("*")), clips._filled

    def stopped(*arguments):
        filled(*arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(clips, "_filled", stopped)
    assert convert.main([str(tmp_path / "made" / "mine.pkl"), "--from", "mult", "--source", str(source), "--task",
                         "sentiment7"]) == 130
    assert sorted(tmp_path.rglob("*")) == before


def test_a_full_disk_is_one_sentence(tmp_path, monkeypatch, capsys):
    source = write(tmp_path / "source.pkl", sentiment_content())

    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    assert "No space left on device" in refused(tmp_path, capsys, "mult", source, task="sentiment7")


def test_values_beyond_float32_are_left_to_the_checks(tmp_path, capsys):
    content = sentiment_content()
    content["train"]["text"][0, 3, 0] = 1e300
    source = write(tmp_path / "source.pkl", content)
    found = converted(tmp_path, "mult", source, task="sentiment7")
    assert np.isinf(found["train"]["text"][0, 3, 0])
    assert "1 of 120 values of train text were -inf, inf or NaN" in capsys.readouterr().out


def test_a_missing_package_is_named(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    flags = [word for name in ("text", "audio", "vision", "folds") for word in (f"--{name}", "x")]
    assert "pip install h5py" in refused(tmp_path, capsys, "csd", tmp_path / "x.csd", *flags)
