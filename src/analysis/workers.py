"""Processes that a study or a report shares its own work out among."""

import contextlib
import multiprocessing
import os
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor

import torch

from src.streams import safe


@contextlib.contextmanager
def workers(count: int, threads: str = "") -> Iterator[ProcessPoolExecutor]:
    """So many silent processes with `threads` threads each, gone when this one is; what waits at the end is dropped.

    They start when they are given work, which is done within `blocked`, so that signals reach this process alone.
    """
    if not sys.warnoptions:
        os.environ["PYTHONWARNINGS"] = "ignore"  # also of the processes that are started here
    with ProcessPoolExecutor(count, multiprocessing.get_context("spawn"), _begin, (threads,)) as pool:
        try:
            yield pool
        except KeyboardInterrupt:
            for worker in multiprocessing.active_children():
                worker.kill()
            raise
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _begin(threads: str) -> None:
    """Make a new process one of `workers`."""
    if threads:
        torch.set_num_threads(int(threads))
    sys.stdout, sys.stderr = safe(sys.stdout), safe(sys.stderr)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    multiprocessing.parent_process().join()
    os._exit(1)
