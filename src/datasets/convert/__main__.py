"""Write a data file from what others publish: `python -m src.datasets.convert crema_d --source tabulatedVotes.csv`."""

import functools
import pickle
from collections.abc import Sequence
from pathlib import Path

from src.datasets.base import data_file, dataset_spec
from src.datasets.check import report
from src.datasets.convert.crema_d import crema_d
from src.flags import Parser, path
from src.process import finish
from src.runtime import atomic_file, run_command


def run(argv: Sequence[str] | None) -> int:
    """Parse, convert, write, check; 0 if the file passes all checks, 1 if not."""
    parser = Parser(prog="python -m src.datasets.convert", description=__doc__, allow_abbrev=False)
    kinds = parser.add_subparsers(dest="kind", required=True, metavar="KIND", parser_class=Parser)
    votes = kinds.add_parser("crema_d", help="CREMA-D's human votes")
    votes.add_argument("--source", required=True, type=path, help="tabulatedVotes.csv")
    votes.add_argument("--label", choices=("intended", "heard"), default="intended",
                       help="the emotion acted, or the majority of those who heard and saw (default: intended)")
    votes.add_argument("--data_path", type=path, default=Path("data"), help="folder of the new file (default: data)")
    options = parser.parse(argv)
    content, notes = crema_d(options.source, options.label)
    spec = dataset_spec(options.kind)
    file = data_file(options.data_path, spec, aligned=True)
    with atomic_file(file) as handle:
        pickle.dump(content, handle, protocol=4)
    print("\n".join(notes))
    return 0 if report(file, spec, spec.task, aligned=True) else 1


def main(argv: Sequence[str] | None = None) -> int:
    """Run what a command line asks for; returns the exit code of `run_command`."""
    return run_command(functools.partial(run, argv))


if __name__ == "__main__":
    raise SystemExit(finish(main()))
