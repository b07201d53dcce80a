"""The runs of a study that have to be trained, several at a time."""

import functools
import shlex
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from src.analysis.study.devices import Devices, check_devices
from src.analysis.study.executor import LOST, Command, Executor, opened, written
from src.analysis.study.grid import Job
from src.analysis.study.stored import find_finished, finished
from src.build import build_data
from src.checkpoint import run_folder
from src.locks import BUSY, busy
from src.options import InferenceOptions
from src.plan_options import StudyOptions
from src.progress import time_left
from src.structures import InputError

CUT = "cut short"  # the message of a run that was ended since it was hopeless; it can be continued
Hopeless = Callable[[Job, Path], bool]  # whether a run in training, in its folder, is to be ended
CONTINUED = 5  # times that a lost run is; one that is lost more often has a reason, such as its memory


def say(text: str) -> None:
    """Print a line in one piece, since several threads print."""
    print(f"{text}\n", end="", flush=True)


class _Ending(threading.Event):
    """Set where all runs are to stop, and where one has become hopeless."""

    def __init__(self, everything: threading.Event, hopeless: Callable[[], bool]) -> None:
        super().__init__()
        self.everything, self.hopeless, self.cut = everything, hopeless, False

    def is_set(self) -> bool:
        """Whether the run is to stop."""
        self.cut = self.cut or self.hopeless()
        return self.cut or self.everything.is_set()

    def wait(self, timeout: float | None = None) -> bool:
        """As `is_set`, after at most so many seconds."""
        return self.everything.wait(timeout) or self.is_set()


class Progress:
    """Prints a line per finished piece of work, with the time that is left at the pace so far."""

    def __init__(self, what: str, total: int) -> None:
        self.what, self.total = what, total
        self.done, self.began = 0, time.monotonic()

    def step(self, text: str) -> None:
        """One more is done."""
        self.done += 1
        left = (time.monotonic() - self.began) / self.done * (self.total - self.done)
        say(f"{self.what} {self.done}/{self.total}: {text}, {time_left(left)}")


class Runner:
    """Brings every job of a study to a finished run."""

    def __init__(self, options: StudyOptions) -> None:
        self.options = options
        self._sha256: dict[str, str] = {}
        self._stopping = threading.Event()
        self._devices = Devices(options)

    def sha256(self, job: Job) -> str:
        """Hash of the job's data, which is generated first if it is synthetic."""
        key = repr((job.config.run.dataset, job.config.data, job.config.dataset))
        if key not in self._sha256:
            self._sha256[key] = build_data(job.config).info.sha256
        return self._sha256[key]

    def command(self, job: Job, device: str = "") -> list[str]:
        """The words of the main.py command of a run."""
        return ["main.py", *job.arguments, f"--device={device or self.options.device}", f"--name={self.name(job)}",
                f"--checkpoint_path={self.options.checkpoint_path}", *["--log_samples"] * self.options.sampled,
                *[f"--tracker={self.options.tracker}"] * bool(self.options.tracker)]

    def name(self, job: Job) -> str:
        """A name that tells the settings and the data of a run apart."""
        return f"{self.options.name}-{job.fingerprint(self.sha256(job))[:8]}"

    def folder(self, job: Job) -> Path:
        """Where main.py puts the run of a job."""
        place = InferenceOptions(dataset=job.config.run.dataset, name=self.name(job), seed=job.seed,
                                 checkpoint_path=self.options.checkpoint_path)
        return run_folder(place, job.backbone, job.config.run.method)

    def bring(self, wanted: Sequence[Job], excused: str = "", hopeless: Hopeless | None = None) -> dict[Job, Path]:
        """Train what is missing of the wanted runs.

        -> the folder of each, but of those whose failure is `excused`, and of those that are `hopeless` while training.
        Raises InputError where any other is not there afterwards.
        """
        options, keys = self.options, {job: job.fingerprint(self.sha256(job)) for job in wanted}
        found, notes = find_finished(options.checkpoint_path, options.own, options.sampled)
        missing = list({keys[job]: job for job in wanted if keys[job] not in found}.values())
        for text in notes:
            print(f"note: {text}")
        print(f"{len(wanted)} runs in this study, {len(missing)} of them to train")
        if missing:
            self.train(missing, excused, hopeless)
            found, _ = find_finished(options.checkpoint_path, options.own, options.sampled)
        lost = next((job for job, key in keys.items() if key not in found), None)
        if lost and not (excused or hopeless):
            raise InputError(f"{lost.title} is not found in {self.folder(lost)} although it was trained; if nobody has "
                             "moved or changed it, remove that folder and start the study again")
        return {job: found[key] for job, key in keys.items() if key in found}

    def train(self, missing: list[Job], excused: str = "", hopeless: Hopeless | None = None) -> None:
        """Train all jobs, `--jobs` at a time; a run that was cut off continues. No run outlives this process.

        Raises InputError with the first message of a failed run once all others are done; not for a message with the
        words `excused`.
        """
        check_devices(self.options)
        progress = Progress("run", len(missing))
        failed = []
        self._stopping.clear()
        with opened(self.options) as executor, ThreadPoolExecutor(self.options.jobs) as pool:
            futures = {pool.submit(self._train, job, executor, hopeless): job for job in missing}
            try:
                for future in as_completed(futures):
                    job, message = futures[future], future.result()
                    fatal = message not in ("", CUT) and not (excused and excused in message)
                    failed += [f"{job.title}: {message}"] if fatal else []
                    progress.step(f"{job.title} {CUT if message == CUT else 'failed' if message else 'trained'}")
            finally:
                self._stopping.set()
                pool.shutdown(wait=True, cancel_futures=True)
        if failed:
            raise InputError(f"{len(failed)} of {len(missing)} runs failed, the first with '{failed[0]}'; mend that "
                             "and give the same command, which keeps the finished runs")

    def _train(self, job: Job, executor: Executor, hopeless: Hopeless | None) -> str:
        """Bring one job to a finished run. -> its error, empty if it went well.

        Runs of a killed study may still be stopping, and another study may train the same: such a run is waited for.
        A run that was lost is continued.
        """
        folder, message, left = self.folder(job), "stopped", CONTINUED
        ending = _Ending(self._stopping, functools.partial(hopeless, job, folder) if hopeless else lambda: False)
        while not self._stopping.is_set():
            if busy(folder):
                self._stopping.wait(0.2)
                continue
            if self._is_there(job, folder):
                return ""
            message = self._start(job, folder, executor, ending)
            if message and ending.cut:
                return CUT
            left -= LOST in message
            if BUSY not in message and (LOST not in message or left < 0):
                break
        return message

    def _is_there(self, job: Job, folder: Path) -> bool:
        """Whether the run was finished since this study looked, by another one."""
        try:
            return finished(folder, self.options.own, self.options.sampled) == (job.fingerprint(self.sha256(job)), True)
        except InputError:
            return False

    def _start(self, job: Job, folder: Path, executor: Executor, ending: threading.Event) -> str:
        """Run main.py once. -> its error, empty if it went well."""
        with self._devices.one() as device:
            command = Command(tuple(self.command(job, device)[1:]), folder, self.options.sampled, written(folder))
            say(f"python main.py {shlex.join(command.now())}")
            return executor.run(command, ending)
