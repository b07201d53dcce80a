"""A search for good settings: the same number of trials for every method, the plain backbone included.

    python -m src.analysis.tune --methods plain,causal --fusions tanh --trials 20 --jobs 2
    python -m src.analysis.tune --methods plain,rubi --trials 50 --sampler optuna

Settings come from the ranges beside the options; a flag that the command gives stays as it is given. Only the
validation score of the rule counts. Every trial is an ordinary run that is found by its configuration and its data and
never repeated; a search that was cut off, or that is asked for more trials, continues with the same draws.
"""

import functools
from collections.abc import Sequence

from src.analysis.report.files import report_folder
from src.analysis.study.drawing import ranges
from src.analysis.study.grid import check_rule, plans
from src.analysis.study.runner import Runner
from src.analysis.study.tuning import Search, searches
from src.analysis.tune.optuna_sampler import check_installed, optuna_jobs
from src.analysis.tune.report import TRIALS, files, text, write
from src.analysis.tune.trials import Sampler, random_jobs, searched
from src.config import parse_tune
from src.flags import beside
from src.plan_options import TuneOptions
from src.process import finish
from src.runtime import run_command

SAMPLERS: dict[str, Sampler] = {"random": random_jobs, "optuna": optuna_jobs}


def run(argv: Sequence[str] | None) -> None:
    """One search at a time works on a report folder."""
    options, extra = parse_tune(argv)
    if options.sampler == "optuna":
        check_installed()
    with beside(TuneOptions):
        found = searches(plans(options.study), extra)
    check_rule(options.selection, [search.usual for search in found])
    try:
        with report_folder(options.report, files(found), TRIALS, options.overwrite, "--report"):
            _tune(options, found)
    except KeyboardInterrupt:
        raise KeyboardInterrupt("stopped; the same command continues") from None


def _tune(options: TuneOptions, found: list[Search]) -> None:
    """Train, choose, report."""
    for search in found:
        if not ranges(search.usual):
            print(f"note: {search.usual.title} has no option with a range that this command leaves open, so its "
                  "default is its one trial")
    runner = Runner(options.study)
    done = searched(found, options, SAMPLERS[options.sampler], runner)
    write(done, options, runner)
    print(f"\n{text(done, options, runner)}")


def main(argv: Sequence[str] | None = None) -> int:
    """Run what a command line asks for; returns the exit code of `run_command`."""
    return run_command(functools.partial(run, argv))


if __name__ == "__main__":
    raise SystemExit(finish(main()))
