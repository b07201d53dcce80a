"""The process itself: what it does at a signal and at an error that nobody expected.

Imports nothing heavy, since an entry point calls `watch` before its other imports: those take seconds, in which a user
may already press Ctrl-C. At INT, TERM and HUP a command ends with 128 + the signal, as shells report it.
"""

import contextlib
import os
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

STOPPING = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
GRACE = 20  # seconds in which a run saves what it has to, once its parent is gone
ONCE = 2  # seconds in which further signals mean the same stop: Ctrl-C reaches a whole group, then the parent stops it


class _Signals:
    """The signals that came, and whether they have to wait."""

    received: list[int] = []
    last = -float("inf")
    depth = 0  # of `held`
    waiting = False


def watch() -> None:
    """From now on a signal or an error is one line; to be called first, in a process that is a command."""
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:  # closed by the caller; a file of ours would get the number, and what others print
            os.open(os.devnull, os.O_RDWR)
    try:
        os.getcwd()
    except OSError:  # libraries end the process there while they are imported
        os.write(2, b"error: the folder that this command was started in is gone; change to another one\n")
        os._exit(1)
    for number in _open_signals():
        signal.signal(number, _leave)
    sys.excepthook = _last_net


def finish(code: int) -> int:
    """The exit code of a command that is through: a signal during the interpreter's shutdown changes nothing."""
    for number in _open_signals():
        signal.signal(number, signal.SIG_IGN)
    return code


def _open_signals() -> list[int]:
    """Signals that may be handled here: nohup and background jobs of a script ignore some, and that stays so."""
    if threading.current_thread() is not threading.main_thread():
        return []
    return [number for number in STOPPING if signal.getsignal(number) not in (signal.SIG_IGN, None)]


def _leave(number: int, frame: FrameType | None) -> None:
    """Handler while nothing is to be saved."""
    with contextlib.suppress(OSError):
        os.write(2, b"\nstopped\n")
    os._exit(128 + number)


def _last_net(kind: type[BaseException], error: BaseException, where: Any) -> None:
    """Hook for errors outside `run_command`, such as a package that is not installed."""
    if isinstance(error, KeyboardInterrupt):
        _leave(signal.SIGINT, None)
    lacking = error.name if isinstance(error, ModuleNotFoundError) else None
    foreign = lacking is not None and lacking.partition(".")[0] not in ("src", "modules")
    words = (f"{lacking} is not installed in {sys.executable}; activate an environment that has it (source "
             ".venv/bin/activate), or use bash main.sh, which makes one") if foreign else unexpected(error)
    with contextlib.suppress(OSError):
        os.write(2, f"error: {words}\n".encode("utf-8", "backslashreplace"))
    os._exit(1 if foreign else 70)


def end_with_parent() -> None:
    """Stop this process as SIGTERM does once the one that asked for it has ended; to be called in a thread."""
    import multiprocessing  # only here, as below: a command would watch 14 ms later

    parent, main = multiprocessing.parent_process(), threading.main_thread().ident
    if parent is None or main is None:
        return
    parent.join()
    signal.pthread_kill(main, signal.SIGTERM)
    time.sleep(GRACE)
    os._exit(128 + signal.SIGTERM)


@contextlib.contextmanager
def raising() -> Iterator[None]:
    """Signals raise KeyboardInterrupt in the body, once; the handlers of before are put back."""
    _Signals.received, _Signals.last, _Signals.waiting = [], -float("inf"), False
    earlier = {number: signal.signal(number, _raise) for number in _open_signals()}
    hooks = sys.unraisablehook, threading.excepthook
    sys.unraisablehook = threading.excepthook = _unraisable
    try:
        yield
    finally:
        sys.unraisablehook, threading.excepthook = hooks
        for number, handler in earlier.items():
            signal.signal(number, handler)


def signal_code() -> int:
    """Exit code of a command that KeyboardInterrupt ended."""
    return 128 + (_Signals.received or [signal.SIGINT])[0]


def _raise(number: int, frame: FrameType | None) -> None:
    """Handler while there is something to save."""
    again = time.monotonic() - _Signals.last < ONCE
    if not again:
        _Signals.received.append(number)
        _Signals.last = time.monotonic()
        if not _Signals.depth:
            raise KeyboardInterrupt
        _Signals.waiting = True


def _unraisable(what: Any) -> None:
    """Hook for errors in destructors and threads, where no one catches them: a line, and a log.

    A KeyboardInterrupt that came there was lost, so it is sent again.
    """
    if not issubclass(what.exc_type, KeyboardInterrupt):
        if what.exc_value is not None and not issubclass(what.exc_type, SystemExit):
            print(f"note: {unexpected(what.exc_value)}", file=sys.stderr)
        return
    _Signals.last = -float("inf")
    again = (threading.main_thread().ident, _Signals.received.pop() if _Signals.received else signal.SIGINT)
    threading.Timer(0.05, signal.pthread_kill, again).start()


@contextlib.contextmanager
def held() -> Iterator[None]:
    """Signals wait until the body is through; for what must not be half-done, and does not take long."""
    _Signals.depth += 1
    try:
        yield
    finally:
        _Signals.depth -= 1
        if _Signals.waiting and not _Signals.depth:
            _Signals.waiting = False
            raise KeyboardInterrupt


@contextlib.contextmanager
def let_through() -> Iterator[None]:
    """The part of a `held` body that may take long: here signals raise at once."""
    depth, _Signals.depth = _Signals.depth, 0
    try:
        if _Signals.waiting:
            _Signals.waiting = False
            raise KeyboardInterrupt
        yield
    finally:
        _Signals.depth = depth


@contextlib.contextmanager
def blocked() -> Iterator[None]:
    """Signals wait while the body starts processes, which inherit that and so leave Ctrl-C to this one."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    from multiprocessing import resource_tracker

    resource_tracker.ensure_running()  # started in the body, it would let signals through again
    earlier = signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, earlier)


def unblocked() -> None:
    """Signals come through in a process that was started under `blocked`."""
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)


def unexpected(error: BaseException) -> str:
    """One sentence on an error that nobody expected; its traceback goes to a file that the sentence names."""
    text = "".join(traceback.format_exception(error))
    words = " ".join(f"{type(error).__name__}: {error}".split())[:200]
    words = "".join(letter if letter.isprintable() else "?" for letter in words)
    try:
        descriptor, path = tempfile.mkstemp(prefix="causalmer-", suffix=".log")
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(f"{sys.version}\n{text}")
        where = f"what happened stands in {Path(path)}"
    except OSError as problem:
        where = f"no log could be written ({problem.strerror})"
    return f"something that should not happen, {words}; {where}, please report it"
