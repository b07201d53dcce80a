"""All tables and figures of scores again, from a results.csv alone.

    python -m src.analysis.report results/shift.csv --out shift
"""

import functools
from collections.abc import Sequence

from src.analysis.report.files import FIGURES, TABLES, load_study, replacing, report_folder, write_scores
from src.analysis.report.tables import score_tables
from src.console import align
from src.flags import Parser
from src.flags import path as file_path
from src.process import finish
from src.runtime import run_command


def run(argv: Sequence[str] | None) -> None:
    """Read the file, then write what it holds."""
    parser = Parser(prog="python -m src.analysis.report", allow_abbrev=False,
                    description="Make the tables and the figures of scores of a results.csv again.")
    parser.add_argument("results", type=file_path, help="a results.csv, which a study writes")
    parser.add_argument("--out", type=file_path, metavar="X", help="folder of the tables and figures (default: that of "
                                                                   "the file, with its name and no ending)")
    parser.add_argument("--overwrite", action="store_true", help="replace the files of an earlier report")
    options = parser.parse(argv)
    study = load_study(options.results)
    folder = options.out or options.results.with_suffix("")
    with report_folder(folder, {*TABLES, FIGURES}, TABLES[-1], options.overwrite, "--out"):
        with replacing(folder, TABLES[-1]) as new:
            write_scores(study, new)
    for caption, _, lines in score_tables(study):
        print(f"\n{caption}\n{align(lines)}")
    print(f"\nwritten to {folder}: {', '.join(TABLES)}, {FIGURES}")


def main(argv: Sequence[str] | None = None) -> int:
    """Run what a command line asks for; returns the exit code of `run_command`."""
    return run_command(functools.partial(run, argv))


if __name__ == "__main__":
    raise SystemExit(finish(main()))
