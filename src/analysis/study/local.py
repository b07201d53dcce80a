"""Runs on this machine: each a process of its own, forked from one that has imported everything before."""

import os
import runpy
import signal
import sys
import tempfile
import threading
from collections.abc import Mapping
from multiprocessing import forkserver
from multiprocessing.process import BaseProcess
from pathlib import Path

import torch

from src.analysis.study.executor import LOST, THREADS, Command
from src.analysis.workers import prepared
from src.process import GRACE, blocked, end_with_parent, unblocked, watch
from src.runtime import ROOT

# Exit codes of a run that the system ended, for memory or preemption; 255: the process it is forked from went first.
GONE = (-signal.SIGKILL, 128 + signal.SIGTERM, 255)


class Local:
    """Runs main.py commands as the shell would; what they have imported is there already."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.environment = dict(environment)
        self.context = prepared()

    def run(self, command: Command, stopping: threading.Event) -> str:
        """The interface of an executor; an exception, such as a cluster's signal, stops the run, too."""
        with tempfile.TemporaryDirectory() as folder:
            errors = Path(folder) / "errors"
            run = self.context.Process(target=_run, args=(command.now(), errors, Path.cwd(), self.environment))
            with blocked():
                forkserver.ensure_running()
            run.start()
            try:
                while run.is_alive() and not stopping.is_set():
                    run.join(0.1)
            finally:
                end(run)
            if run.exitcode == 0:
                return ""
            if run.exitcode in GONE:
                return f"{LOST}, ended by the system or by hand"
            written = errors.read_text(errors="replace") if errors.exists() else ""
            return (written.strip().splitlines() or [f"it ended with exit code {run.exitcode}"])[-1]


def end(run: BaseProcess) -> None:
    """Stop a process; a run then saves what it has to."""
    run.terminate()
    run.join(GRACE)
    run.kill()
    run.join()


def attempt(command: Command, folder: Path, environment: Mapping[str, str]) -> str:
    """What a cluster's process does: a run in a folder, as on this machine. -> its error, or nothing."""
    os.chdir(folder)
    return "" if command.finished() else Local(environment).run(command, threading.Event())


def _run(words: list[str], errors: Path, folder: Path, environment: Mapping[str, str]) -> None:
    """What happens in the process of a run: the command, silent, with the exit code that a shell would see."""
    for descriptor, path in ((0, os.devnull), (1, os.devnull), (2, errors)):
        os.dup2(os.open(path, os.O_RDWR | os.O_CREAT), descriptor)
    os.chdir(folder)
    os.environ.update(environment)
    watch()
    unblocked()
    threading.Thread(target=end_with_parent, daemon=True).start()
    if environment.get(THREADS):
        torch.set_num_threads(int(environment[THREADS]))
    sys.argv = ["main.py", *words]
    runpy.run_path(str(ROOT / "main.py"), run_name="__main__")
