"""Train a backbone alone, inside CausalMER, or both, and print the test scores.

    python main.py                                  the demonstration on synthetic data
    python main.py --dataset iemocap --name NAME    the published configuration; --help lists every flag
"""

import sys

from src.analysis.report import results_table, selection_columns
from src.build import build_data, warnings
from src.config import parse_config
from src.runtime import resolve_device
from src.structures import InputError, UsageError
from src.tasks import make_task
from src.train import Interrupted, paired, train


def main(argv: list[str] | None = None) -> int:
    """Run what a command line asks for; 0 done, 1 bad input, 2 wrong use, 130 stopped by the user."""
    try:
        config = parse_config(argv)
        device = resolve_device(config.run.device)
        dataset = build_data(config)
        print(f"{dataset.info.dataset} on {device}: "
              + ", ".join(f"{name} {len(split)}" for name, split in dataset.splits.items()))
        for text in (*(f.text for f in dataset.findings if f.level in ("NOTE", "WARN")), *warnings(config)):
            print(f"note: {text}")
        columns = []
        for run in paired(config):
            print(f"\n{run.run.backbone}, {run.run.method}, seed {run.run.seed}")
            result = train(run, dataset, device)
            print(f"saved in {result.folder}")
            columns += selection_columns(result.folder.name, result.selections)
        print("\n" + results_table([("trivial", result.trivial), *columns], make_task(dataset.info.task)))
        if config.run.dataset == "synthetic":
            print("synthetic data: these scores are no result on any real dataset")
        return 0
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2 if isinstance(error, UsageError) else 1
    except Interrupted as stop:
        print(f"\n{stop}", file=sys.stderr)
        return 130


if __name__ == "__main__":
    raise SystemExit(main())
