"""`python -m src.runs [FOLDER]`: every run below a folder, how far it is, and the command that continues it."""

import contextlib
import functools
import math
import re
import shlex
import zipfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from src.analysis.study.stored import whole
from src.checkpoint import LAST, RESULTS
from src.config import config_from
from src.configured import method_class, task_name
from src.console import align, cell
from src.flags import Parser, path
from src.locks import busy
from src.process import finish
from src.results import history
from src.runtime import run_command
from src.settings import read_settings
from src.structures import InputError, printable
from src.tasks import Task, make_task

RUNNING, STOPPED, FINISHED, BROKEN = STATES = ("running", "stopped", "finished", "broken")
STUDY = re.compile(r"(.+)-[0-9a-f]{8}")  # names of a study's runs: its own and the beginning of a fingerprint


@dataclass(frozen=True)
class Run:
    """One run folder."""

    folder: Path
    settings: Mapping[str, Any]  # of its config.yaml; empty where that cannot be read
    state: str
    epoch: int
    total: int | None
    score: str  # the best validation score so far

    @property
    def study(self) -> str:
        """The study that the run belongs to, if its name says so."""
        found = STUDY.fullmatch(str(self.settings.get("name", "")))
        return found[1] if found else ""

    @property
    def aside(self) -> str:
        """The number under which a run is kept whose name a newer one has."""
        return self.folder.suffix if self.folder.suffix[1:].isdigit() else ""

    @property
    def command(self) -> str:
        """What continues the run; nothing where that is over, or where a newer one has its name."""
        place = self.folder.parents[2]
        words = ["python", "main.py", "--config", str(self.folder / "config.yaml"), "--checkpoint_path", str(place)]
        own = {kind: str(self.settings.get(kind)) for kind in ("backbone", "method")}
        words += [f"--{kind}={name}" for kind, name in own.items() if ":" in name]  # a file alone imports no code
        return shlex.join([*words, "--resume"]) if self.state == STOPPED and self.settings and not self.aside else ""

    @property
    def cells(self) -> list[str]:
        """The line of a table."""
        found = [str(self.settings.get(key, "?")) for key in ("name", "seed", "method", "backbone", "dataset")]
        found[0] += f" ({self.aside})" * bool(self.aside)
        return [*map(printable, found), self.state, f"{self.epoch}/{self.total or '?'}", self.score]


def find(place: Path) -> list[Run]:
    """All runs below a folder, as `--checkpoint_path` names it, or below one of those in it, by name."""
    levels = ("checkpoint(*)", "*_seed*", "*-*")
    above = next((count for count in (3, 2, 1) if place.resolve().match("/".join(levels[:count]))), 0)
    found = place.glob("/".join(levels[above:])) if above < 3 else [place]
    return [_read(path) for path in sorted(found) if path.is_dir()]


def _read(folder: Path) -> Run:
    """What a run folder tells, whatever state it is in."""
    settings, task, total, ahead = {}, None, None, 0
    with contextlib.suppress(InputError):  # damaged, or with a class of the user's own, which is not imported
        settings = read_settings(folder / "config.yaml")
        config = config_from(settings)
        ahead = method_class(config).epochs_ahead(config.method)
        task, total = make_task(task_name(config)), config.training.num_epochs + ahead
    with contextlib.suppress(InputError):
        rows = history(folder)
        return Run(folder, settings, _state(folder), len(rows), total, _best(rows[ahead:], task) if task else "-")
    return Run(folder, settings, _state(folder), 0, total, "-")


def _state(folder: Path) -> str:
    """Running where a process has its lock; broken where nothing could use or continue it."""
    if busy(folder):
        return RUNNING
    if (folder / RESULTS).exists():
        with contextlib.suppress(InputError):
            if whole(folder)[1]:
                return FINISHED
        return BROKEN
    return STOPPED if zipfile.is_zipfile(folder / f"{LAST}.pt") else BROKEN


def _best(rows: list[dict[str, float]], task: Task) -> str:
    """The best validation score of the epochs so far that could be selected."""
    best = max((row.get(f"valid_{task.selection}", math.nan) for row in rows), key=task.merit, default=math.nan)
    return f"{task.selection} {cell(task.selection, best)}"


def overview(found: Sequence[Run]) -> str:
    """A table of the runs, a line per study, and the commands that continue what was stopped."""
    parts = [align([["name", "seed", "method", "backbone", "data", "state", "epoch", "best on validation"],
                    *(run.cells for run in found)])]
    studies: dict[str, Counter[str]] = {}
    for run in found:
        if run.study:
            studies.setdefault(run.study, Counter())[run.state] += 1
    if studies:
        parts.append("\n".join(f"study {name}: {', '.join(f'{states[one]} {one}' for one in STATES if states[one])}; "
                               "its own command continues it" for name, states in studies.items()))
    commands = [run.command for run in found if run.command and not run.study]
    return "\n\n".join([*parts, *["\n".join(commands)] * bool(commands)])


def run(argv: Sequence[str] | None) -> None:
    """Parse, look and print."""
    parser = Parser(prog="python -m src.runs", description=__doc__, allow_abbrev=False)
    parser.add_argument("checkpoint_path", nargs="?", type=path, default=Path("."),
                        help="folder that holds the folders checkpoint(<dataset>) (default: this one)")
    place = parser.parse(argv).checkpoint_path
    found = find(place)
    if not found:
        raise InputError(f"{place} holds no run, which stands in checkpoint(<dataset>)/<name>_seed<seed>; name the "
                         "folder that main.py had as --checkpoint_path, or one of these below it")
    print(overview(found))


def main(argv: Sequence[str] | None = None) -> int:
    """Run what a command line asks for; returns the exit code of `run_command`."""
    return run_command(functools.partial(run, argv))


if __name__ == "__main__":
    raise SystemExit(finish(main()))
