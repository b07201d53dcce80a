"""A study: train what is missing, measure everything from the checkpoints, write tables, figures and a report.

    python -m src.analysis.study --grid quick --jobs 2
    python -m src.analysis.study --datasets synthetic --backbones mult,pmr --fusions mask,tanh --seeds 1,2,3

Finished runs are found by their resolved configuration and the hash of their data, whatever their names, and never
repeated; a study that was cut off continues where it was.
"""

import functools
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from src.analysis.report.files import FIGURES, TABLES, load_study, replacing, report_folder, write_scores
from src.analysis.report.page import write_report
from src.analysis.report.tables import score_tables
from src.analysis.results import write_results
from src.analysis.study.collect import collect
from src.analysis.study.grid import Job, jobs, plans
from src.analysis.study.runner import Runner
from src.analysis.study.stored import find_finished
from src.analysis.study.tuning import tuned
from src.config import parse_study
from src.console import align
from src.datasets.synthetic import VALID_SHIFTED
from src.options import StudyOptions
from src.process import finish
from src.runtime import run_command
from src.selection import rule
from src.structures import UsageError

RESULTS, PAGE = "results.csv", "report.html"
FILES = {RESULTS, *TABLES, FIGURES, PAGE}


def run(argv: Sequence[str] | None) -> None:
    """One study at a time works on a report folder."""
    options, extra = parse_study(argv)
    try:
        with report_folder(options.report, FILES, PAGE, options.overwrite, "--report"):
            _study(options, extra)
    except KeyboardInterrupt:
        raise KeyboardInterrupt("stopped; the same command continues") from None


def _study(options: StudyOptions, extra: list[str]) -> None:
    """Plan, train, measure, report."""
    chosen = plans(options)
    runner = Runner(options)
    bring = functools.partial(_bring, options, runner)
    wanted = jobs(chosen, extra)
    if rule(options.selection).split == VALID_SHIFTED and not all(job.config.choice.unbiased for job in wanted):
        raise UsageError("--selection valid_shifted needs --unbiased N, the number of samples of valid_shifted that "
                         "every run may look at")
    if options.tune:
        wanted = jobs(tuned(chosen, extra, options, bring), extra)
    write(options, bring(wanted), {job: "python " + shlex.join(runner.command(job)) for job in wanted})


def _bring(options: StudyOptions, runner: Runner, wanted: list[Job]) -> dict[Job, Path]:
    """Train what is missing of the wanted runs. -> the folder of each."""
    found, notes = find_finished(options.checkpoint_path, options.own, options.oracle)
    keys = {job: job.fingerprint(runner.sha256(job)) for job in wanted}
    missing = list({keys[job]: job for job in wanted if keys[job] not in found}.values())
    for text in notes:
        print(f"note: {text}")
    print(f"{len(wanted)} runs in this study, {len(missing)} of them to train")
    runner.train(missing)
    found, _ = find_finished(options.checkpoint_path, options.own, options.oracle)
    return {job: found[key] for job, key in keys.items()}


def write(options: StudyOptions, folders: Mapping[Job, Path], commands: Mapping[Job, str]) -> None:
    """All files of a report; tables and figures of scores are made from results.csv, as they can be again later."""
    lines, runs, samples = collect(options, folders, commands)
    with replacing(options.report, PAGE) as new:
        write_results(new / RESULTS, lines)
        study = load_study(new / RESULTS)
        study.runs, study.samples = runs, samples
        write_report(study, write_scores(study, new), new / PAGE)
    for caption, _, lines in score_tables(study):
        print(f"\n{caption}\n{align(lines)}")
    print(f"\nwritten to {options.report}: {RESULTS}, {', '.join(TABLES)}, {FIGURES}, {PAGE}")


def main(argv: Sequence[str] | None = None) -> int:
    """Run what a command line asks for; returns the exit code of `run_command`."""
    return run_command(functools.partial(run, argv))


if __name__ == "__main__":
    raise SystemExit(finish(main()))
