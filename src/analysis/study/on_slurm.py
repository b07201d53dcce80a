"""Runs as jobs of Slurm, by submitit; without Slurm its cluster `local` does the same with processes."""

import contextlib
import multiprocessing
import os
import shutil
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

import submitit

from src.analysis.study.executor import LOST, THREADS, Command, ended, thread_count
from src.analysis.study.local import attempt, end
from src.plan_options import StudyOptions
from src.structures import UsageError, quoted

SHARED = ("name", "timeout_min", "mem_gb", "cpus_per_task", "gpus_per_node", "stderr_to_stdout")
DEFAULTS = {"name": "causalmer", "timeout_min": 60}  # submitit's five minutes end most runs
TOGETHER = 0.5  # seconds in which runs that are asked for become one array
TIMEOUTS = 1000  # after each, the job is queued again and its run continues


@dataclass(frozen=True)
class Attempt:
    """What a job does."""

    folder: Path
    environment: Mapping[str, str]

    def __call__(self, command: Command) -> str:
        """The run. -> its error, or nothing."""
        return attempt(command, self.folder, self.environment)

    def checkpoint(self, command: Command) -> submitit.helpers.DelayedSubmission:
        """Called at preemption and at the end of the job's time: stop the run; the job, queued again, continues it."""
        for run in multiprocessing.active_children():
            end(run)
        return submitit.helpers.DelayedSubmission(self, command)


class Slurm:
    """The executor; each run is one job, those asked for at one time are an array."""

    def __init__(self, options: StudyOptions) -> None:
        given = parameters(options.slurm)
        cluster = str(given.pop("cluster", "slurm"))
        if cluster not in ("slurm", "local"):
            raise UsageError(f"--slurm cluster={cluster} is none; choose slurm, or local to try it without Slurm")
        if cluster == "slurm" and not (shutil.which("sbatch") and shutil.which("srun")):
            raise UsageError("there is no sbatch on this machine; start the study on a login node of the cluster, or "
                             "try it with --slurm cluster=local")
        chosen = {**DEFAULTS, "cpus_per_task": thread_count(options), **given}
        self.environment = {THREADS: os.environ.get(THREADS) or str(chosen["cpus_per_task"])}
        self.jobs = submitit.AutoExecutor(options.checkpoint_path / "submitit", cluster, slurm_max_num_timeout=TIMEOUTS)
        try:
            self.jobs.update_parameters(**chosen)
        except (NameError, AssertionError, ValueError, TypeError) as error:
            raise UsageError(f"--slurm: {str(error).splitlines()[0]}") from error
        self._lock = threading.Lock()
        self._asked: list[tuple[Command, Future[submitit.Job]]] = []

    def run(self, command: Command, stopping: threading.Event) -> str:
        """The interface of an executor."""
        job = self._submitted(command)
        while not job.done() and not stopping.wait(0.5):
            pass
        if stopping.is_set():
            job.cancel()
            ended(command.folder)
            return "stopped"
        try:
            return job.result()
        except submitit.core.utils.FailedJobError as error:
            return str(error).strip().splitlines()[-1]
        except submitit.core.utils.UncompletedJobError:
            return f"{LOST} with its job {job.job_id}, whose log is in {job.paths.stderr}"

    def _submitted(self, command: Command) -> submitit.Job:
        """The job of a run; the first thread that asks submits what the others ask for in the next moment."""
        job: Future[submitit.Job] = Future()
        with self._lock:
            self._asked.append((command, job))
            first = len(self._asked) == 1
        if first:
            time.sleep(TOGETHER)
            with self._lock:
                asked, self._asked = self._asked, []
                self._submit(asked)
        return job.result()

    def _submit(self, asked: Sequence[tuple[Command, Future[submitit.Job]]]) -> None:
        """Submit an array and hand out its jobs, or the error."""
        work = Attempt(Path.cwd(), self.environment)
        try:
            with _silenced(self.jobs.folder / "controllers.log"), self.jobs.batch():
                jobs = [self.jobs.submit(work, command) for command, _ in asked]
        except Exception as error:
            for _, waiting in asked:
                waiting.set_exception(error)
        else:
            for (_, waiting), job in zip(asked, jobs, strict=True):
                waiting.set_result(job)


@contextlib.contextmanager
def _silenced(log: Path) -> Iterator[None]:
    """Processes started in the body write their errors to a file: submitit's of the cluster `local` die in a traceback.

    submitit gives no other way than to exchange the stream of this process for that moment.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    kept = os.dup(2)
    try:
        with log.open("ab") as file:
            os.dup2(file.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def parameters(words: Sequence[str]) -> dict[str, str | int | float]:
    """name=value words by submitit's names, those of Slurm alone also without `slurm_`; UsageError for others."""
    found: dict[str, str | int | float] = {}
    for word in words:
        name, sign, value = word.partition("=")
        if not sign or name in ("nodes", "tasks_per_node"):
            raise UsageError("--slurm takes name=value with commas between them, and neither nodes nor tasks_per_node, "
                             f"since a run is one process, got {quoted(word)}")
        own = name in (*SHARED, "cluster") or name.startswith("slurm_")
        found[name if own else f"slurm_{name}"] = _number(value)
    return found


def _number(value: str) -> str | int | float:
    """A number where it is one."""
    for kind in (int, float):
        try:
            return kind(value)
        except ValueError:
            continue
    return value
