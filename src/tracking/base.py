"""What a tracker is, how one is found, and why none of them can end a training."""

import contextlib
import importlib
import importlib.util
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from src.structures import UsageError, printable, reason
from src.writing import read_json, write_json

TRACKERS = {"tensorboard": "tensorboard", "wandb": "wandb", "mlflow": "mlflow"}  # name -> package that it needs
STATE = "tracker.json"  # in the folder of what is tracked: the name under which a service knows it


class Tracker(Protocol):
    """Something that is told of one run or one study. A class of a tracker is built as `cls(folder, title)`."""

    def begin(self, config: Mapping[str, Any], epoch: int, known: str) -> str:
        """Open the track, or continue that of the name `known` after an epoch. -> the name that it has there."""

    def epoch(self, number: int, row: Mapping[str, float]) -> None:
        """A row of history.csv."""

    def figures(self, files: Sequence[Path]) -> None:
        """PNG files."""

    def finish(self, scores: Mapping[str, float]) -> None:
        """The final scores, and the end of the track."""


class Kept:
    """A tracker through which all are asked, or none: its first failure becomes a note and its end."""

    def __init__(self, name: str, folder: Path, made: Callable[[], Tracker]) -> None:
        self.name, self.folder, self.made = name, folder, made
        self.own: Tracker | None = None

    def begin(self, config: Mapping[str, Any], epoch: int = 0) -> None:
        """Open the track of what stands in the folder, or continue the one that it has."""
        with self._kept():
            if self.name:
                state, own = self.folder / STATE, self.made()
                known = read_json(state).get(self.name, "") if state.exists() and epoch else ""
                write_json(state, {self.name: own.begin(config, epoch, known)})
                self.own = own

    def epoch(self, number: int, row: Mapping[str, float]) -> None:
        """A row of history.csv."""
        with self._kept():
            if self.own:
                self.own.epoch(number, row)

    def figures(self, files: Sequence[Path]) -> None:
        """PNG files."""
        with self._kept():
            if self.own:
                self.own.figures(files)

    def finish(self, scores: Mapping[str, float]) -> None:
        """The final scores, and the end of the track."""
        with self._kept():
            if self.own:
                self.own.finish(scores)

    @contextlib.contextmanager
    def _kept(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # whatever a service or its package raises is no reason to lose a run
            self.own = None
            print(f"note: {self.name} tracks no longer ({printable(reason(error) or type(error).__name__)}); what is "
                  "tracked goes on")


def check_tracker(name: str) -> None:
    """Raise UsageError where the package of a tracker is not installed."""
    if name and importlib.util.find_spec(TRACKERS[name]) is None:
        raise UsageError(f"--tracker {name} needs a package that is not installed; pip install {TRACKERS[name]}, or "
                         "leave --tracker out")


def tracker(name: str, folder: Path, title: str) -> Kept:
    """The tracker of a name for what stands in a folder; one that is silent for an empty name."""
    return Kept(name, folder, lambda: importlib.import_module(f"src.tracking.on_{name}").Track(folder, title))
