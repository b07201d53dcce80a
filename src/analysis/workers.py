"""Processes that a study or a report shares its own work out among."""

import contextlib
import gc
import multiprocessing
import os
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing.context import ForkServerContext
from typing import Any

import torch

from src.process import blocked
from src.runtime import ROOT
from src.streams import safe


@contextlib.contextmanager
def workers(count: int, threads: str = "") -> Iterator[Callable[..., Future]]:
    """So many silent processes with `threads` threads each, gone when this one is; what waits at the end is dropped.

    Yields what gives them work, a function and its arguments. Signals reach this process alone.
    """
    with ProcessPoolExecutor(count, prepared(), _begin, (threads, dict(os.environ))) as pool:
        def submit(function: Callable[..., Any], *arguments: Any) -> Future:
            with blocked():  # inherited by a process that is started here
                return pool.submit(function, *arguments)

        try:
            yield submit
        except KeyboardInterrupt:
            for worker in multiprocessing.active_children():
                worker.kill()
            raise
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def prepared() -> ForkServerContext:
    """What starts processes here: forked from one that has imported everything, whose import every one has spared."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["src.train"])
    if str(ROOT) not in sys.path:
        sys.path.append(str(ROOT))  # of the processes that are started from here, too
    return context


def _begin(threads: str, environment: Mapping[str, str]) -> None:
    """Make a new process one of `workers`."""
    os.environ.update(environment)
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
    if threads:
        torch.set_num_threads(int(threads))
    sys.stdout, sys.stderr = safe(sys.stdout), safe(sys.stderr)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    gc.freeze()  # what is imported is never garbage, and does not have to be looked through again and again


def _end_with_parent() -> None:
    if parent := multiprocessing.parent_process():
        parent.join()
        os._exit(1)
