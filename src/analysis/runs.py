"""The runs of a study: finding finished ones, training the others, measuring all, several at a time."""

import csv
import hashlib
import json
import multiprocessing
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Iterable
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import torch

from src.analysis.measures import VERSION, measure, samples
from src.analysis.plan import Job, fingerprint
from src.analysis.trained import load_trained
from src.build import build_data
from src.checkpoint import FORMAT, LAST, RESULTS, run_folder, write_json
from src.config import config_from
from src.options import InferenceOptions, StudyOptions
from src.runtime import ROOT, resolve_device
from src.structures import InputError

Found = dict[str, Path]  # fingerprint -> folder of a finished run


def find_finished(checkpoint_path: Path) -> tuple[Found, list[str]]:
    """All finished runs below a folder, whatever their names, and a sentence for each kind that cannot be used."""
    found, spoilt, foreign = {}, [], []
    for path in sorted(checkpoint_path.glob(f"checkpoint(*)/*_seed*/*/{RESULTS}")):
        try:
            results = json.loads(path.read_text())
            if results["format"] != FORMAT:
                raise KeyError("format")
            key = fingerprint(config_from(results["config"]).flat(), results["data"]["sha256"])
        except (OSError, ValueError, KeyError, TypeError, InputError):
            foreign.append(path.parent)
            continue
        if all((path.parent / f"{name}.pt").exists() for name in results["selections"]):
            found[key] = path.parent
        else:
            spoilt.append(path.parent)
    return found, [f"{len(folders)} run{'s' * (len(folders) > 1)} ({folders[0]}{', ...' * (len(folders) > 1)}) {text}; "
                   "not used, and trained again where this study needs them"
                   for folders, text in ((foreign, "made by another format of this code"),
                                         (spoilt, "finished but without checkpoints")) if folders]


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
        """Train all jobs, `--jobs` at a time; a run that was cut off continues.

        Raises InputError with the first message of a failed run once all others are done.
        """
        progress = Progress("run", len(missing), self.options.jobs)
        failed = []
        with ThreadPoolExecutor(self.options.jobs) as pool:
            futures = {pool.submit(self._train, job): job for job in missing}
            try:
                for future in as_completed(futures):
                    job, message = futures[future], future.result()
                    failed += [f"{job.title}: {message}"] if message else []
                    progress.step(f"{job.title} {'failed' if message else 'trained'}")
            except KeyboardInterrupt:
                pool.shutdown(wait=True, cancel_futures=True)
                raise KeyboardInterrupt("stopped; the same command continues") from None
        if failed:
            raise InputError(f"{len(failed)} of {len(missing)} runs failed, the first with '{failed[0]}'; mend that "
                             "and give the same command, which keeps the finished runs")

    def _train(self, job: Job) -> str:
        """Run main.py in a process of its own. -> its error, empty if it went well."""
        words = self.command(job)
        folder = self.folder(job)
        if (folder / f"{LAST}.pt").exists() and not (folder / RESULTS).exists():
            words.append("--resume")
        say(f"python {shlex.join(words)}")
        done = subprocess.run([sys.executable, ROOT / words[0], *words[1:]], cwd=Path.cwd(), text=True,
                              capture_output=True, env=os.environ | {"OMP_NUM_THREADS": str(threads(self.options))})
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


def measure_all(folders: Iterable[Path], with_samples: set[Path], options: StudyOptions) -> dict[Path, dict[str, Any]]:
    """Rows (and, where wanted, samples) of every run's selected checkpoint; measured once and kept in its folder."""
    wanted = {folder: folder in with_samples for folder in folders}
    progress = Progress("measured", len(wanted), options.jobs)
    context = multiprocessing.get_context("spawn")
    found = {}
    with ProcessPoolExecutor(options.jobs, context, torch.set_num_threads, (threads(options),)) as pool:
        futures: dict[Future, Path] = {
            pool.submit(measured, folder, more, options): folder
            for folder, more in wanted.items()}
        for future in as_completed(futures):
            found[futures[future]] = future.result()
            progress.step(str(futures[future]))
    return found


def measured(folder: Path, with_samples: bool, options: StudyOptions) -> dict[str, Any]:
    """What `measure` finds for one checkpoint, from the file beside it where that was made from the same checkpoint."""
    checkpoint, stored = (folder / name.format(options.selection) for name in ("{}.pt", "measures_{}.json"))
    with checkpoint.open("rb") as file:
        key = {"version": VERSION, "checkpoint": hashlib.sha256(file.read()).hexdigest()}
    if stored.exists():
        try:
            content = json.loads(stored.read_text())
        except ValueError:
            content = {}
        asked = content.get("key") == key and all(set(getattr(options, name)) <= set(content.get(name, ())) for name in
                                                  ("analyses", "fills"))
        if asked and (content["samples"] or not with_samples):
            return content
    config = config_from(json.loads((folder / RESULTS).read_text())["config"])
    place = InferenceOptions(dataset=config.run.dataset, batch_size=options.batch_size)
    _, trained = load_trained(checkpoint, place, resolve_device(options.device), {})
    content = {"key": key, "analyses": options.analyses, "fills": options.fills,
               "rows": measure(trained, options.analyses, options.fills),
               "samples": samples(trained) if with_samples else []}
    write_json(stored, content)
    return content


def history(folder: Path) -> list[dict[str, float]]:
    """Rows of a run's history.csv."""
    with (folder / "history.csv").open(newline="") as file:
        return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]
