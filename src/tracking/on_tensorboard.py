"""TensorBoard: event files in the folder `tensorboard` of the run; `tensorboard --logdir .` shows them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from PIL import Image
from torch.utils.tensorboard import SummaryWriter


class Track:
    """The track of one run."""

    def __init__(self, folder: Path, title: str) -> None:
        self.place, self.title = folder / "tensorboard", title

    def begin(self, config: Mapping[str, Any], epoch: int, known: str) -> str:
        """Write the configuration; what a killed run wrote of later epochs does not count."""
        self.writer = SummaryWriter(str(self.place), purge_step=epoch + 1 if known else None)
        self.writer.add_text("configuration", f"{self.title}\n\n```\n{yaml.safe_dump(dict(config))}```", epoch)
        self.writer.flush()
        return self.place.name

    def epoch(self, number: int, row: Mapping[str, float]) -> None:
        """One scalar per column, grouped by split."""
        for name, value in row.items():
            self.writer.add_scalar(name.replace("_", "/", 1), value, number)
        self.writer.flush()

    def figures(self, files: Sequence[Path]) -> None:
        """Images by the names of the files."""
        for file in files:
            self.writer.add_image(file.stem, np.asarray(Image.open(file).convert("RGB")), dataformats="HWC")

    def finish(self, scores: Mapping[str, float]) -> None:
        """The scores under `final`."""
        for name, value in scores.items():
            self.writer.add_scalar(f"final/{name}", value)
        self.writer.close()
