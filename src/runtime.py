"""The machine: the net under every command, device, seeds, random states, versions, atomic files."""

import contextlib
import errno
import functools
import importlib.metadata
import io
import os
import platform
import random
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch

from src.distributed import own_gpu, process_count, process_number, speaks
from src.process import held, let_through, raising, signal_code, unexpected
from src.streams import Stream, safe_streams
from src.structures import InputError, UsageError, quoted

ROOT = Path(__file__).resolve().parent.parent


def run_command(body: Callable[[], int | None]) -> int:
    """Exit code of a command, through which all of them go; every problem is one sentence on standard error.

    0 done (or what the body returns), 1 bad input, 2 wrong use, 70 an error that nobody expected, 130 Ctrl-C,
    143 SIGTERM, 141 standard output was closed before the end. SystemExit, of --help, goes on.
    """
    with raising(), safe_streams() as streams, quiet():
        try:
            code = _outcome(body)
        except SystemExit:
            if not _lost(streams):
                raise
            code = 0
        except KeyboardInterrupt:  # a second one, while the first was reported
            code = signal_code()
        return code or _lost(streams)


def _outcome(body: Callable[[], int | None]) -> int:
    """Run the body and report how it ended."""
    try:
        _check_place()
        return body() or 0
    except KeyboardInterrupt as stop:
        if speaks(stopped=True):
            print(f"\n{str(stop) or 'stopped'}", file=sys.stderr)
        return signal_code()
    except Exception as error:
        code, message = _problem(error)
        if speaks():
            print(f"error: {InputError(message)}", file=sys.stderr)  # InputError: one printable line
        return code


def _check_place() -> None:
    """Raise InputError where the working folder was deleted: libraries end the process there."""
    try:
        os.getcwd()
    except OSError as error:
        raise InputError(f"the folder that this command was started in is gone ({error.strerror}); change to another "
                         "one") from error


def _problem(error: Exception) -> tuple[int, str]:
    """Exit code and sentence of an error."""
    if isinstance(error, InputError):
        return 2 if isinstance(error, UsageError) else 1, str(error)
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)) or "can't allocate memory" in str(error):
        return 1, ("there is too little memory; lower --batch_size and raise --accumulate by the same factor; where "
                   "there are predictions only, lower --evaluation_batch_size")
    if isinstance(error, OSError) and error.errno is not None:
        place = "" if error.filename is None else f"{quoted(os.fsdecode(error.filename), 200)} cannot be used: "
        return 1, f"{place}{error.strerror}; choose another path, or make this one usable"
    return 70, unexpected(error)


def _lost(streams: tuple[Stream, Stream]) -> int:
    """Exit code for output that could not be written, else 0."""
    for stream in streams:
        stream.flush()
    error = next((stream.lost for stream in streams if stream.lost), None)
    if error is None:
        return 0
    if error.errno in (errno.EPIPE, errno.ESHUTDOWN):
        return 141  # 128 + SIGPIPE, which Python turns into this error
    print(f"error: the output cannot be written ({error.strerror or error}); send it elsewhere", file=sys.stderr)
    return 1


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Warnings of libraries are for developers, who ask for them with python -W; users are told by our own notes."""
    with warnings.catch_warnings():
        if not sys.warnoptions:
            warnings.simplefilter("ignore")
        yield


def resolve_device(name: str) -> torch.device:
    """The device that `auto`, `cpu`, `cuda`, `cuda:N` or a GPU's number means; InputError where it is absent.

    On a GPU convolutions are asked to repeat their bits, and to compute in float32: cuDNN's default, TF32, keeps ten
    bits of every factor, and moved logits by up to 3e-4 from those of a CPU. On a CPU numbers below 1e-38, which a
    step of Adam takes twice as long for, become 0: what it remembers of a weight without gradient fades to such.
    """
    torch.set_flush_denormal(True)
    torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = True, False
    torch.backends.cudnn.allow_tf32 = False
    wanted = name.strip().lower()
    if wanted in ("cpu", "-1"):
        return torch.device("cpu")
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if wanted == "auto" and not count:
        return torch.device("cpu")
    number = wanted.removeprefix("auto").removeprefix("cuda").removeprefix(":") or "0"
    if not (number.isascii() and number.isdigit() and len(number) < 10):
        raise UsageError(f"--device {quoted(name)} is no device; choose auto, cpu, cuda, cuda:N, or the number of a "
                         "GPU")
    if process_count() > 1:
        return torch.device("cuda", own_gpu(wanted, count))
    if int(number) >= count:
        raise InputError(f"GPU {number} was asked for, but this machine offers {count} to torch {torch.__version__}; "
                         "choose cpu or auto" + (f", or a number below {count}" if count else ""))
    return torch.device("cuda", int(number))


def storage_device(choice: str, device: torch.device, nbytes: int) -> torch.device:
    """Where splits of `nbytes` stay: with `auto`, on the device if they fill at most half of its free memory."""
    if choice == "cpu" or device.type == "cpu":
        if choice == "cuda":
            raise UsageError("--data_device cuda needs a run on a GPU, but the device is cpu; choose auto or cpu")
        return torch.device("cpu")
    if choice == "auto" and nbytes > torch.cuda.mem_get_info(device)[0] / 2:
        return torch.device("cpu")
    return device


def seed_everything(seed: int) -> None:
    """Seed all generators."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def random_state(generator: torch.Generator) -> dict[str, Any]:
    """States of the generators that training draws from: weights and dropout, batch order."""
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    return {"torch": torch.get_rng_state(), "cuda": cuda, "order": generator.get_state()}


def restore_random_state(state: dict[str, Any], generator: torch.Generator) -> None:
    """Continue where `random_state` was taken."""
    torch.set_rng_state(state["torch"])
    if state["cuda"] and len(state["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(state["cuda"])
    generator.set_state(state["order"])


def versions(device: torch.device) -> dict[str, str]:
    """Software and hardware that a result was obtained with."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or platform.machine()
    return {"python": platform.python_version(), "torch": str(torch.__version__), "numpy": np.__version__,
            "transformers": importlib.metadata.version("transformers"), "device": f"{device} ({name})",
            "git": _git_revision()}


@functools.cache
def _git_revision() -> str:
    """Commit of the code, `+` where files differ from it; empty outside a checkout."""
    try:
        return subprocess.run(["git", "describe", "--always", "--abbrev=12", "--dirty=+"], cwd=ROOT, check=True,
                              capture_output=True, text=True, timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""


@contextlib.contextmanager
def atomic_file(path: Path) -> Iterator[BinaryIO]:
    """A file that replaces `path` only once it is whole; InputError where it cannot be written, `path` then stays.

    A signal stops the body, but neither the replacement nor the clean-up. Of the processes that share a run only the
    first writes.
    """
    if process_number():
        yield io.BytesIO()
        return
    partial = partial_name(path)
    made = [folder for folder in path.parents if not folder.exists()]
    with held():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with partial.open("wb") as file:
                with let_through():
                    yield file
                file.flush()
                os.fsync(file.fileno())
            os.replace(partial, path)
            sync_folder(path.parent)
        except OSError as error:
            raise InputError(f"{path} cannot be written ({error.strerror or error}); nothing of it was changed, free "
                             "space or choose another folder") from error
        finally:
            with contextlib.suppress(OSError):
                partial.unlink(missing_ok=True)
                for folder in made:
                    folder.rmdir()  # refuses, and ends the clean-up, where the file was written


def partial_name(path: Path) -> Path:
    """Where this process writes what will become `path`; two processes may write one file at once."""
    return path.with_name(f".{path.name}.{os.getpid()}.partial")


def sweep(folder: Path) -> None:
    """Remove what killed processes left half-written in a folder.

    To be called before this process writes there: a container gives the number of a dead process to the next one.
    """
    with contextlib.suppress(OSError):
        for path in folder.glob(".*.partial"):
            number = path.name.split(".")[-2]
            if number.isdigit() and not _runs(int(number)):
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def _runs(number: int) -> bool:
    """Whether another process of this number exists."""
    try:
        os.kill(number, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True  # of another user
    return number != os.getpid()


def sync_folder(folder: Path) -> None:
    """Bring a renamed entry to the disk, where the system can do that."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
