"""Does a shift do what it says? Association of cue and label in every split, and probes that read one thing alone."""

from collections.abc import Mapping

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import mutual_info_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from src.datasets.shift.pool import Pool
from src.structures import MODALITIES

Splits = Mapping[str, np.ndarray]  # name -> indices in the pool


def association(pool: Pool, hints: np.ndarray, splits: Splits) -> dict[str, dict[str, float]]:
    """split -> samples, share where the cue hints at the right side, mutual information in bits, Cramer's V.

    A hint of -1 is one that says nothing.
    """
    found = {}
    for name, indices in splits.items():
        sides, own = pool.sides[indices], hints[indices]
        table = np.zeros((len(pool.side_names), len(pool.side_names) + 1))  # the last column is that of -1
        np.add.at(table, (sides, own), 1)
        found[name] = {"samples": len(indices), "tied": float((sides == own).mean()),
                       "bits": float(mutual_info_score(sides, own) / np.log(2)), "cramers_v": cramers_v(table)}
    return found


def cramers_v(table: np.ndarray) -> float:
    """Association of two variables from their counts, in [0, 1]: sqrt(chi2 / (n (min(rows, columns) - 1)))."""
    table = table[table.sum(1) > 0][:, table.sum(0) > 0]
    if min(table.shape) < 2:
        return 0.0
    expected = table.sum(1, keepdims=True) * table.sum(0) / table.sum()
    chi2 = ((table - expected) ** 2 / expected).sum()
    return float(np.sqrt(chi2 / (table.sum() * (min(table.shape) - 1))))


def probes(pool: Pool, hints: np.ndarray, splits: Splits) -> dict[str, dict[str, float]]:
    """probe -> split -> accuracy of the side; logistic regression, fitted on train, on the cue or a modality's mean."""
    train = splits["train"]
    found = {}
    for name in ("cue", *MODALITIES):
        values = np.eye(len(pool.side_names) + 1)[hints] if name == "cue" else pool.means(name)
        model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000, C=0.1))
        model.fit(values[train], pool.sides[train])
        found[name] = {split: float(model.score(values[indices], pool.sides[indices]))
                       for split, indices in splits.items() if split != "train"}
    return found
