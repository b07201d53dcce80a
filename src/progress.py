"""How far a run is: one line that changes on a terminal, a line per epoch elsewhere."""

import os
import sys
from collections.abc import Mapping, Sequence

import torch

from src.tasks import Task


def on_terminal() -> bool:
    """Whether somebody watches: then the bar of the batches tells everything, and no line per epoch is printed."""
    watched = sys.stdout.isatty() and sys.stderr.isatty()
    return watched and os.get_terminal_size(sys.stderr.fileno()).columns > 0  # without a width there is no bar


def time_left(seconds: float) -> str:
    """Seconds as words."""
    return f"{seconds / 60:.0f} min left" if seconds >= 60 else f"{seconds:.0f} s left"


def scores(row: Mapping[str, float], task: Task) -> str:
    """Losses and the selection score of an epoch."""
    return (f"train loss {row['train_loss']:.4f}  valid loss {row['valid_loss']:.4f}  "
            f"valid {task.selection} {row[f'valid_{task.selection}']:.4f}")


def status(history: Sequence[Mapping[str, float]], task: Task, total: int, device: torch.device, ahead: int = 0) -> str:
    """What stands behind the epoch on a terminal: the last scores, the best one, time left, memory at most.

    Epochs ahead are never the best while there are others, as they cannot be selected.
    """
    if not history:
        return ""
    column = [row[f"valid_{task.selection}"] for row in history[ahead:] or history]
    best = max(column, key=task.merit)
    left = sum(row["seconds"] for row in history) / len(history) * (total - len(history))
    return f"  {scores(history[-1], task)} (best {best:.4f})  {time_left(left)}  {memory(device)}"


def memory(device: torch.device) -> str:
    """The most memory that this process has held: of the GPU where it uses one, else of the machine."""
    if device.type == "cuda":
        return f"{torch.cuda.max_memory_allocated(device) / 2**20:.0f} MiB of the GPU"
    try:
        import resource
    except ImportError:  # Windows
        return ""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return f"{most / (2**20 if sys.platform == 'darwin' else 2**10):.0f} MiB"
