"""Write a copy of a data file in which one modality is the same for every sample, so that nothing can be told from it.

    python -m tests.silent shifted/crema_d_data.pkl silent/crema_d_data.pkl text

What the plain backbone reaches on it is what a predictor without that modality, and without a shortcut in it, can have.
"""

import argparse
from pathlib import Path

import numpy as np

from src.datasets.safe_pickle import read_pickle
from src.structures import MODALITIES
from src.writing import write_pickle

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("modality", choices=MODALITIES)
    arguments = parser.parse_args()
    content = read_pickle(arguments.source)
    same = content["train"][arguments.modality][:1]
    changed = {name: {**split, arguments.modality: np.repeat(same, len(split[arguments.modality]), axis=0)}
               for name, split in content.items()}
    write_pickle(arguments.target, changed)
