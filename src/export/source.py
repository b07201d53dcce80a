"""What is exported: one selected checkpoint, and what its run says of it."""

from dataclasses import dataclass, replace
from typing import Any

import torch

from src.build import restored
from src.checkpoint import RESULTS, find_runs, load_checkpoint
from src.config import Config, config_from
from src.configured import known
from src.methods.base import Method
from src.options import ExportOptions
from src.results import read_results, test_scores
from src.selection import CHECKPOINTS, rule
from src.structures import DataInfo, InputError
from src.tasks import Task, task_of

CPU = torch.device("cpu")


@dataclass(frozen=True)
class Source:
    """A model on the CPU, ready to predict."""

    config: Config
    info: DataInfo
    model: Method
    epoch: int
    checkpoint: str  # name of the file that the weights are from
    results: dict[str, Any]  # of results.json; empty where the run has none, as an imported one

    @property
    def task(self) -> Task:
        """What the logits mean."""
        return task_of(self.info)

    @property
    def rule(self) -> str:
        """How the epoch was chosen, and what the choice knew of a shift."""
        return (f"{CHECKPOINTS[self.checkpoint]} ({rule(self.checkpoint).words}); known of a shift: "
                f"{known(self.config, self.checkpoint)}")

    @property
    def scores(self) -> dict[str, dict[str, float]]:
        """Test split -> metrics."""
        return test_scores(self.results.get("selections", {}).get(self.checkpoint, {}))

    def about(self) -> dict[str, Any]:
        """Everything that another program needs beside the weights."""
        return {"config": self.config.flat(), "info": self.info.__dict__, "epoch": self.epoch,
                "checkpoint": self.checkpoint, "rule": self.rule, "strengths": self.model.shown_strength(),
                "direct_weights": dict(self.model.direct_weights), "scores": self.scores,
                "samples": self.results.get("samples", {}), "versions": self.results.get("versions", {})}


def load_source(options: ExportOptions) -> Source:
    """The checkpoint that the options name; InputError where it is missing or damaged, or where several fit."""
    folders = find_runs(options, options.method, options.backbone)
    if len(folders) > 1:
        raise InputError(f"{', '.join(folder.name for folder in folders)} were found; choose one with --method and "
                         "--backbone")
    path = folders[0] / f"{options.selection}.pt"
    saved = load_checkpoint(path, CPU)
    config = config_from(saved["config"], (options.backbone, options.method))
    exact = replace(config, training=replace(config.training, precision="fp32"))  # as the weights are
    model = restored(exact, saved["info"], saved["model"], path)
    results = read_results(folders[0]) if path.with_name(RESULTS).exists() else {}
    return Source(config, saved["info"], model.eval(), saved["epoch"], options.selection, results)
