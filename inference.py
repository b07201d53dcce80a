"""Evaluate the checkpoints of a run: the numbers that training printed, missing modalities, predictions.

    python inference.py --name NAME --seed SEED --dataset DATASET
"""

import sys

from src.analysis.evaluation import evaluate_runs
from src.config import parse_inference
from src.published import import_published
from src.runtime import resolve_device
from src.structures import InputError, UsageError


def main(argv: list[str] | None = None) -> int:
    """Evaluate what a command line asks for; 0 done, 1 bad input, 2 wrong use, 130 stopped by the user."""
    try:
        options = parse_inference(argv)
        device = resolve_device(options.device)
        if options.import_published:
            print(f"saved as {import_published(options)}; evaluate it with the same arguments but --import_published")
        else:
            evaluate_runs(options, device)
        return 0
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2 if isinstance(error, UsageError) else 1
    except KeyboardInterrupt:
        print("\nstopped", file=sys.stderr)
        return 130


if __name__ == "__main__":
    raise SystemExit(main())
