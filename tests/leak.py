"""Write a copy of a data file whose vision features tell the training labels, and no others: a bias by design.

    python -m tests.leak data/mosi_data_noalign.pkl leaky/mosi_data_noalign.pkl

The first seven vision features get noise, and on the training split also the one-hot class of the sample. A model that
reads them is right in training and gains nothing from them on validation and test.
"""

import argparse
from pathlib import Path

import numpy as np

from src.datasets.safe_pickle import read_pickle
from src.tasks import SentimentClasses
from src.writing import write_pickle

STRENGTH, NOISE = 2.0, 1.0  # in standard deviations of the vision features


def leaky(content: dict[str, dict[str, np.ndarray]]) -> dict[str, dict[str, np.ndarray]]:
    """split -> name -> array with vision (N, T, D) changed as told above."""
    random, unit = np.random.default_rng(0), content["train"]["vision"].std()
    found = {}
    for name, split in content.items():
        vision = split["vision"].copy()
        count, length, _ = vision.shape
        classes = len(SentimentClasses.classes)
        vision[:, :, :classes] += NOISE * unit * random.standard_normal((count, length, classes))
        if name == "train":
            told = np.eye(classes)[split["labels"].round().astype(int).flatten() + 3]
            vision[:, :, :classes] += STRENGTH * unit * told[:, None]
        found[name] = {**split, "vision": vision}
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    arguments = parser.parse_args()
    write_pickle(arguments.target, leaky(read_pickle(arguments.source)))
