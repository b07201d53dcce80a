"""Where the runs of a study are executed: one interface, and the one that `--executor` names."""

import contextlib
import importlib.util
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from src.checkpoint import LAST, RESULTS, SAMPLES
from src.locks import busy
from src.plan_options import StudyOptions
from src.process import GRACE
from src.structures import UsageError

LOST = "its process was lost"  # a message with these words: the machine took the run away, and it is continued
THREADS = "OMP_NUM_THREADS"  # environment variable
LEAST = 300 * 2**20  # bytes that a process with torch takes


@dataclass(frozen=True)
class Command:
    """The words of a run's main.py command; where and whenever it is started, it continues what was cut off."""

    words: tuple[str, ...]
    folder: Path  # of the run
    samples: bool  # the run has to keep them; one that began without is begun again
    before: int = 0  # `written` of what stood there when the run was asked for

    def now(self) -> list[str]:
        """The words for a run as it stands on disk now."""
        kept = (self.folder / SAMPLES).exists() or not self.samples
        resumes = kept and (self.folder / f"{LAST}.pt").exists() and not (self.folder / RESULTS).exists()
        return [*self.words, *["--resume"] * resumes]

    def finished(self) -> bool:
        """Whether another process has finished the run since it was asked for, such as while a job was queued."""
        return written(self.folder) not in (0, self.before) and ((self.folder / SAMPLES).exists() or not self.samples)


def written(folder: Path) -> int:
    """When the results in a run's folder were written, in nanoseconds; 0 where there are none."""
    try:
        return (folder / RESULTS).stat().st_mtime_ns
    except OSError:
        return 0


class Executor(Protocol):
    """Runs commands, called by several threads at once."""

    def run(self, command: Command, stopping: threading.Event) -> str:
        """Run `python main.py` to its end, or stop it, then it saves what it has to. -> its error, or nothing.

        The run has ended when this returns. An error with LOST in it means that the run can be continued.
        """
        ...


@contextlib.contextmanager
def opened(options: StudyOptions) -> Iterator[Executor]:
    """The executor that the options name; UsageError where it cannot work."""
    if options.executor == "ray":
        require("ray")
        from src.analysis.study.on_ray import connected
        with connected(options) as cluster:
            yield cluster
    elif options.executor == "slurm":
        require("submitit")
        from src.analysis.study.on_slurm import Slurm
        yield Slurm(options)
    else:
        check_memory(options.jobs)
        from src.analysis.study.local import Local
        yield Local(threads(options))


def ended(folder: Path) -> None:
    """Wait until a cancelled run has saved what it has to."""
    ends = time.monotonic() + GRACE
    while busy(folder) and time.monotonic() < ends:
        time.sleep(0.1)


def require(package: str) -> None:
    """Raise UsageError where an optional package is not installed."""
    if importlib.util.find_spec(package) is None:
        raise UsageError(f"the package {package} is not installed; pip install -r requirements-scale.txt")


def threads(options: StudyOptions) -> dict[str, str]:
    """The environment variable that shares the cores out among `--jobs` processes; none where the user has set it."""
    return {} if os.environ.get(THREADS) else {THREADS: str(max(1, len(os.sched_getaffinity(0)) // options.jobs))}


def thread_count(options: StudyOptions) -> int:
    """Threads of a run: what the user's environment says, else a share of the cores."""
    count = (os.environ | threads(options))[THREADS].split(",")[0]  # OpenMP allows one number per level
    return int(count) if count.isdigit() and int(count) else 1


def check_memory(jobs: int) -> None:
    """Raise UsageError where so many processes do not fit into the free memory, where the system tells it."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        free = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration):
        return
    if jobs * LEAST > free:
        raise UsageError(f"--jobs {jobs} needs at least {jobs * LEAST / 2**30:.1f} GiB of memory, and "
                         f"{free / 2**30:.1f} GiB are free; at most {free // LEAST} fit")
