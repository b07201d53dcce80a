"""What a search leaves: its trials as CSV, the best settings as YAML for `--config`, figures, and what is printed."""

import shlex
from collections.abc import Sequence
from typing import Any

from src.analysis.report.figures import file_name, save
from src.analysis.report.files import FIGURES, replacing
from src.analysis.report.style import STYLE
from src.analysis.study.drawing import words
from src.analysis.study.runner import Runner
from src.analysis.study.tuning import Search
from src.analysis.tune.charts import drawings
from src.analysis.tune.trials import Searched, Trial
from src.console import align, cell
from src.datasets.base import dataset_spec
from src.plan_options import TuneOptions
from src.selection import CHECKPOINTS
from src.writing import write_csv, write_yaml

TRIALS, BEST = "trials.csv", "best-"
ELSEWHERE = ("name", "checkpoint_path", "device", "resume")  # what a file of settings leaves to its command


def files(found: Sequence[Search]) -> set[str]:
    """Everything that a report folder holds."""
    return {TRIALS, FIGURES, *map(yaml_name, found)}


def yaml_name(search: Search) -> str:
    """The file of the best setting of a search."""
    usual = search.usual
    return f"{BEST}{file_name(usual.variant.label, usual.backbone, usual.condition.label)}.yaml"


def rule_words(options: TuneOptions) -> str:
    """The rule by which a search chose, by its name."""
    return CHECKPOINTS[options.selection]


def write(done: Sequence[Searched], options: TuneOptions, runner: Runner) -> None:
    """All files, whole or not at all."""
    import matplotlib

    with replacing(options.report, TRIALS) as new:
        with matplotlib.rc_context(STYLE):
            for name, drawing in drawings(done, rule_words(options)).items():
                save(drawing, new / FIGURES, name)
        for one in done:
            settings = {key: value for key, value in one.best.job.config.flat().items() if key not in ELSEWHERE}
            write_yaml(new / yaml_name(one.search), settings, remark(one, options))
        rows = [row for one in done for row in _rows(one, options, runner)]
        columns = dict.fromkeys(name for row in rows for name in row)
        write_csv(new / TRIALS, [{name: row.get(name, "") for name in columns} for row in rows])
    for path in options.report.glob(f"{BEST}*.yaml"):
        if path.name not in files([one.search for one in done]):
            path.unlink()  # of an earlier search, whose trials have just been replaced


def remark(one: Searched, options: TuneOptions) -> str:
    """What has to stand beside the score of a setting that was chosen."""
    usual = one.search.usual
    return (f"{usual.variant.label}, {usual.backbone}: best of {len(one.trials)} trials ({options.sampler}) by "
            f"{rule_words(options)}, validation {one.measure} {cell(one.measure, one.best.score)}, seed {usual.seed}")


def _rows(one: Searched, options: TuneOptions, runner: Runner) -> list[dict[str, Any]]:
    """A line per trial."""
    usual = one.search.usual
    place = {"dataset": dataset_spec(usual.condition.dataset).name, "condition": usual.condition.label,
             "backbone": usual.backbone, "method": usual.variant.label, "seed": usual.seed,
             "sampler": options.sampler, "trials": len(one.trials), "selection": rule_words(options),
             "measure": one.measure}
    return [place | {"trial": trial.number + 1, "valid_score": trial.score, "outcome": trial.outcome,
                     "best": trial is one.best, "fingerprint": trial.job.fingerprint(runner.sha256(trial.job)),
                     "folder": trial.folder or "", "command": _command(trial, runner)} | dict(trial.setting)
            for trial in one.trials]


def _command(trial: Trial, runner: Runner) -> str:
    return f"python {shlex.join(runner.command(trial.job))}"


def text(done: Sequence[Searched], options: TuneOptions, runner: Runner) -> str:
    """The table of the best settings, and the command of each."""
    head = ["method", "backbone", f"valid {done[0].measure}", "trials", "rule"]
    rows = [[one.search.usual.variant.label, one.search.usual.backbone, cell(one.measure, one.best.score),
             str(len(one.trials)), rule_words(options)] for one in done]
    table = [f"{line}  {setting}" for line, setting in zip(align([head, *rows]).splitlines(), [
        "best setting", *map(_shown, done)], strict=True)]  # whose length says nothing, so it stands unaligned
    commands = [f"{remark(one, options)}\n{_command(one.best, runner)}" for one in done]
    written = ", ".join(sorted(files([one.search for one in done])))
    return "\n\n".join(["\n".join(table), *commands, f"written to {options.report}: {written}"])


def _shown(one: Searched) -> str:
    """The best setting as flags."""
    return " ".join(words(one.best.setting)) if one.best.number else "default"
