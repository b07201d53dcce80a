"""MulT's and DMD's pickles: split -> text, audio, vision, labels, id, which is the layout of this project."""

from dataclasses import dataclass
from pathlib import Path

from src.datasets.convert.arrays import array_frames, kept, read_arrays
from src.datasets.convert.clips import Clips, Found
from src.registry import FORMATS


@FORMATS.register("mult")
@dataclass(frozen=True)
class MulT:
    """A pickle of MulT or DMD; padding is brought to the front, numbers become float32."""

    def read(self, source: Path, task: str) -> Found:
        """The splits as they are."""
        raw = read_arrays(source, task)
        frames = array_frames(raw, source)
        return Found({name: Clips(frames[name], split["labels"], columns=kept(split, ("id", "raw_text")))
                      for name, split in raw.items()})
