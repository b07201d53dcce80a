"""Evaluate the checkpoints of a run: the numbers that training printed, missing modalities, predictions.

    python inference.py --name NAME --seed SEED --dataset DATASET
"""

import functools
from collections.abc import Sequence

from src.analysis.evaluation import evaluate_runs
from src.config import parse_inference
from src.published import import_published
from src.runtime import resolve_device, run_command


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
    raise SystemExit(main())
