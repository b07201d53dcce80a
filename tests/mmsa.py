"""Write a file of MulT's layout as MMSA would: padding at the back, lengths, names of its own for labels.

    python -m tests.mmsa data/mosi_data_noalign.pkl back/mosi_data_noalign.pkl
"""

import argparse
from pathlib import Path

import numpy as np

from src.datasets.safe_pickle import read_pickle
from src.structures import MODALITIES
from src.writing import write_pickle


def at_the_back(frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Leading zero frames moved to the end. (N, T, D) -> the same shape, and true frames (N,)."""
    seen = (frames != 0).any(2)
    spare = np.where(seen.any(1), seen.argmax(1), 0)
    places = (np.arange(frames.shape[1]) + spare[:, None]) % frames.shape[1]
    return np.take_along_axis(frames, places[..., None], axis=1), frames.shape[1] - spare


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    arguments = parser.parse_args()
    content = {}
    for name, split in read_pickle(arguments.source).items():
        moved = {modality: at_the_back(np.asarray(split[modality])) for modality in MODALITIES}
        content[name] = {modality: frames for modality, (frames, _) in moved.items()} | {
            f"{modality}_lengths": count.tolist() for modality, (_, count) in moved.items()} | {
            "regression_labels": np.asarray(split["labels"]).reshape(-1),
            "id": ["$_$".join(map(str, one)) for one in np.asarray(split["id"]).tolist()]}
    write_pickle(arguments.target, content)
