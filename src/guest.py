"""A call from Python, in somebody else's process: nothing is printed, and what is global stays as it was."""

import contextlib
import io
import logging
import os
import random
import sys
import threading
import types
from collections.abc import Callable, Iterator

import numpy as np
import torch

from src.runtime import quiet

Progress = Callable[[str], None]  # takes a line of what a command would print
LOGGER = logging.getLogger("causalmer")
CUDNN = ("deterministic", "benchmark", "allow_tf32")  # what `resolve_device` sets
_ONE = threading.RLock()  # seeds, settings and standard output belong to the whole process


class _Lines(io.TextIOBase):
    """Stands for standard output: hands on whole lines, and lets through what the one who takes them prints."""

    def __init__(self, take: Progress) -> None:
        self.take, self.outside, self.rest = take, sys.stdout, ""
        self.lock, self.taker = threading.Lock(), 0

    def write(self, text: str) -> int:
        """Collect text of any thread; only its whole lines go on, without empty ones."""
        if self.taker == threading.get_ident():
            return self.outside.write(text)
        with self.lock:
            *lines, self.rest = f"{self.rest}{text}".split("\n")
            self.taker = threading.get_ident()
            try:
                for line in filter(None, lines):
                    self.take(line)
            finally:
                self.taker = 0
        return len(text)


@contextlib.contextmanager
def guest(progress: Progress | None = None) -> Iterator[None]:
    """What is printed inside goes to `progress`, or to the log; afterwards random states and settings are as before.

    One thread at a time is inside, the others wait.
    """
    with _ONE, contextlib.redirect_stdout(_Lines(progress or LOGGER.info)), quiet(), _settings():
        yield


@contextlib.contextmanager
def _settings() -> Iterator[None]:
    """Put random states, and the settings of torch that `resolve_device` changes, back after the body."""
    cudnn = torch.backends.cudnn
    before = [getattr(cudnn, name) for name in CUDNN]
    flushed = bool(torch.full((1,), torch.finfo(torch.float32).tiny).div(2) == 0)  # torch tells it no other way
    python, numpy = random.getstate(), np.random.get_state()
    with torch.random.fork_rng(range(torch.cuda.device_count() if torch.cuda.is_initialized() else 0)):
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)
            torch.set_flush_denormal(flushed)
            for name, value in zip(CUDNN, before, strict=True):
                setattr(cudnn, name, value)


@contextlib.contextmanager
def no_script() -> Iterator[None]:
    """Processes that are started inside do not run the caller's script again, and change nothing of its environment."""
    script, environment = sys.modules["__main__"], dict(os.environ)
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = script
        os.environ.clear()
        os.environ.update(environment)
