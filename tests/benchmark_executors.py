"""One study by every executor, with workers killed at random moments: do they leave the same results?

    python -m tests.benchmark_executors --runs 60 --kills 5

`ray` is a cluster of a head without processors and two workers of one each, all of this machine; `slurm` is submitit's
cluster `local`. Killed (SIGKILL) is the process that a task or a job runs in. The local executor trains undisturbed.
"""

import argparse
import contextlib
import csv
import os
import random
import secrets
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from src.console import align
from src.runtime import ROOT
from tests.conftest import TINY

WORKERS = ("ray::attempt", "submitit.core._submit")  # in the command lines of what is killed
PORT = 6380


@dataclass(frozen=True)
class Outcome:
    """What a study left."""

    rows: list[dict[str, str]]  # of results.csv, without times
    killed: int
    started: int
    resumed: int
    seconds: float


def environment() -> dict[str, str]:
    """One thread per run, since bits depend on their number; a cluster that only this benchmark can use."""
    return os.environ | {"OMP_NUM_THREADS": "1", "RAY_USAGE_STATS_ENABLED": "0",
                         "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}


@contextlib.contextmanager
def ray_cluster(env: dict[str, str], folder: Path) -> Iterator[str]:
    """A head and two workers as processes of their own. -> its address; they are ended afterwards."""
    start = [str(Path(sys.executable).parent / "ray"), "start", "--block", "--dashboard-agent-listen-port=0"]
    address, path = f"127.0.0.1:{PORT}", folder / "ray.log"
    with path.open("w") as log, contextlib.ExitStack() as stack:
        head = ["--head", f"--port={PORT}", "--num-cpus=0", "--include-dashboard=false",
                f"--temp-dir={folder / 'nodes'}"]
        for count, words in enumerate((head, *[[f"--address={address}", "--num-cpus=1"]] * 2), 1):
            node = subprocess.Popen([*start, *words], env=env, stdout=log, stderr=log)
            stack.callback(node.wait)
            stack.callback(node.terminate)
            while path.read_text().count("Ray runtime started") < count:
                if node.poll() is not None:
                    raise SystemExit(path.read_text()[-3000:])
                time.sleep(0.2)
        yield address


def workers() -> list[int]:
    """The processes below this one that tasks and jobs run in."""
    parents, lines = {}, {}
    for place in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            parents[int(place.name)] = int((place / "stat").read_text().rpartition(")")[2].split()[1])
            lines[int(place.name)] = (place / "cmdline").read_text(errors="replace").replace("\0", " ")
    found = added = {os.getpid()}
    while added := {number for number, above in parents.items() if above in added} - found:
        found = found | added
    return [number for number in found if any(word in lines.get(number, "") for word in WORKERS)]


class Killer(threading.Thread):
    """Kills one worker whenever the number of finished runs has reached one of some random numbers."""

    def __init__(self, folder: Path, runs: int, kills: int) -> None:
        super().__init__(daemon=True)
        self.folder, self.killed, self.random = folder, 0, random.Random(0)
        self.moments = sorted(self.random.sample(range(max(1, runs - 3)), kills))  # while some are left
        self.over = threading.Event()  # the study has ended

    def run(self) -> None:
        """Until all are killed."""
        for moment in self.moments:
            while len(list(self.folder.glob("checkpoint(*)/*/*/results.json"))) < moment or not workers():
                if self.over.wait(0.05):
                    return
            time.sleep(self.random.random())
            while not (victims := workers()):
                if self.over.wait(0.05):
                    return
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.random.choice(victims), signal.SIGKILL)
                self.killed += 1


def study(words: list[str], folder: Path, runs: int, kills: int, env: dict[str, str]) -> Outcome:
    """A study of so many runs in a folder of its own, while workers are killed."""
    folder.mkdir()
    killer = Killer(folder, runs, kills)
    killer.start()
    began = time.monotonic()
    seeds = ",".join(map(str, range(1, runs // 2 + 1)))
    done = subprocess.run([sys.executable, "-m", "src.analysis.study", *words, "--fusions=tanh", f"--seeds={seeds}",
                           "--jobs=2", f"--report={folder / 'report'}", f"--checkpoint_path={folder}", "--analyses=",
                           f"--data_path={folder.parent / 'data'}", *TINY], cwd=ROOT, env=env, capture_output=True,
                          text=True)
    killer.over.set()
    killer.join()
    if done.returncode:
        raise SystemExit(f"{' '.join(words)}: {done.stderr}\n{done.stdout[-3000:]}")
    commands = [line for line in done.stdout.splitlines() if line.startswith("python main.py")]
    with (folder / "report" / "results.csv").open() as file:
        rows = [{name: value for name, value in row.items() if name != "seconds"} for row in csv.DictReader(file)]
    return Outcome(rows, killer.killed, len(commands), sum("--resume" in line for line in commands),
                   time.monotonic() - began)


def compare(runs: int, kills: int, executors: list[str]) -> dict[str, Outcome]:
    """The study by the local executor, and by others with kills."""
    env = environment()
    with tempfile.TemporaryDirectory(prefix="ex") as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        found = {"local": study(["--executor=local"], folder / "local", runs, 0, env)}
        for executor in executors:
            place = (f"--ray_address={stack.enter_context(ray_cluster(env, folder))}" if executor == "ray" else
                     "--slurm=cluster=local")
            found[executor] = study([f"--executor={executor}", place], folder / executor, runs, kills, env)
        return found


def main() -> int:
    """Print one line per executor. -> 1 where results differ."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=60)
    parser.add_argument("--kills", type=int, default=5)
    runs, kills = vars(parser.parse_args()).values()
    found = compare(runs, kills, ["ray", "slurm"])
    same = {name: outcome.rows == found["local"].rows for name, outcome in found.items()}
    print(align([["executor", "runs", "workers killed", "starts", "with --resume", "results.csv", "seconds"]] + [
        [name, str(runs), str(outcome.killed), str(outcome.started), str(outcome.resumed),
         "equal" if same[name] else "differs", f"{outcome.seconds:.0f}"] for name, outcome in found.items()]))
    return int(not all(same.values()))


if __name__ == "__main__":
    raise SystemExit(main())
