"""A child process that meets hostile input under a limit of memory and time, so that even a crash is only counted."""

import contextlib
import io
import json
import os
import resource
import select
import signal
import subprocess
import sys
import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
MEMORY = 6 * 2**30  # bytes of addresses; what asks for more fails at once instead of taking the machine's memory
GROWN = 0.3  # GiB after which a child is replaced, since the high-water mark of its memory never falls


@dataclass
class Answer:
    """What one case did."""

    code: int | str  # exit code, or how it ended without one: "escaped ...", "died SIGSEGV", "hang"
    error: str = ""  # what stood on stderr
    output: str = ""
    seconds: float = 0.0
    grown: float = 0.0  # GiB of memory

    def fault(self, codes: tuple[int, ...], seconds: float, gib: float) -> str:
        """What is wrong with it; empty where it ended as every command may."""
        lines = [line for line in self.error.splitlines() if line.strip()]
        if self.code not in codes:
            return f"ended with {self.code}"
        said = lines or "FAIL" in self.output  # a report on a data file says it on stdout
        if len(lines) > 1 or self.code and not said:
            return f"{len(lines)} lines on stderr"
        if any(not line.isprintable() for line in lines):
            return "control characters on stderr"
        if lines and len(lines[-1]) > 1100:
            return "a message of more than 1,100 characters"
        if self.seconds > seconds:
            return f"took more than {seconds} s"
        return f"took more than {gib} GiB" if self.grown > gib else ""


class Worker:
    """Asks a child process, which is started anew when the last one died, hung or grew."""

    def __init__(self, folder: Path, seconds: float, **environment: str) -> None:
        self.folder, self.seconds, self.process = folder, seconds, None  # in `folder` lands what has odd names
        self.environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), **environment}

    def ask(self, command: str, words: list[str]) -> Answer:
        """Run `command` (main, inference, study or check) with `words` in the child."""
        if self.process is None or self.process.poll() is not None:
            self.process = subprocess.Popen([sys.executable, "-m", "tests.attacks.worker"], cwd=self.folder, text=True,
                                            env=self.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                            stderr=subprocess.DEVNULL)
            self.process.stdout.readline()
        self.process.stdin.write(json.dumps([command, words]) + "\n")
        self.process.stdin.flush()
        if not select.select([self.process.stdout], [], [], self.seconds)[0]:
            self.close()
            return Answer("hang", seconds=self.seconds)
        line = self.process.stdout.readline()
        if not line:
            code = self.process.wait()
            return Answer(f"died {signal.Signals(-code).name if code < 0 else code}")
        answer = Answer(**json.loads(line))
        if answer.grown > GROWN:
            self.process.wait()
        return answer

    def close(self) -> None:
        """End the child."""
        if self.process is not None:
            self.process.kill()
            self.process.communicate()


def peak() -> float:
    """GiB of memory that this process had at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def commands() -> dict[str, Any]:
    """The commands of the project, imported before the first case is timed."""
    import inference
    import main
    from src.analysis.study import __main__ as study
    from src.datasets import check
    return {"main": main.main, "inference": inference.main, "study": study.main, "check": check.main, "load": load}


def load(words: list[str]) -> int:
    """Read a data file for a task as training does, up to its first loss."""
    import torch

    from src.datasets.base import dataset_spec
    from src.datasets.base import load as load_file
    from src.runtime import run_command
    from src.tasks import make_task

    def body() -> None:
        path, name = words
        task = make_task(name)
        data = load_file(Path(path), dataset_spec(path), name, task.outputs)
        for split in data.splits.values():
            if split.labels is not None:
                task.loss(torch.zeros(len(split), task.outputs), task.targets(split.labels))
                task.describe(split.labels)
        print(*data.notes, sep="\n")

    return run_command(body)


def answer(command: Any, words: list[str]) -> Answer:
    """Run one command in this process and say how it ended."""
    out, err = io.StringIO(), io.StringIO()
    began, before = time.perf_counter(), peak()
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = command(words)
    except SystemExit as stop:
        code = stop.code
    except BaseException as error:
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "/src/" in frame.filename]
        spot = f" at {frames[-1].filename.rpartition('/src/')[2]}:{frames[-1].lineno}" if frames else ""
        code = f"escaped {type(error).__name__}{spot}"
    return Answer(code, err.getvalue()[-3000:], out.getvalue()[-3000:], time.perf_counter() - began, peak() - before)


def serve() -> None:
    """Answer the lines of stdin, one case each."""
    import torch

    torch.set_num_threads(1)
    known = commands()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    print("ready", flush=True)
    for line in sys.stdin:
        command, words = json.loads(line)
        found = answer(known[command], words)
        print(json.dumps(vars(found)), flush=True)
        if found.grown > GROWN:
            return


if __name__ == "__main__":
    serve()
