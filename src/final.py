"""The end of a run: every checkpoint that it kept on the test splits, once, and results.json."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from src.build import count_parameters
from src.checkpoint import FORMAT, RESULTS, load_checkpoint, load_weights
from src.config import Config
from src.configured import unsaid
from src.datasets.base import Dataset
from src.engine import Scores, evaluate, scores, trivial_scores
from src.methods.base import Method
from src.runtime import versions
from src.selection import kept
from src.state import RunState, saved_form
from src.strengths import not_published
from src.structures import InputError
from src.worlds import suspected
from src.writing import write_json


@dataclass
class RunResult:
    """What a run reports."""

    selections: dict[str, Scores]  # name of a selection -> scores of its one checkpoint
    folder: Path
    strengths: dict[str, str]  # name of a selection -> strengths of its paths in words; empty where as published


def final_test(config: Config, dataset: Dataset, model: Method, device: torch.device, folder: Path,
               state: RunState) -> RunResult:
    """Score the test splits once for each checkpoint that a run kept in its folder, and write results.json.

    Raises InputError where a checkpoint is none of a run.
    """
    selections: dict[str, Scores] = {}
    record: dict[str, dict[str, Any]] = {}
    chosen: dict[str, Any] = {}
    words: dict[str, str] = {}
    for name in kept(config.choice.unbiased, config.choice.unwanted):
        path = folder / f"{name}.pt"
        saved = load_checkpoint(path, device)
        if "metrics" not in saved:
            raise InputError(f"{path} is no selected checkpoint, it lacks the validation scores; bring back the right "
                             "file, or train again without --resume")
        load_weights(model, saved["model"], path)
        selections[name] = scores(dataset, evaluate(config, dataset, model, device))
        told = suspected(saved["metrics"])
        chosen[name], words[name] = model.shown_strength(), f"{not_published(model) or 'published' * bool(told)}{told}"
        record[name] = {"epoch": saved["epoch"], "valid": saved["metrics"], **selections[name]}
    write_json(folder / RESULTS, {
        "format": FORMAT, "config": saved_form(config), "data": dataset.info.__dict__,
        "parameters": count_parameters(model), "versions": versions(device),
        "samples": {name: len(dataset.splits[name]) for name in dataset.splits}, "strengths": chosen,
        "selections": record, "seconds": sum(row["seconds"] for row in state.history),
        **unsaid(config), "init": state.init, "trivial": trivial_scores(dataset)})
    return RunResult(selections, folder, words)
