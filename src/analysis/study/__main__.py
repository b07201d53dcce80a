"""A study: train what is missing, measure everything from the checkpoints, write tables, figures and a report.

    python -m src.analysis.study --grid quick --jobs 2
    python -m src.analysis.study --datasets synthetic --backbones mult,pmr --fusions mask,tanh --seeds 1,2,3

Finished runs are found by their resolved configuration and the hash of their data, whatever their names, and never
repeated; a study that was cut off continues where it was.
"""

import functools
import shlex
import shutil
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from src.analysis.records import TRIVIAL, Row, RunRecord, SampleRecord, Study
from src.analysis.report.figures import save_figures
from src.analysis.report.formats import to_markdown, to_tex
from src.analysis.report.page import write_report
from src.analysis.report.tables import score_tables, study_tables
from src.analysis.study.grid import Job, jobs, plans
from src.analysis.study.runner import Runner, measure_all
from src.analysis.study.stored import find_finished, history, read_results
from src.checkpoint import write_csv, write_text
from src.config import parse_study
from src.console import align
from src.locks import FolderLock
from src.options import InferenceOptions, StudyOptions
from src.process import finish, held
from src.runtime import partial_name, run_command, sweep
from src.structures import InputError
from src.tasks import make_task

PAGE = "report.html"
FILES = {"results.csv", "tables.md", "tables.tex", "figures", PAGE}


def run(argv: Sequence[str] | None) -> None:
    """One study at a time works on a report folder."""
    options, extra = parse_study(argv)
    if options.report.is_file():
        raise InputError(f"--report {options.report} is a file; choose another folder")
    try:
        with FolderLock(options.report, "wait until it is through, or choose another --report"):
            sweep(options.report)
            # Without a page it is what a killed study left behind.
            names = {path.name for path in options.report.iterdir()}
            if not names <= FILES - {PAGE} and not options.overwrite:
                raise InputError(f"the report folder {options.report} exists; choose another --report, or give "
                                 "--overwrite to replace the files of the earlier report")
            _study(options, extra)
    except KeyboardInterrupt:
        raise KeyboardInterrupt("stopped; the same command continues") from None


def _study(options: StudyOptions, extra: list[str]) -> None:
    """Plan, train, measure, report."""
    wanted = jobs(plans(options), extra)
    runner = Runner(options, extra)
    found, notes = find_finished(options.checkpoint_path, options.own)
    keys = {job: job.fingerprint(runner.sha256(job)) for job in wanted}
    missing = list({keys[job]: job for job in wanted if keys[job] not in found}.values())
    for text in notes:
        print(f"note: {text}")
    print(f"{len(wanted)} runs in this study, {len(missing)} of them to train")
    runner.train(missing)
    found, _ = find_finished(options.checkpoint_path, options.own)
    folders = {job: found[key] for job, key in keys.items()}
    study = collect(options, folders, {job: "python " + shlex.join(runner.command(job)) for job in wanted})
    write(study, options.report)


def collect(options: StudyOptions, folders: dict[Job, Path], commands: dict[Job, str]) -> Study:
    """Everything that is measured on the runs, in one place."""
    shown = {folder for job, folder in folders.items() if job.seed == min(other.seed for other in folders
                                                                          if other.condition == job.condition)}
    places = {folder: InferenceOptions(dataset=job.condition.dataset, data_path=job.config.data.data_path,
                                       backbone=job.backbone, method=job.config.run.method,
                                       batch_size=options.batch_size)
              for job, folder in folders.items()}
    content = measure_all(places, shown, options)
    rows, runs, samples, measures, trivial = [], [], [], {}, {}
    for job, folder in folders.items():
        results = read_results(folder)
        place = _place(job)
        rows += [place | {"selection": options.selection, "run": str(folder)} | row for row in content[folder]["rows"]]
        rows += _other_selections(place, options.selection, results, folder)
        chosen = results["selections"][options.selection]
        runs.append(RunRecord(**place, folder=folder, command=commands[job], history=history(folder),
                              seconds=results["seconds"], parameters=results["parameters"]["model"],
                              data_sha256=results["data"]["sha256"], versions=results["versions"],
                              epoch=chosen["epoch"]))
        if folder in shown:
            kept = {name: value for name, value in place.items() if name not in ("method", "fusion")}
            samples += [SampleRecord(**kept, **sample) for sample in content[folder]["samples"]]
        measures[job.condition.dataset] = make_task(results["data"]["task"]).exact
        if (job.condition.dataset, job.condition.label) not in trivial:
            trivial[job.condition.dataset, job.condition.label] = _trivial(job, results)
    rows += chain(*trivial.values())
    study = Study(f"CausalMER study: {options.grid or ', '.join(options.datasets)}", rows, runs, samples, [], [],
                  measures, options.selection)
    study.notes += remarks(study)
    study.tables += study_tables(study)
    return study


def _place(job: Job) -> dict[str, Any]:
    """What tells one run from another in every row."""
    method = job.config.run.method
    return {"dataset": job.condition.dataset, "condition": job.condition.label, "backbone": job.backbone,
            "variant": job.variant.label, "method": method,
            "fusion": job.config.fusion_name, "seed": job.seed}


def _other_selections(place: dict[str, Any], selection: str, results: dict[str, Any], folder: Path) -> list[Row]:
    """Test scores of the checkpoints that are not analysed further."""
    return [place | {"selection": name, "run": str(folder), "predictor": "prediction", "split": split,
                     "analysis": "test", "setting": "", "measure": measure, "value": value}
            for name, found in results["selections"].items() if name != selection
            for split, metrics in found.items() if split not in ("epoch", "valid")
            for measure, value in metrics.items()]


def _trivial(job: Job, results: dict[str, Any]) -> list[Row]:
    """Scores of the predictor that looks at no input, on the data of a run."""
    place = {"dataset": job.condition.dataset, "condition": job.condition.label, "backbone": "", "variant": TRIVIAL,
             "method": "", "fusion": "", "seed": -1, "selection": "", "run": "", "predictor": "prediction"}
    return [place | {"split": split, "analysis": "test", "setting": "", "measure": measure, "value": value}
            for split, metrics in results["trivial"].items() for measure, value in metrics.items()]


def remarks(study: Study) -> list[str]:
    """What a reader has to know before believing the numbers."""
    found = []
    if len({run.seed for run in study.runs}) == 1:
        found.append("One seed only: there is no spread, no interval and no test; differences may be chance.")
    for dataset in dict.fromkeys(run.dataset for run in study.runs):
        if not any(row["split"].startswith("test_") for row in study.rows if row["dataset"] == dataset):
            found.append(f"{dataset} has no shifted test split, so nothing is said about shortcuts there.")
        if dataset == "synthetic":
            found.append("synthetic is generated data with known causes: its scores are no result on a real dataset.")
    return found


def write(study: Study, folder: Path) -> None:
    """All files of a report; those of an earlier one are replaced only once all new ones are on the disk."""
    new = partial_name(folder / "report")
    try:
        write_csv(new / "results.csv", study.rows)
        write_text(new / "tables.md", to_markdown(study))
        write_text(new / "tables.tex", to_tex(study))
        write_report(study, save_figures(study, new / "figures"), new / PAGE)
        with held():
            _replace(new, folder)
    finally:
        shutil.rmtree(new, ignore_errors=True)
    for caption, _, lines in score_tables(study):
        print(f"\n{caption}\n{align(lines)}")
    print(f"\nwritten to {folder}: results.csv, tables.md, tables.tex, figures, report.html")


def _replace(new: Path, folder: Path) -> None:
    """Move the files of a report into its folder, the page last; figures of an earlier report go."""
    kept = {path.name for path in (new / "figures").glob("*")}
    for earlier in (folder / "figures").glob("*.*"):
        if earlier.name not in kept:
            earlier.unlink()
    (folder / "figures").mkdir(exist_ok=True)
    for path in sorted(new.rglob("*.*"), key=lambda path: path.name == PAGE):
        path.replace(folder / path.relative_to(new))


def main(argv: Sequence[str] | None = None) -> int:
    """Run what a command line asks for; returns the exit code of `run_command`."""
    return run_command(functools.partial(run, argv))


if __name__ == "__main__":
    raise SystemExit(finish(main()))
