"""Evaluate the checkpoints of a run: the numbers that training printed, missing modalities, predictions.

    python inference.py --name NAME --seed SEED --dataset DATASET
"""

import functools
import os
import sys
from collections.abc import Sequence

if __name__ == "__main__":
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))  # PYTHONSAFEPATH leaves it out
    from src.process import finish, watch
    watch()  # before the imports that take seconds

from src.analysis.evaluation import evaluate_runs  # noqa: E402
from src.config import parse_inference  # noqa: E402
from src.published import import_published  # noqa: E402
from src.runtime import resolve_device, run_command  # noqa: E402


def run(argv: Sequence[str] | None) -> None:
    """Parse, then import or evaluate."""
    options = parse_inference(argv)
    device = resolve_device(options.device)
    if options.import_published:
        print(f"saved as {import_published(options)}; evaluate it with the same arguments but --import_published")
    else:
        evaluate_runs(options, device)


def main(argv: Sequence[str] | None = None) -> int:
    """Run what a command line asks for; returns the exit code of `run_command`."""
    return run_command(functools.partial(run, argv))


if __name__ == "__main__":
    raise SystemExit(finish(main()))
