"""Signals and unexpected errors, in this process and in commands of their own."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from src.process import blocked, held, let_through, raising, signal_code, unexpected

ROOT = Path(__file__).parent.parent.parent


@pytest.mark.parametrize("number, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_is_an_interrupt_with_the_exit_code_of_a_shell(number, code):
    with raising(), pytest.raises(KeyboardInterrupt):
        signal.raise_signal(number)
    assert signal_code() == code


def test_the_handlers_of_before_come_back():
    earlier = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with raising():
        assert signal.getsignal(signal.SIGTERM) != earlier[1]
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == earlier


def test_an_ignored_signal_stays_ignored():
    earlier = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with raising():
            signal.raise_signal(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, earlier)


def test_another_thread_installs_nothing():
    failed = []

    def body():
        try:
            with raising():
                pass
        except ValueError as error:
            failed.append(error)
    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    assert failed == []


def test_a_held_body_is_done_before_the_signal_counts():
    done = []
    with raising(), pytest.raises(KeyboardInterrupt), held():
        signal.raise_signal(signal.SIGTERM)
        done.append(True)
    assert done == [True]


def test_the_long_part_of_a_held_body_is_stopped_at_once_and_its_clean_up_is_held_again():
    done = []
    with raising(), pytest.raises(KeyboardInterrupt), held():
        try:
            with let_through():
                signal.raise_signal(signal.SIGINT)
                done.append("never")
        finally:
            done.append("cleaned")
    assert done == ["cleaned"]


def test_two_signals_of_one_stop_are_one_interrupt():
    with raising():
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGTERM)  # what a study sends after Ctrl-C
    assert signal_code() == 130


def test_blocked_signals_arrive_afterwards():
    with raising(), pytest.raises(KeyboardInterrupt):
        with blocked():
            os.kill(os.getpid(), signal.SIGTERM)
        signal.getsignal(signal.SIGTERM)


def test_an_unexpected_error_names_the_log_of_its_traceback():
    try:
        raise KeyError("x\ny" * 1000)
    except KeyError as error:
        sentence = unexpected(error)
    log = Path(sentence.partition("stands in ")[2].partition(",")[0])
    assert "test_process.py" in log.read_text() and len(sentence) < 500 and "\n" not in sentence
    log.unlink()


COMMANDS = [["main.py"], ["inference.py"], ["-m", "src.analysis.study"], ["-m", "src.datasets.check"]]


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: words[-1])
def test_a_signal_during_the_imports_is_one_line(words):
    import_hook = ("import importlib.abc, os, runpy, signal, sys\n"
                   "class Stop(importlib.abc.MetaPathFinder):\n"
                   "    def find_spec(self, name, path, target=None):\n"
                   "        if name == 'torch': signal.raise_signal(signal.SIGTERM)\n"
                   "sys.meta_path.insert(0, Stop())\n")
    if words[0] == "-m":
        run = f"sys.argv = ['-m']\nrunpy.run_module({words[1]!r}, run_name='__main__', alter_sys=False)"
    else:
        run = f"runpy.run_path({words[0]!r}, run_name='__main__')"
    done = subprocess.run([sys.executable, "-c", import_hook + run], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (143, "\nstopped\n")


def test_an_error_during_the_imports_is_one_sentence(tmp_path):
    (tmp_path / "torch.py").write_text("raise ImportError('libcuda is gone')")
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); sys.argv = ['-m']; import src.runtime"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True,
                          env={**os.environ, "TMPDIR": str(tmp_path)})
    assert done.returncode == 70 and "libcuda is gone" in done.stderr and done.stderr.count("\n") == 1


def test_an_environment_without_torch_is_told_what_to_activate():
    code = "import runpy, sys; sys.modules['torch'] = None; runpy.run_path('main.py', run_name='__main__')"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1 and done.stderr == (
        f"error: torch is not installed in {sys.executable}; activate an environment that has it (source "
        ".venv/bin/activate), or use bash main.sh, which makes one\n")


def test_main_needs_no_folder_on_the_path():
    done = subprocess.run([sys.executable, "main.py", "--nothing"], cwd=ROOT, capture_output=True, text=True,
                          env={**os.environ, "PYTHONSAFEPATH": "1"})
    assert done.returncode == 2 and "unknown argument '--nothing'" in done.stderr


def test_an_error_in_a_destructor_or_a_thread_is_one_line(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    class Broken:
        def __del__(self):
            raise ValueError("in a destructor")

    with raising():
        Broken()
        thread = threading.Thread(target=lambda: int("x"))
        thread.start()
        thread.join()
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2 and "in a destructor" in lines[0] and len(os.listdir(tmp_path)) == 2


def test_an_interrupt_that_a_destructor_swallowed_comes_again():
    class Slow:
        def __del__(self):
            signal.raise_signal(signal.SIGINT)

    with raising(), pytest.raises(KeyboardInterrupt):
        Slow()
        time.sleep(5)
    assert signal_code() == 130
