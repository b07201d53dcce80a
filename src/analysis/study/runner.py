"""The runs of a study: training and measuring them, several at a time."""

import hashlib
import json
import multiprocessing
import os
import shlex
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from multiprocessing import resource_tracker
from pathlib import Path
from typing import Any

import torch

from src.analysis.measures import VERSION, measure, samples
from src.analysis.study.grid import Job
from src.analysis.study.stored import find_finished as find_finished
from src.analysis.study.stored import finished
from src.analysis.trained import load_trained
from src.build import build_data
from src.checkpoint import LAST, RESULTS, number, read_json, run_folder, without_nan, write_json
from src.locks import BUSY, busy
from src.options import InferenceOptions, StudyOptions
from src.process import LIFELINE, blocked
from src.runtime import ROOT, resolve_device, sweep
from src.streams import safe
from src.structures import InputError


def say(text: str) -> None:
    """Print a line in one piece, since several threads print."""
    print(f"{text}\n", end="", flush=True)


class Progress:
    """Prints a line per finished piece of work, with the time that is left at the pace so far."""

    def __init__(self, what: str, total: int, workers: int) -> None:
        self.what, self.total, self.workers = what, total, workers
        self.done, self.began = 0, time.monotonic()

    def step(self, text: str) -> None:
        """One more is done."""
        self.done += 1
        left = (time.monotonic() - self.began) / self.done * (self.total - self.done)
        shown = f"{left / 60:.0f} min left" if left >= 60 else f"{left:.0f} s left"
        say(f"{self.what} {self.done}/{self.total}: {text}, {shown}")


class Runner:
    """Brings every job of a study to a finished run."""

    def __init__(self, options: StudyOptions, extra: Iterable[str]) -> None:
        self.options, self.extra = options, tuple(extra)
        self._sha256: dict[str, str] = {}
        self._stopping = threading.Event()
        self._lifeline = -1  # the end of a pipe that every run inherits

    def sha256(self, job: Job) -> str:
        """Hash of the job's data, which is generated first if it is synthetic."""
        key = repr((job.config.run.dataset, job.config.data, job.config.dataset))
        if key not in self._sha256:
            self._sha256[key] = build_data(job.config).info.sha256
        return self._sha256[key]

    def command(self, job: Job) -> list[str]:
        """The words of the main.py command of a run; its name tells the settings and the data apart."""
        digest = job.fingerprint(self.sha256(job))[:8]
        return ["main.py", *job.arguments, f"--device={self.options.device}", f"--name={self.options.name}-{digest}",
                f"--checkpoint_path={self.options.checkpoint_path}"]

    def train(self, missing: list[Job]) -> None:
        """Train all jobs, `--jobs` at a time; a run that was cut off continues. No run outlives this process.

        Raises InputError with the first message of a failed run once all others are done.
        """
        progress = Progress("run", len(missing), self.options.jobs)
        failed = []
        self._stopping.clear()
        self._lifeline, ours = os.pipe()
        try:
            with ThreadPoolExecutor(self.options.jobs) as pool:
                futures = {pool.submit(self._train, job): job for job in missing}
                try:
                    for future in as_completed(futures):
                        job, message = futures[future], future.result()
                        failed += [f"{job.title}: {message}"] if message else []
                        progress.step(f"{job.title} {'failed' if message else 'trained'}")
                finally:
                    self._stopping.set()
                    os.close(ours)  # whatever still runs stops, as it does where this process is killed
                    pool.shutdown(wait=True, cancel_futures=True)
        finally:
            os.close(self._lifeline)
        if failed:
            raise InputError(f"{len(failed)} of {len(missing)} runs failed, the first with '{failed[0]}'; mend that "
                             "and give the same command, which keeps the finished runs")

    def _train(self, job: Job) -> str:
        """Run main.py in a process of its own. -> its error, empty if it went well.

        Runs of a killed study may still be stopping, and another study may train the same: such a run is waited for.
        """
        folder, message = self.folder(job), "stopped"
        while not self._stopping.is_set():
            if busy(folder):
                self._stopping.wait(0.2)
                continue
            if self._is_there(job, folder):
                return ""
            message = self._start(job, folder)
            if BUSY not in message:
                break
        return message

    def _is_there(self, job: Job, folder: Path) -> bool:
        """Whether the run was finished since this study looked, by another one."""
        try:
            return finished(folder, self.options.own) == (job.fingerprint(self.sha256(job)), True)
        except InputError:
            return False

    def _start(self, job: Job, folder: Path) -> str:
        """Run main.py once. -> its error, empty if it went well."""
        words = self.command(job)
        if (folder / f"{LAST}.pt").exists() and not (folder / RESULTS).exists():
            words.append("--resume")
        say(f"python {shlex.join(words)}")
        done = subprocess.run([sys.executable, ROOT / words[0], *words[1:]], cwd=Path.cwd(), text=True,
                              capture_output=True, errors="replace", pass_fds=(self._lifeline,),
                              env=os.environ | {"OMP_NUM_THREADS": str(threads(self.options)),
                                                LIFELINE: str(self._lifeline)})
        return "" if done.returncode == 0 else (done.stderr.strip().splitlines() or ["no message"])[-1]

    def folder(self, job: Job) -> Path:
        """Where main.py puts the run of a job."""
        name = next(word.partition("=")[2] for word in self.command(job) if word.startswith("--name="))
        place = InferenceOptions(dataset=job.config.run.dataset, name=name, seed=job.seed,
                                 checkpoint_path=self.options.checkpoint_path)
        return run_folder(place, job.backbone, job.config.run.method)


def threads(options: StudyOptions) -> int:
    """Processor threads of each of `--jobs` processes."""
    return max(1, len(os.sched_getaffinity(0)) // options.jobs)


def measure_all(places: Mapping[Path, InferenceOptions], with_samples: set[Path],
                options: StudyOptions) -> dict[Path, dict[str, Any]]:
    """Rows (and, where wanted, samples) of every run's selected checkpoint; measured once and kept in its folder.

    `places` says for every folder where its data lies now.
    """
    progress = Progress("measured", len(places), options.jobs)
    found = {}
    context = multiprocessing.get_context("spawn")
    if not sys.warnoptions:
        os.environ["PYTHONWARNINGS"] = "ignore"  # also of the processes that are started here
    resource_tracker.ensure_running()  # it would let signals through again
    with ProcessPoolExecutor(options.jobs, context, _worker, (threads(options),)) as pool:
        try:
            with blocked():  # inherited by the workers, which are started here
                futures: dict[Future, Path] = {
                    pool.submit(measured, folder, folder in with_samples, options, place): folder
                    for folder, place in places.items()}
            for future in as_completed(futures):
                found[futures[future]] = future.result()
                progress.step(str(futures[future]))
        except KeyboardInterrupt:
            for worker in multiprocessing.active_children():
                worker.kill()
            raise
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
    return found


def _worker(count: int) -> None:
    """Make a new process one that measures: silent, and gone when the study is."""
    torch.set_num_threads(count)
    sys.stdout, sys.stderr = safe(sys.stdout), safe(sys.stderr)
    threading.Thread(target=_end_with_study, daemon=True).start()


def _end_with_study() -> None:
    multiprocessing.parent_process().join()
    os._exit(1)


def measured(folder: Path, with_samples: bool, options: StudyOptions, place: InferenceOptions) -> dict[str, Any]:
    """What `measure` finds for one checkpoint, from the file beside it where that was made from the same checkpoint."""
    checkpoint, stored = (folder / name.format(options.selection) for name in ("{}.pt", "measures_{}.json"))
    with checkpoint.open("rb") as file:
        key = {"version": VERSION, "checkpoint": hashlib.sha256(file.read()).hexdigest()}
    sweep(folder)
    content = _stored(stored)
    asked = content.get("key") == key and all(set(getattr(options, name)) <= set(content[name]) for name in
                                              ("analyses", "fills"))
    if asked and (content["samples"] or not with_samples):
        return content
    _, trained = load_trained(checkpoint, place, resolve_device(options.device), {})
    content = {"key": key, "analyses": options.analyses, "fills": options.fills,
               "rows": measure(trained, options.analyses, options.fills),
               "samples": samples(trained) if with_samples else []}
    write_json(stored, content | {"sha256": _digest(content)})
    return _stored(stored)  # as the next study will find it, so that both say the same


def _stored(path: Path) -> dict[str, Any]:
    """Earlier measurements, or nothing where they are missing or were changed since: they can be made again."""
    try:
        content = read_json(path)
        if type(content) is not dict or content.pop("sha256", "") != _digest(content):
            return {}
        for row in content["rows"]:
            row["value"] = number(row["value"])
        for sample in content["samples"]:
            sample["effects"] = {name: [list(map(number, values)) for values in effects]
                                 for name, effects in sample["effects"].items()}
    except (InputError, RecursionError, AttributeError, KeyError, TypeError, ValueError, OverflowError):
        return {}
    return content


def _digest(content: dict[str, Any]) -> str:
    """sha256 of measurements, the same before and after saving."""
    return hashlib.sha256(json.dumps(without_nan(content), sort_keys=True).encode()).hexdigest()
