"""MMSA's files (aligned_50.pkl, unaligned_50.pkl), and those that others made in their layout, such as CIDer's.

split -> raw_text, audio, vision, text (N, L, D), text_bert (N, 3, L), id (video$_$clip), audio_lengths, vision_lengths,
regression_labels, classification_labels; CH-SIMS has labels of each modality under the same names with _T, _A or _V.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from src.datasets.base import mmsa_labels
from src.datasets.convert.arrays import array_frames, kept, read_arrays
from src.datasets.convert.clips import Clips, Found, as_labels
from src.datasets.identifiers import identifiers
from src.registry import FORMATS
from src.structures import MODALITIES, InputError, option, quoted


@FORMATS.register("mmsa")
@dataclass(frozen=True)
class MMSA:
    """A pickle of MMSA, or of joblib in its layout."""

    labels: str = option("all", "what was judged: the whole clip or, in CH-SIMS, one modality", ("all", *MODALITIES))

    def read(self, source: Path, task: str) -> Found:
        """The splits with the labels of the task, and the words of every clip."""
        if source.is_dir():
            raise InputError(f"{source} is a folder, and --from mmsa reads one pickle; CLUE's folders are read by "
                             "--from clue")
        raw = read_arrays(source, task)
        key = mmsa_labels(task) + ("" if self.labels == "all" else f"_{self.labels[0].upper()}")
        for name, split in raw.items():
            if split.get("text") is None and split.get("text_bert") is not None:
                raise InputError(f"{source} has no text in {quoted(name)} but text_bert, the token numbers that BERT "
                                 "reads; run BERT over them and store what it returns, (clips, frames, features), as "
                                 "text, or take the file that has both")
            if key not in split:
                raise InputError(f"{source} has no {key} in {quoted(name)}, which --labels {self.labels} asks for with "
                                 f"--task {task}; choose other labels or another task")
            split["labels"] = as_labels(split[key], source)
            mask = split.get("text_bert")
            if isinstance(mask, np.ndarray) and mask.ndim == 3 and mask.shape[1] == 3:
                split["text_lengths"] = mask[:, 1].sum(-1)  # 1 at every token, 0 at padding
        frames = array_frames(raw, source)
        ids = {name: None if split.get("id") is None else identifiers(split) for name, split in raw.items()}
        return Found({name: Clips(frames[name], split["labels"], ids[name], kept(split, ("raw_text",)))
                      for name, split in raw.items()})
