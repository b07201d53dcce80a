"""From finished runs to what a study shows of them: one line of results.csv per run, and their records and samples."""

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from src.analysis.records import TRIVIAL, RunRecord, SampleRecord
from src.analysis.results import VALID
from src.analysis.study.grid import Job
from src.analysis.study.measured import measure_all
from src.config import PLACES, parse_config
from src.configured import known
from src.datasets.base import dataset_spec
from src.methods import BASELINE
from src.options import InferenceOptions
from src.plan_options import StudyOptions
from src.results import history, read_results
from src.selection import CHECKPOINTS

Line = tuple[dict[str, Any], list[dict[str, Any]]]  # what is known of a run, and its scores as rows


def collect(options: StudyOptions, folders: Mapping[Job, Path], commands: Mapping[Job, str]
            ) -> tuple[list[Line], list[RunRecord], list[SampleRecord]]:
    """Everything that is measured on the runs, in one place."""
    shown = {folder for job, folder in folders.items() if job.seed == min(other.seed for other in folders
                                                                          if other.condition == job.condition)}
    places = {folder: InferenceOptions(dataset=job.condition.dataset, data_path=job.config.data.data_path,
                                       backbone=job.backbone, method=job.config.run.method,
                                       batch_size=options.measure_batch_size)
              for job, folder in folders.items()}
    content = measure_all(places, shown, options)
    lines, runs, samples = [], [], []
    trivial: dict[tuple[str, str], Line] = {}
    names: dict[str, str] = {}
    for job, folder in folders.items():
        results = read_results(folder)
        name = _dataset_name(job.condition.dataset, results["data"]["sha256"], names)
        line = _line(options, job, name, results)
        lines.append((line, content[folder]["rows"] + _not_measured(options.selection, results)))
        place = {key: line[key] for key in ("dataset", "condition", "backbone", "variant", "seed")}
        runs.append(RunRecord(**place, method=line["method"], fusion=line["fusion"], folder=folder,
                              command=commands[job], history=history(folder), seconds=results["seconds"],
                              parameters=line["parameters"], data_sha256=line["sha256"],
                              versions=results["versions"], epoch=line["epoch"]))
        if folder in shown:
            samples += [SampleRecord(**place, **sample) for sample in content[folder]["samples"]]
        trivial.setdefault((name, job.condition.label), _trivial(line, results["trivial"]))
    return [*lines, *trivial.values()], runs, samples


def _dataset_name(dataset: str, sha256: str, names: dict[str, str]) -> str:
    """A dataset's name without the place of its file; other files of one name are told apart by their content."""
    if dataset not in names:
        name = dataset_spec(dataset).name
        names[dataset] = f"{name} {sha256[:8]}" if name in names.values() else name
    return names[dataset]


def _line(options: StudyOptions, job: Job, name: str, results: Mapping[str, Any]) -> dict[str, Any]:
    """What is known of a run besides its scores."""
    method, versions, sha256 = job.config.run.method, results["versions"], results["data"]["sha256"]
    title = options.grid or ", ".join(dataset_spec(dataset).name for dataset in options.datasets)
    chosen = f", settings chosen from {options.tune} trials by {CHECKPOINTS[options.selection]}" if options.tune else ""
    return {"study": f"CausalMER study: {title}{chosen}", "baseline": BASELINE, "fingerprint": job.fingerprint(sha256),
            "task": results["data"]["task"], "dataset": name, "condition": job.condition.label,
            "backbone": job.backbone, "variant": job.variant.label, "method": method,
            "fusion": job.config.fusion_name, "seed": job.seed,
            "selection": options.selection, "settings": _settings(job),
            "knowledge": known(job.config, options.selection),
            "strength": " ".join(f"{key}={value:g}" for key, value in results["strengths"][options.selection].items()),
            "epoch": results["selections"][options.selection]["epoch"], "parameters": results["parameters"]["model"],
            "seconds": results["seconds"], "sha256": sha256, "git": versions.get("git", ""),
            "versions": "; ".join(f"{key}={value}" for key, value in versions.items() if key != "git")}


def _settings(job: Job) -> str:
    """The configuration, where it is not that of the dataset and the backbone; a file's folder is not told."""
    usual = _usual(job.config.run.dataset, job.backbone, job.config.run.method)
    told = {key: value for key, value in job.config.flat().items()
            if key not in (*PLACES, "dataset", "backbone", "method", "seed") and usual.get(key) != value}
    return "; ".join(f"{key}={_without_folder(value)}" for key, value in told.items())


@functools.cache
def _usual(dataset: str, backbone: str, method: str) -> Mapping[str, Any]:
    """The configuration that these have by themselves."""
    return parse_config([f"--dataset={dataset}", f"--backbone={backbone}", f"--method={method}"]).flat()


def _without_folder(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(map(str, value))
    return Path(value).name if isinstance(value, str) and Path(value).is_absolute() else str(value)


def _not_measured(selection: str, results: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Validation scores, and the test scores of the checkpoints that are not analysed further."""
    rows = []
    for name, found in results["selections"].items():
        last = found.get(VALID, {})  # the selected epoch's row of the history
        scores = {split: found[split] for split in found if split not in ("epoch", VALID) and name != selection}
        rows += plain_rows(scores | {VALID: {key.removeprefix("valid_"): value for key, value in last.items()
                                          if key.startswith("valid_")}}, name)
    return rows


def _trivial(line: Mapping[str, Any], scores: Mapping[str, Mapping[str, float]]) -> Line:
    """Scores of the predictor that looks at no input, on the data of a run."""
    kept = {name: line[name] for name in ("study", "baseline", "task", "dataset", "condition", "sha256")}
    return kept | {"variant": TRIVIAL, "selection": "", "backbone": ""}, plain_rows(scores, "")


def plain_rows(scores: Mapping[str, Mapping[str, float]], selection: str) -> list[dict[str, Any]]:
    """Rows of the metrics of every split."""
    return [{"selection": selection, "predictor": "prediction", "split": split, "setting": "", "measure": measure,
             "analysis": VALID if split == VALID else "test", "value": value}
            for split, metrics in scores.items() for measure, value in metrics.items()]
