"""Write a file of all 2,199 utterances of CMU-MOSI, in MulT's layout, from arrays of utterance features.

    python -m tests.mosi SOURCE official/mosi_data_noalign.pkl --folds official

Text is GloVe's vector of every known word, audio and vision are the features of the utterance and of its two neighbours
on either side, standardised by the training utterances. `official`: the folds of the corpus. `context`: the features of
the training utterances were fitted to their labels, those of validation and test were not, so vision tells labels in
training alone, a shift that nobody made by hand.
"""

import argparse
import pickle
from pathlib import Path

import numpy as np

FRAMES, AROUND = 50, 2  # words kept, the last ones; neighbours on either side


def folds(utterances: dict[str, np.ndarray], name: str) -> dict[str, np.ndarray]:
    """split -> indices of its utterances."""
    if name == "official":
        return {split: np.flatnonzero(utterances["official_fold"] == split) for split in ("train", "valid", "test")}
    return {"train": np.flatnonzero(utterances["ctx_split"] == "train")} | {
        split: np.flatnonzero(utterances["clean_fold"] == split) for split in ("valid", "test")}


def spoken(words: list[str], vectors: dict[str, np.ndarray]) -> np.ndarray:
    """The vectors of the known words, at the end. -> (FRAMES, 300)."""
    known = [vectors[word] for word in words if word in vectors][-FRAMES:]
    frames = np.zeros((FRAMES, 300), np.float32)
    if known:
        frames[-len(known):] = known
    return frames


def standardised(features: np.ndarray, train: np.ndarray) -> np.ndarray:
    """Features (N, D) with mean 0 and deviation 1 over the training utterances; constant ones become 0."""
    mean, deviation = features[train].mean(0), features[train].std(0)
    return np.where(deviation > 0, (features - mean) / np.where(deviation > 0, deviation, 1), 0).astype(np.float32)


def content(source: Path, name: str) -> dict[str, dict[str, np.ndarray]]:
    """split -> text (N, 50, 300), audio (N, 5, 73), vision (N, 5, 100), raw_text (N,), labels (N, 1, 1), id (N, 3)."""
    utterances = dict(np.load(source / "mosi_utterances.npz", allow_pickle=False))
    glove = np.load(source / "glove_subset.npz", allow_pickle=False)
    vectors = dict(zip(glove["words"], glove["vectors"], strict=True))
    chosen, found = folds(utterances, name), {}
    places = {key: place for place, key in enumerate(zip(utterances["video"], utterances["seg"], strict=True))}
    arrays = {"audio": standardised(utterances["audio73"], chosen["train"]),
              "vision": standardised(utterances["vision100"], chosen["train"])}
    for split, indices in chosen.items():
        near = np.array([[places.get((utterances["video"][i], utterances["seg"][i] + step), -1)
                          for step in range(-AROUND, AROUND + 1)] for i in indices])
        found[split] = {"text": np.stack([spoken(utterances["words"][i].split(), vectors) for i in indices])} | {
            modality: np.where((near >= 0)[..., None], array[near], 0) for modality, array in arrays.items()} | {
            "raw_text": utterances["words"][indices],
            "labels": utterances["regression"][indices].reshape(-1, 1, 1),
            "id": np.array([[utterances["id"][i], *map(str, utterances["interval"][i])] for i in indices], "S20")}
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--folds", choices=("official", "context"), default="official")
    arguments = parser.parse_args()
    arguments.target.parent.mkdir(parents=True, exist_ok=True)
    arguments.target.write_bytes(pickle.dumps(content(arguments.source, arguments.folds)))
