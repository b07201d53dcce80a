"""Weights & Biases; WANDB_MODE=offline keeps everything in the folder `wandb` of the run, for `wandb sync`."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import wandb

PROJECT = "causalmer"


class Track:
    """The track of one run."""

    def __init__(self, folder: Path, title: str) -> None:
        self.folder, self.title = folder, title

    def begin(self, config: Mapping[str, Any], epoch: int, known: str) -> str:
        """Open or continue a run of the project; ValueError where nobody is logged in, which would ask for a key."""
        if os.environ.get("WANDB_MODE", "online") == "online":
            try:
                wandb.Api()
            except wandb.errors.UsageError as error:
                raise ValueError("nobody is logged in; run `wandb login`, or set WANDB_MODE=offline") from error
        self.run = wandb.init(project=os.environ.get("WANDB_PROJECT", PROJECT), name=self.title, dir=str(self.folder),
                              config=dict(config), id=known or None, resume="allow" if known else None,
                              settings=wandb.Settings(silent=True))
        return self.run.id

    def epoch(self, number: int, row: Mapping[str, float]) -> None:
        """A row at the step of the epoch."""
        self.run.log({name.replace("_", "/", 1): value for name, value in row.items()}, step=number)

    def figures(self, files: Sequence[Path]) -> None:
        """Images by the names of the files."""
        self.run.log({file.stem: wandb.Image(str(file)) for file in files})

    def finish(self, scores: Mapping[str, float]) -> None:
        """The scores as the summary."""
        self.run.summary.update(dict(scores))
        self.run.finish()
