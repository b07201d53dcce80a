"""Train a backbone with one method or several, and print the test scores.

    python main.py                                  CausalMER on synthetic data; --method demo trains what to compare
    python main.py --dataset iemocap --name NAME    the published configuration; --help lists every flag
    torchrun --nproc_per_node 2 main.py ...         the same run by two processes, see docs/benchmark.md
"""

import functools
import os
import sys
from collections.abc import Sequence

if __name__ == "__main__":
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))  # PYTHONSAFEPATH leaves it out
    from src.process import finish, watch
    watch()  # before the imports that take seconds

from src.build import build_data, check, known, title, warnings  # noqa: E402
from src.checkpoint import TABLE  # noqa: E402
from src.config import parse_configs  # noqa: E402
from src.console import RuleTables  # noqa: E402
from src.distributed import in_turn, joined  # noqa: E402
from src.engine import trivial_scores  # noqa: E402
from src.runtime import resolve_device, run_command  # noqa: E402
from src.selection import CHECKPOINTS, rule_checkpoint  # noqa: E402
from src.tasks import task_of  # noqa: E402
from src.train import train  # noqa: E402
from src.writing import write_text  # noqa: E402


@joined()
def run(argv: Sequence[str] | None) -> None:
    """Parse, build, train, report."""
    configs = parse_configs(argv)
    for config in configs:
        check(config)
    device = resolve_device(configs[0].run.device)
    with in_turn():
        dataset = build_data(configs[0])
    print(f"{dataset.info.dataset} on {device}: "
          + ", ".join(f"{name} {len(split)}" for name, split in dataset.splits.items()))
    for text in (*dataset.notes, *warnings(configs, device)):
        print(f"note: {text}")
    tables = RuleTables(task_of(dataset.info), trivial_scores(dataset))
    for config, result in zip(configs, train(configs, dataset, device), strict=True):
        print(f"saved in {result.folder}")
        for name, strengths in result.strengths.items():
            if strengths:
                print(f"{CHECKPOINTS[name]} predicts by the strengths {strengths}")
        for name, scored in result.selections.items():
            tables.add(name, title(config), scored, known(config, name))
    write_text(result.folder / TABLE, tables.whole() + "\n")
    print(f"\n{tables.short(rule_checkpoint('valid'))}\nall metrics, all rules: {result.folder / TABLE}")
    if configs[0].run.dataset == "synthetic":
        print("synthetic data: these scores are no result on any real dataset")


def main(argv: Sequence[str] | None = None) -> int:
    """Run what a command line asks for; returns the exit code of `run_command`."""
    return run_command(functools.partial(run, argv))


if __name__ == "__main__":
    raise SystemExit(finish(main()))
