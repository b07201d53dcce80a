"""The machine: device, seeds, random states, versions, atomic files."""

import contextlib
import functools
import importlib.metadata
import os
import platform
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch

from src.structures import InputError, UsageError

ROOT = Path(__file__).resolve().parent.parent


def run_command(body: Callable[[], None]) -> int:
    """Exit code of a command: 0 done, 1 bad input, 2 wrong use, 130 stopped by the user; problems in one sentence."""
    try:
        body()
        return 0
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2 if isinstance(error, UsageError) else 1
    except (MemoryError, torch.OutOfMemoryError):
        message = "there is too little memory; lower --batch_size and raise --accumulate by the same factor"
        print(f"error: {message}", file=sys.stderr)
        return 1
    except KeyboardInterrupt as stop:
        print(f"\n{str(stop) or 'stopped'}", file=sys.stderr)
        return 130


def resolve_device(name: str) -> torch.device:
    """The device that `auto`, `cpu`, `cuda`, `cuda:N` or a GPU's number means; InputError where it is absent."""
    wanted = name.strip().lower()
    if wanted in ("cpu", "-1"):
        return torch.device("cpu")
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if wanted == "auto":
        return torch.device("cuda", 0) if count else torch.device("cpu")
    number = wanted.removeprefix("cuda").removeprefix(":") or "0"
    if not number.isdigit():
        raise UsageError(f"--device {name!r} is no device; choose auto, cpu, cuda, cuda:N, or the number of a GPU")
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
    """Seed all generators and ask cuDNN for repeatable algorithms."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)
    torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = True, False


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
    """A file that replaces `path` only once it is whole; InputError where it cannot be written, `path` then stays."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")  # two processes may write one file at once
    made = [folder for folder in path.parents if not folder.exists()]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except OSError as error:
        raise InputError(f"{path} cannot be written ({error.strerror or error}); nothing of it was changed, free "
                         "space or choose another folder") from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
            for folder in made:
                folder.rmdir()  # refuses, and ends the clean-up, where the file was written
