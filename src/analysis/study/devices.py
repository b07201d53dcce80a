"""The GPUs of this machine, and which of them the next run takes."""

import contextlib
import threading
from collections.abc import Iterator

from src.plan_options import StudyOptions
from src.runtime import resolve_device
from src.structures import InputError, UsageError


class Devices:
    """Hands out the device that has the fewest runs; never more at once than `--jobs`, which fit."""

    def __init__(self, options: StudyOptions) -> None:
        self.runs = dict.fromkeys(names(options), 0)
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def one(self) -> Iterator[str]:
        """A value of --device, taken while the context lasts."""
        with self._lock:
            name = min(self.runs, key=self.runs.__getitem__)
            self.runs[name] += 1
        try:
            yield name
        finally:
            with self._lock:
                self.runs[name] -= 1


def names(options: StudyOptions) -> list[str]:
    """The values of --device that the study's processes take in turn."""
    return [str(number) for number in options.devices] or [options.device]


def check_devices(options: StudyOptions) -> None:
    """Raise UsageError for a device of `--devices` that this machine does not have."""
    for number in options.devices:
        try:
            resolve_device(str(number))
        except InputError as error:
            raise UsageError(f"--devices: {error}") from error
