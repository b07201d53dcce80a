"""A valid split for sources that have none."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from src.structures import SEED, Bounds, InputError, option

SHARE = Bounds(0, 1, "it is a share, and something has to stay to train on", above=True, below=True)


@dataclass(frozen=True)
class Drawn:
    """How a valid split is taken from the training split."""

    valid: float = option(0.1, "share of training that becomes valid where the source has none", bounds=SHARE)
    seed: int = option(0, "of that draw", bounds=SEED)

    def parted(self, items: Sequence) -> tuple[list, list]:
        """Training and valid items, both in their order: the last of a shuffled row become valid, at least one."""
        order = np.random.default_rng(self.seed).permutation(len(items))
        count = max(1, round(self.valid * len(items)))
        if count >= len(items):
            raise InputError(f"a training split of {len(items)} leaves none to train on once valid is taken from it; "
                             "lower --valid, or bring more")
        taken = set(order[-count:].tolist())
        return ([item for i, item in enumerate(items) if i not in taken],
                [item for i, item in enumerate(items) if i in taken])
