import errno
import io
import os
import signal
import sys
import warnings

import pytest
import torch

from src.runtime import (
    atomic_file,
    random_state,
    resolve_device,
    restore_random_state,
    run_command,
    seed_everything,
    storage_device,
    sweep,
)
from src.structures import InputError, UsageError

CPU = torch.device("cpu")


@pytest.mark.parametrize("name", ["cpu", "CPU", "-1"])
def test_the_cpu_has_several_names(name):
    assert resolve_device(name) == CPU


@pytest.mark.parametrize("name", ["0", "cuda", "cuda:1", "7"])
def test_an_absent_gpu_is_one_sentence(name, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert resolve_device("auto") == CPU
    with pytest.raises(InputError, match=r"GPU \d was asked for, but this machine offers 0"):
        resolve_device(name)


def test_a_gpu_number_is_the_gpu_of_that_number(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert [str(resolve_device(n)) for n in ("auto", "1", "cuda", "cuda:1")] == ["cuda:0", "cuda:1", "cuda:0", "cuda:1"]
    with pytest.raises(InputError, match="choose cpu or auto, or a number below 2"):
        resolve_device("2")


def test_a_word_that_is_no_device_is_refused():
    with pytest.raises(InputError, match="'gpu' is no device; choose auto, cpu"):
        resolve_device("gpu")


def test_splits_stay_on_the_gpu_only_while_they_fit_half_of_it(monkeypatch):
    gpu = torch.device("cuda", 0)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (100, 200))
    assert [storage_device(c, gpu, n) for c, n in (("auto", 50), ("auto", 51), ("cuda", 51), ("cpu", 1))] == [
        gpu, CPU, gpu, CPU]
    assert storage_device("auto", CPU, 1) == CPU
    with pytest.raises(InputError, match="--data_device cuda needs a run on a GPU"):
        storage_device("cuda", CPU, 1)


def test_random_states_continue_where_they_were_taken():
    seed_everything(5)
    order = torch.Generator().manual_seed(5)
    state = random_state(order)
    drawn = torch.rand(3), torch.randperm(9, generator=order)
    restore_random_state(state, order)
    assert torch.equal(drawn[0], torch.rand(3)) and torch.equal(drawn[1], torch.randperm(9, generator=order))


def test_a_failed_write_keeps_the_old_file_and_leaves_nothing_half_written(tmp_path):
    path = tmp_path / "x.bin"
    with atomic_file(path) as file:
        file.write(b"old")
    with pytest.raises(InputError, match=r"x\.bin cannot be written \(No space left on device\)"), \
            atomic_file(path) as file:
        file.write(b"half")
        raise OSError(28, os.strerror(28))
    assert path.read_bytes() == b"old" and os.listdir(tmp_path) == ["x.bin"]


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"), atomic_file(tmp_path / "file" / "x.bin"):
        pass


@pytest.mark.parametrize("name", ["cuda:\u00b2", "\u00b2", "cuda:" + "9" * 5000, "\x1b[31m"])
def test_a_hostile_device_is_one_short_sentence(name):
    with pytest.raises(UsageError, match="is no device") as error:
        resolve_device(name)
    assert len(str(error.value)) < 300


def fail(error):
    raise error


@pytest.mark.parametrize("error, code, message", [
    (InputError("a\nb"), 1, "a\\nb"), (UsageError("x"), 2, "x"), (MemoryError(), 1, "too little memory"),
    (RuntimeError("DefaultCPUAllocator: can't allocate memory"), 1, "too little memory"),
    (OSError(36, "File name too long", "x" * 5000), 1, "cannot be used: File name too long"),
    (KeyError("\x1b" * 5000), 70, "something that should not happen, KeyError")])
def test_every_error_is_one_sentence_with_its_exit_code(error, code, message, capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    assert run_command(lambda: fail(error)) == code
    said = capsys.readouterr().err
    assert message in said and said.count("\n") == 1 and len(said) < 1100
    assert len(os.listdir(tmp_path)) == (code == 70)


@pytest.mark.parametrize("number, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stopped_command_says_so(number, code, capsys):
    assert run_command(lambda: signal.raise_signal(number)) == code
    assert capsys.readouterr().err.strip() == "stopped"


def test_a_command_has_the_code_that_its_body_returns_and_help_goes_on():
    assert [run_command(lambda: None), run_command(lambda: 0), run_command(lambda: 1)] == [0, 0, 1]
    with pytest.raises(SystemExit):
        run_command(sys.exit)


@pytest.mark.parametrize("number, code, lines", [(errno.EPIPE, 141, 0), (errno.ENOSPC, 1, 1)])
def test_a_closed_pipe_is_141_and_other_lost_output_a_sentence(monkeypatch, capsys, number, code, lines):
    target = io.StringIO()
    target.write = lambda text: fail(OSError(number, os.strerror(number)))
    monkeypatch.setattr(sys, "stdout", target)
    assert run_command(lambda: print("x")) == code
    assert capsys.readouterr().err.count("\n") == lines


def test_warnings_of_libraries_do_not_reach_the_terminal(capsys, monkeypatch):
    monkeypatch.setattr(sys, "warnoptions", [])
    assert run_command(lambda: warnings.warn("of a library", stacklevel=1)) == 0
    assert capsys.readouterr().err == ""


def test_only_what_dead_processes_left_is_swept(tmp_path):
    for number in (999_999_999, os.getppid(), os.getpid()):
        (tmp_path / f".x.pt.{number}.partial").touch()
    (tmp_path / ".report.999999999.partial").mkdir()
    (tmp_path / "x.partial").touch()
    sweep(tmp_path)
    sweep(tmp_path / "nowhere")
    assert sorted(os.listdir(tmp_path)) == [f".x.pt.{os.getppid()}.partial", "x.partial"]


def test_a_signal_waits_while_a_file_takes_its_place(tmp_path, monkeypatch, capsys):
    plain = os.replace
    monkeypatch.setattr(os, "replace", lambda *names: (signal.raise_signal(signal.SIGTERM), plain(*names)))

    def write():
        with atomic_file(tmp_path / "x") as file:
            file.write(b"whole")
    assert run_command(write) == 143
    assert os.listdir(tmp_path) == ["x"]


def test_a_deleted_working_folder_is_one_sentence(tmp_path, monkeypatch, capsys):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert run_command(lambda: None) == 1
    assert "is gone (No such file or directory); change to another one" in capsys.readouterr().err


def test_numbers_that_slow_a_processor_down_become_0():
    resolve_device("cpu")
    assert (torch.full((2,), 1e-30) * 1e-10).tolist() == [0, 0]
