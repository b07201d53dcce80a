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

from src.api import train_all  # noqa: E402
from src.checkpoint import TABLE  # noqa: E402
from src.config import parse_configs  # noqa: E402
from src.distributed import joined  # noqa: E402
from src.runtime import run_command  # noqa: E402
from src.selection import shown  # noqa: E402


@joined()
def run(argv: Sequence[str] | None) -> None:
    """Parse, train, report."""
    configs = parse_configs(argv)
    folders, tables = train_all(configs)
    choice = configs[0].choice
    print(f"\n{tables.short(shown(choice.unbiased, choice.unwanted))}\nall metrics, all rules: {folders[-1] / TABLE}")
    if configs[0].run.dataset == "synthetic":
        print("synthetic data: these scores are no result on any real dataset")


def main(argv: Sequence[str] | None = None) -> int:
    """Run what a command line asks for; returns the exit code of `run_command`."""
    return run_command(functools.partial(run, argv))


if __name__ == "__main__":
    raise SystemExit(finish(main()))
