"""A run of a study is the run of its command."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from src.analysis.study.executor import Command
from src.analysis.study.local import Local
from src.runtime import ROOT
from tests.conftest import TINY
from tests.src.test_train import folder, history, moved, same_bits, weights

ONE = {"OMP_NUM_THREADS": "1"}


def test_it_leaves_the_bits_that_the_command_leaves(tiny, tmp_path):
    argv = [*tiny, "--embed_dropout", "0.2", "--num_epochs", "2"]
    assert Local(ONE).run(Command(moved(argv, tmp_path / "forked"), tmp_path, False), threading.Event()) == ""
    subprocess.run([sys.executable, "main.py", *moved(argv, tmp_path / "own")], cwd=ROOT, check=True,
                   env=os.environ | ONE, capture_output=True)
    forked, own = (folder(tmp_path / name) for name in ("forked", "own"))
    assert history(forked) == history(own) and same_bits(weights(forked), weights(own))


@pytest.mark.parametrize("words, message", [(["--nothing"], "unknown argument '--nothing'"),
                                            (["--dataset", "none.pkl"], "--task has to say")])
def test_its_error_is_that_of_the_command(words, message):
    assert message in Local(ONE).run(Command(words, Path(), False), threading.Event())


def test_ctrl_c_while_everything_is_imported_is_one_sentence(tmp_path):
    words = ["--seeds=1", f"--report={tmp_path / 'report'}", f"--checkpoint_path={tmp_path}", *TINY,
             f"--data_path={tmp_path / 'data'}"]
    process = subprocess.Popen([sys.executable, "-m", "src.analysis.study", *words], cwd=ROOT, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True, start_new_session=True,
                               preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    while not process.stdout.readline().startswith("python main.py"):
        assert process.poll() is None
    os.killpg(process.pid, signal.SIGINT)
    error = process.communicate(timeout=60)[1]
    assert process.returncode == 130 and error.strip() == "stopped; the same command continues"
