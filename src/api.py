"""Everything from Python, in a notebook or a program: train, load, evaluate, study.

Flags are those of the commands, with Python's values; what a command prints goes line by line to `progress`, or to the
log `causalmer`; errors are InputError and, for wrong use, UsageError. What is global in the process stays as it was.
"""

import hashlib
import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from src.analysis.evaluation import detail_rows, evaluations
from src.analysis.prediction import Model, Prediction
from src.analysis.records import SCORE
from src.analysis.study.collect import plain_rows
from src.analysis.trained import rebuilt
from src.build import build_data
from src.checkpoint import TABLE, is_run, load_checkpoint, runs_in, selected
from src.config import Config, config_from, parse_config, parse_inference, parse_study
from src.configured import check, doubts, known, title, warnings
from src.console import RuleTables
from src.distributed import in_turn
from src.engine import Scores, trivial_scores
from src.export.folder import CONFIG as EXPORTED
from src.export.folder import read_folder
from src.flags import words
from src.guest import Progress, guest, no_script
from src.process import raising
from src.results import history, read_results, test_scores
from src.runtime import resolve_device
from src.selection import CHECKPOINTS, SELECTIONS, checkpoint
from src.structures import InputError, UsageError, quoted, reason
from src.tasks import task_of
from src.train import train as train_runs
from src.writing import write_bytes, write_text

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["InputError", "Model", "Prediction", "Run", "UsageError", "evaluate", "load", "study", "train"]

Arrays = Mapping[str, Mapping[str, Any]]  # split -> text, audio, vision (N, T, D) and labels, as in a data file


@dataclass(frozen=True)
class Run:
    """A trained run, as its files tell it."""

    folder: Path
    scores: dict[str, Scores]  # selection, such as valid_score -> test split -> metric -> value
    strengths: dict[str, dict[str, float]]  # selection -> strength of each path of the prediction, where it has several
    trivial: Scores  # of the predictor that looks at no input

    def history(self) -> "DataFrame":
        """One row per epoch, the columns of history.csv."""
        import pandas as pd

        return pd.DataFrame(history(self.folder))


def train(*, progress: Progress | None = None, dataset: str | Path | Arrays = "synthetic", **flags: Any) -> Run:
    """Train one run as `python main.py --dataset=... --flag=value` does, to the same bits with as many threads.

    `dataset` may also be arrays; these are written beside the runs, as arrays-DIGEST.pkl, and need a `task`. A run that
    was interrupted is continued by the same call with resume=True.
    """
    with guest(progress), raising():
        if isinstance(dataset, Mapping):
            dataset = _arrays_file(dataset, flags)
        (folder,), _ = train_all([parse_config(words({"dataset": dataset, **flags}))])
    found = read_results(folder)
    scores = {CHECKPOINTS[name]: test_scores(scored) for name, scored in found["selections"].items()}
    return Run(folder, scores, {CHECKPOINTS[name]: one for name, one in found["strengths"].items()}, found["trivial"])


def train_all(configs: Sequence[Config]) -> tuple[list[Path], RuleTables]:
    """Train runs on one data set one after the other, print what happens, and write the table of their scores.

    -> their folders, and that table.
    """
    for config in configs:
        check(config)
    device = resolve_device(configs[0].run.device)
    with in_turn():
        dataset = build_data(configs[0])
    print(f"{dataset.info.dataset} on {device}: "
          + ", ".join(f"{name} {len(split)}" for name, split in dataset.splits.items()))
    for text in (*dataset.notes, *warnings(configs, device), *doubts(configs, dataset)):
        print(f"note: {text}")
    folders, tables = [], RuleTables(task_of(dataset.info), trivial_scores(dataset))
    for config, result in zip(configs, train_runs(configs, dataset, device), strict=True):
        print(f"saved in {result.folder}")
        for name, strengths in result.strengths.items():
            if strengths:
                print(f"{CHECKPOINTS[name]} predicts by the strengths {strengths}")
        for name, scored in result.selections.items():
            tables.add(name, title(config), scored, known(config, name))
        folders.append(result.folder)
    write_text(folders[-1] / TABLE, tables.whole() + "\n")
    return folders, tables


def _arrays_file(arrays: Arrays, flags: Mapping[str, Any]) -> Path:
    """A data file of arrays, named by its content; InputError, and no file, where they are no data set."""
    config = parse_config(words({"dataset": "arrays.pkl", **flags}))
    check(config)
    try:
        content = pickle.dumps({split: dict(one) for split, one in arrays.items()}, protocol=4)
    except (pickle.PicklingError, AttributeError, TypeError, ValueError) as error:
        raise InputError("dataset is no dictionary of splits: {'train' | 'valid' | 'test': {'text', 'audio', 'vision', "
                         f"'labels'}} with numpy arrays are expected ({reason(error)})") from error
    path = config.run.checkpoint_path / f"arrays-{hashlib.sha256(content).hexdigest()[:8]}.pkl"
    if not path.exists():
        write_bytes(path, content)
        try:
            build_data(replace(config, run=replace(config.run, dataset=str(path))))
        except InputError:
            path.unlink()
            raise
    return path


def load(path: str | Path, selection: str = "valid_score", device: str = "auto", *, backbone: str = "",
         method: str = "") -> Model:
    """The model of a run's folder, by the rule that selected its epoch, of a checkpoint file, or of an exported folder.

    A backbone or method of your own is imported only where it is named here, as package.module:Class. Raises InputError
    for what is no run, and for a checkpoint that is damaged or of other code.
    """
    path, own = Path(path), (backbone, method)
    if (path / EXPORTED).is_file():
        with guest():
            return Model(path, *read_folder(path, own)[:3], resolve_device(device))
    if path.is_dir():
        if checkpoint(selection) not in CHECKPOINTS:
            raise UsageError(f"selection is {quoted(selection)}; choose from {', '.join(SELECTIONS)}")
        if not is_run(path):
            raise _no_run(path)
        path = selected(path, checkpoint(selection))
    with guest():
        chosen = resolve_device(device)
        saved = load_checkpoint(path, chosen)
        config, info = config_from(saved["config"], own), saved["info"]
        return Model(path, config, info, rebuilt(config, info, saved, path, chosen), chosen)


def _no_run(folder: Path) -> InputError:
    inside = ", ".join(run.name for run in runs_in(folder))
    return InputError(f"{folder} is no folder of a run; " + (f"name one of those in it: {inside}" if inside else
                      "give checkpoint(<dataset>)/<name>_seed<seed>/<backbone>-<method>, or train first"))


def evaluate(folder: str | Path, *, progress: Progress | None = None, **flags: Any) -> "DataFrame":
    """What inference.py prints of a run, or of all runs of a name: one row per score.

    Columns: run, selection, knowledge, predictor, split, analysis, setting, measure, value. `folder` is that of a run
    or of a name; the flags are those of inference.py, `dataset` only where a file of your own has moved.
    """
    import pandas as pd

    for name in ("name", "seed", "checkpoint_path", "import_published"):
        if name in flags:
            raise UsageError(f"evaluate takes no {name}, since the folder says which runs are meant; leave it out")
    options, folder = parse_inference(words(flags)), Path(folder)
    folders = [folder] if is_run(folder) else runs_in(folder, options.method, options.backbone)
    if not folders:
        raise _no_run(folder)
    asked = " ".join(filter(None, (options.backbone, options.method)))
    if asked and is_run(folder) and folder.resolve() not in runs_in(folder.resolve().parent, options.method,
                                                                    options.backbone):
        raise UsageError(f"{folder} is one run, and none of {asked}; leave method and backbone out, or give the folder "
                         "of the name")
    rows: list[dict[str, Any]] = []
    with guest(progress):
        device = resolve_device(options.device)
        if "dataset" not in flags:
            saved = load_checkpoint(next(folders[0].glob("best_*.pt")), resolve_device("cpu"))
            options = replace(options, dataset=saved["config"]["dataset"])
        for one in evaluations(folders, options, device):
            place = {"run": one.title, "selection": CHECKPOINTS[one.checkpoint], "knowledge": one.known}
            trivial = plain_rows(one.trivial or {}, "") if one.folder == folders[0] else []
            rows += [{**row, **place, "run": "trivial"} for row in trivial]
            rows += [{**row, **place, "setting": options.remove} for row in plain_rows(one.scores, "")]
            rows += [{**row, **place} for _, _, found in detail_rows(options, one) for row in found]
    return pd.DataFrame(rows, columns=["run", "selection", "knowledge", *SCORE, "value"])


def study(*, progress: Progress | None = None, **flags: Any) -> "DataFrame":
    """A study as `python -m src.analysis.study` makes it, its report folder included: one row per score of each run.

    The columns are those of the records, see src/analysis/records.py. Interrupted, the same call continues.
    """
    from src.analysis.results import read_study
    from src.analysis.study.__main__ import RESULTS, run

    arguments = words(flags)
    with guest(progress), raising(), no_script():
        run(arguments)
        return read_study(parse_study(arguments)[0].report / RESULTS).rows
