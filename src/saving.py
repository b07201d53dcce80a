"""The checkpoints of a run on their way to disk."""

import time
from pathlib import Path
from typing import Any

from torch import Tensor

from src.checkpoint import changed, write_checkpoint

SHARE = 0.02  # of a run's time that writing may take
Content = dict[str, Any]


class Saving:
    """Writes the checkpoints of an epoch together, or, where an epoch is short beside that, those of several.

    What waits is a copy beside the weights. `flush` writes it, at the end of the training and where that is stopped; a
    process that is killed continues some epochs earlier, at a state whose files belong together.
    """

    def __init__(self) -> None:
        self.waiting: dict[Path, Content] = {}
        self.times = 0  # that something was written
        self.took, self.ended = 0.0, time.monotonic()  # of the last time

    @property
    def due(self) -> bool:
        """Whether what waits is written at the end of this epoch; that of the first one always is."""
        return self.times < 2 or time.monotonic() - self.ended >= self.took / SHARE

    def add(self, path: Path, content: Content) -> None:
        """Let a checkpoint be written, in the place of an earlier one of the path, after those added before.

        It is copied: the checkpoints of one epoch differ in strengths, those of several in everything.
        """
        self.waiting.pop(path, None)
        self.waiting[path] = changed(content, Tensor.clone)

    def flush(self) -> None:
        """Write what waits; InputError where that cannot be done, what is not written then waits on."""
        began = time.monotonic()
        self.times += bool(self.waiting)
        for path in list(self.waiting):
            write_checkpoint(path, self.waiting[path])
            del self.waiting[path]
            self.ended = time.monotonic()
            self.took = self.ended - began
