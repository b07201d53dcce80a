"""Splits for sources that have none: drawn, or by the videos of each in a file."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from src.structures import SEED, Bounds, InputError, option, quoted, reason

FOLDS = '{"train": [...], "valid": [...], "test": [...]}'
SHARE = Bounds(0, 1, "it is a share, and something has to stay to train on", above=True, below=True)


@dataclass(frozen=True)
class Drawn:
    """How a valid split is drawn."""

    valid: float = option(0.1, "share of training that becomes valid where the source has none", bounds=SHARE)
    seed: int = option(0, "of that draw", bounds=SEED)

    def parted(self, items: Sequence, into: str = "valid") -> tuple[list, list]:
        """Training items and those that become `into`, both in their order: the last of a shuffled row, at least one.

        `into` names the option that is their share.
        """
        order = np.random.default_rng(self.seed).permutation(len(items))
        count = max(1, round(getattr(self, into) * len(items)))
        if count >= len(items):
            raise InputError(f"a training split of {len(items)} leaves none to train on once {into} is taken from it; "
                             f"lower --{into}, or bring more")
        taken = set(order[-count:].tolist())
        return ([item for i, item in enumerate(items) if i not in taken],
                [item for i, item in enumerate(items) if i in taken])


def read_folds(path: Path) -> dict[str, list[str]]:
    """Split -> videos, of a file such as FOLDS; InputError for another one, and for a video in two splits."""
    try:
        folds = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path} cannot be read as JSON ({reason(error)}); expected the videos of every split, as "
                         "--help shows") from error
    if not isinstance(folds, dict) or not all(isinstance(videos, list) and all(isinstance(one, str) for one in videos)
                                              for videos in folds.values()):
        raise InputError(f"{path} is no list of videos for every split; expected {FOLDS}")
    owners: dict[str, str] = {}
    for split, videos in folds.items():
        for video in videos:
            if owners.setdefault(video, split) != split:
                raise InputError(f"{path} has the video {quoted(video)} in {quoted(owners[video])} and "
                                 f"{quoted(split)}; expected it in one")
    return folds


def folded(videos: Mapping[str, str],
           folds: Mapping[str, Sequence[str]]) -> tuple[dict[str, dict[str, None]], list[str]]:
    """split -> identifiers of its clips, in the order of `videos`, and notes on what has no counterpart.

    `videos`: identifier -> its video; `folds`: split -> videos.
    """
    owners = {video: split for split, names in folds.items() for video in names}
    splits: dict[str, dict[str, None]] = {split: {} for split in folds}
    for name, video in videos.items():
        if video in owners:
            splits[owners[video]][name] = None
    without = set(videos.values()) - owners.keys()
    unlabelled = owners.keys() - set(videos.values())
    return splits, [f"{len(names)} videos {words}, and are left out" for names, words in
                    ((without, "stand in no fold"), (unlabelled, "of the folds have no labels")) if names]
