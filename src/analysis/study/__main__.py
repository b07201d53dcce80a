"""A study: train what is missing, measure everything from the checkpoints, write tables, figures and a report.

    python -m src.analysis.study --grid quick --jobs 2
    python -m src.analysis.study --datasets synthetic --backbones mult,pmr --fusions mask,tanh --seeds 1,2,3

Finished runs are found by their resolved configuration and the hash of their data, whatever their names, and never
repeated; a study that was cut off continues where it was.
"""

import functools
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from src.analysis.report.files import FIGURES, TABLES, load_study, replacing, report_folder, write_scores
from src.analysis.report.page import write_report
from src.analysis.report.tables import score_tables
from src.analysis.results import write_results
from src.analysis.study.collect import collect
from src.analysis.study.grid import Job, check_rule, jobs, plans
from src.analysis.study.runner import Runner
from src.analysis.study.tuning import tuned
from src.config import parse_study
from src.console import align
from src.flags import beside
from src.plan_options import StudyOptions
from src.process import finish
from src.runtime import run_command
from src.tracking import check_tracker, tracker

RESULTS, PAGE = "results.csv", "report.html"
FILES = {RESULTS, *TABLES, FIGURES, PAGE}


def run(argv: Sequence[str] | None) -> None:
    """One study at a time works on a report folder."""
    options, extra = parse_study(argv)
    try:
        with beside(StudyOptions), report_folder(options.report, FILES, PAGE, options.overwrite, "--report"):
            _study(options, extra)
    except KeyboardInterrupt:
        raise KeyboardInterrupt("stopped; the same command continues") from None


def _study(options: StudyOptions, extra: list[str]) -> None:
    """Plan, train, measure, report."""
    check_tracker(options.tracker)
    chosen = plans(options)
    runner = Runner(options)
    wanted = jobs(chosen, extra)
    check_rule(options.selection, wanted, options.analyses)
    if options.tune:
        wanted = jobs(tuned(chosen, extra, options, runner.bring), extra)
    write(options, runner.bring(wanted), {job: "python " + shlex.join(runner.command(job)) for job in wanted})
    track = tracker(options.tracker, options.checkpoint_path / f"{options.name}_track", f"study {options.name}")
    track.begin({name: str(value) for name, value in asdict(options).items()})
    track.figures(sorted((options.report / FIGURES).glob("*.png")))
    track.finish({})


def write(options: StudyOptions, folders: Mapping[Job, Path], commands: Mapping[Job, str]) -> None:
    """All files of a report; tables and figures of scores are made from results.csv, as they can be again later."""
    lines, runs, samples = collect(options, folders, commands)
    with replacing(options.report, PAGE) as new:
        write_results(new / RESULTS, lines)
        study = load_study(new / RESULTS)
        study.runs, study.samples = runs, samples
        write_report(study, write_scores(study, new), new / PAGE)
    for caption, _, cells in score_tables(study):
        print(f"\n{caption}\n{align(cells)}")
    print(f"\nwritten to {options.report}: {RESULTS}, {', '.join(TABLES)}, {FIGURES}, {PAGE}")


def main(argv: Sequence[str] | None = None) -> int:
    """Run what a command line asks for; returns the exit code of `run_command`."""
    return run_command(functools.partial(run, argv))


if __name__ == "__main__":
    raise SystemExit(finish(main()))
