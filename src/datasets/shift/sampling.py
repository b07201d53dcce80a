"""Which samples go into which split, so that the cue is tied to the label in some, and untied or turned in others.

A cell is a class y and the side k that the cue hints at; N(y, k) samples of the pool lie in it. Every split wants the
shares p(y) A(side of y, k): p are the label frequencies of the pool, and A is s where the cue hints at the right side
and (1 - s) / (sides - 1) elsewhere (tied); in a reversed split the right side is the next one; in a shifted split A(k)
is that of the tied splits whatever the label. The largest file is the one that uses up a first cell.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from src.datasets.shift.pool import Pool
from src.structures import InputError

# Samples that are tied run out first, so the splits that need none are large.
SHARES = {"train": 0.45, "valid": 0.1, "test": 0.1, "test_shifted": 0.2, "test_reversed": 0.075, "valid_shifted": 0.075}
Make = Callable[[Pool, float, Mapping[str, float]], "Wish"]
TRIES = 30  # random orders of the groups, of which the one that loses the fewest samples counts


@dataclass(frozen=True)
class Wish:
    """Splits, their shares of the file, and the shares of the cells (classes, sides) that each wants."""

    shares: Mapping[str, float]
    cells: Mapping[str, np.ndarray]

    def size(self, available: np.ndarray) -> int:
        """Samples of the largest file that cells (classes, sides) can carry."""
        wanted = np.zeros(available.shape)
        for name, share in self.shares.items():
            wanted += share * self.cells[name]
        with np.errstate(divide="ignore", invalid="ignore"):
            return int(np.where(wanted > 0, available / wanted, np.inf).min() + 1e-9)


def tied(pool: Pool, strength: float, shares: Mapping[str, float]) -> Wish:
    """Splits in which the cue hints at the right side in a share `strength` of the samples, and its opposites."""
    sides = len(pool.side_names)
    frequency = np.bincount(pool.classes, minlength=pool.class_count) / len(pool)
    side = _side_of_class(pool)
    right = np.full((sides, sides), (1 - strength) / (sides - 1))
    np.fill_diagonal(right, strength)
    by_side = np.bincount(side, frequency, minlength=sides)
    untied = np.tile(by_side @ right, (sides, 1))
    kinds = {"tied": right, "shifted": untied, "reversed": np.roll(right, -1, axis=0)}
    return Wish(shares, {name: frequency[:, None] * kinds[_kind(name)][side] for name in shares})


def skewed(pool: Pool, strength: float, shares: Mapping[str, float], first: int | None = None) -> Wish:
    """Splits in which one class, the most frequent, has a share `strength`; as all if shifted, least if reversed."""
    count = np.bincount(pool.classes, minlength=pool.class_count)
    present = np.flatnonzero(count)
    first = int(count.argmax()) if first is None else first
    column = pool.sides[pool.classes == first][0]  # where the cue of all samples lies

    def others(share: float) -> np.ndarray:
        cells = np.zeros((len(count), len(pool.side_names)))
        cells[present, column] = (1 - share) / (len(present) - 1)
        cells[first, column] = share
        return cells

    least = (1 - strength) / (len(present) - 1)
    kinds = {"tied": others(strength), "shifted": others(1 / len(present)), "reversed": others(least)}
    return Wish(shares, {name: kinds[_kind(name)] for name in shares})


def _kind(split: str) -> str:
    return "shifted" if split.endswith("_shifted") else "reversed" if split.endswith("_reversed") else "tied"


def _side_of_class(pool: Pool) -> np.ndarray:
    """The side of every class; 0 for one that no sample has. -> (classes,)."""
    side = np.zeros(pool.class_count, int)
    side[pool.classes] = pool.sides
    return side


def cells_of(pool: Pool, hints: np.ndarray, indices: np.ndarray | None = None) -> np.ndarray:
    """How many samples lie in each cell. -> (classes, sides)."""
    table = np.zeros((pool.class_count, len(pool.side_names)), int)
    chosen = slice(None) if indices is None else indices
    np.add.at(table, (pool.classes[chosen], hints[chosen]), 1)
    return table


def rounded(cells: np.ndarray, size: int) -> np.ndarray:
    """Whole numbers with the sum `size` near to shares (classes, sides): classes first, then the sides of each."""
    totals = _nearest(cells.sum(1) * size, size, 0)
    return np.stack([_nearest(row / max(row.sum(), 1e-12) * total, total, number)
                     for number, (row, total) in enumerate(zip(cells, totals, strict=True))])


def _nearest(exact: np.ndarray, total: int, first: int) -> np.ndarray:
    """Whole numbers with a sum: the largest remainders are rounded up, of equal ones those from place `first` on."""
    whole = np.floor(exact + 1e-9).astype(int)
    places = (np.arange(len(exact)) - first) % len(exact)
    order = np.lexsort((places, -np.round(exact - whole, 9)))
    whole[order[:max(0, total - whole.sum())]] += 1
    return whole


def fitting(cells: np.ndarray, available: np.ndarray, most: int) -> np.ndarray:
    """The whole numbers of the largest split of at most `most` samples that cells can carry. -> (classes, sides)."""
    counts = rounded(cells, most)
    while (counts > available).any():
        most -= 1
        counts = rounded(cells, most)
    return counts


def drawn(pool: Pool, hints: np.ndarray, wish: Wish, seed: int, blocks: np.ndarray) -> dict[str, np.ndarray]:
    """Indices of the samples of every split; no block (N,), such as a video, stands in two splits."""
    size = wish.size(cells_of(pool, hints))
    best: tuple[float, dict[str, np.ndarray]] = (-1, {})
    alone = len(np.unique(blocks)) == len(pool)
    for attempt in range(1 if alone else TRIES):
        random = np.random.default_rng([seed, attempt])
        homes = _homes(pool, hints, wish, size, blocks, random)
        found = {name: _picked(pool, hints, wish.cells[name], homes[name], round(size * share), random)
                 for name, share in wish.shares.items()}
        worst = min(len(found[name]) / max(1, size * share) for name, share in wish.shares.items())
        if worst > best[0]:
            best = worst, found
    return best[1]


def _homes(pool: Pool, hints: np.ndarray, wish: Wish, size: int, blocks: np.ndarray,
           random: np.random.Generator) -> dict[str, np.ndarray]:
    """Samples of the blocks that each split was given: a block goes where most of it is still missing."""
    names = list(wish.shares)
    needed = np.stack([rounded(wish.cells[name], round(size * wish.shares[name])) for name in names]).astype(float)
    first = np.maximum(needed, 1)
    members: list[list[int]] = [[] for _ in names]
    order = np.argsort(blocks, kind="stable")
    parts = np.split(order, np.flatnonzero(np.diff(blocks[order])) + 1)
    for number in random.permutation(len(parts)):
        own = cells_of(pool, hints, parts[number])
        gain = (np.minimum(needed, own) * needed / first).sum((1, 2))
        home = int(gain.argmax())
        if gain[home] > 0:
            needed[home] = np.maximum(needed[home] - own, 0)
            members[home].extend(parts[number])
    return {name: np.array(sorted(indices), int) for name, indices in zip(names, members, strict=True)}


def _picked(pool: Pool, hints: np.ndarray, cells: np.ndarray, home: np.ndarray, most: int,
            random: np.random.Generator) -> np.ndarray:
    """A draw from the samples of a split with exactly the shares that it wants, in the order of the pool."""
    counts = fitting(cells, cells_of(pool, hints, home), most)
    chosen: list[int] = []
    for (cls, side), count in np.ndenumerate(counts):
        members = home[(pool.classes[home] == cls) & (hints[home] == side)]
        chosen.extend(random.permutation(members)[:count])
    return np.array(sorted(chosen), int)


def with_new_groups(pool: Pool, hints: np.ndarray, wish: Wish,
                    seed: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """As `drawn` where the cue is who speaks: shifted splits have speakers that stand in no other split.

    Nothing can be learned of them, so their hints become -1, and their samples are drawn by class alone. The others
    share their speakers, since nothing could be learned of these otherwise.
    """
    new = {name for name in wish.shares if _kind(name) == "shifted"}
    groups = np.asarray(pool.groups)
    order = np.random.default_rng(seed).permutation(np.unique(groups))
    sizes = np.array([(groups == group).sum() for group in order]).cumsum()
    held = order[:1 + int(np.searchsorted(sizes, len(pool) * sum(wish.shares[name] for name in new)))]
    found: dict[str, np.ndarray] = {}
    for names, inside in ((new, True), (wish.shares.keys() - new, False)):
        indices = np.flatnonzero(np.isin(groups, held) == inside)
        shares = {name: share / sum(wish.shares[one] for one in names) for name, share in wish.shares.items()
                  if name in names}
        cells = {name: wish.cells[name] for name in shares}
        if inside:  # a single column, whatever the hint
            cells = {name: np.eye(1, cell.shape[1]) * cell.sum(1, keepdims=True) for name, cell in cells.items()}
        part = pool.part(indices)
        own = np.zeros(len(part), int) if inside else hints[indices]
        found |= {name: indices[chosen] for name, chosen in
                  drawn(part, own, Wish(shares, cells), seed, groups[indices] if inside else
                        np.arange(len(part))).items()}
    return {name: found[name] for name in wish.shares}, np.where(np.isin(groups, held), -1, hints)


def check_classes(pool: Pool, splits: int) -> None:
    """InputError where there is one side only, or where a class has too few samples to stand in every split."""
    if len(np.unique(pool.sides)) < 2:
        raise InputError(f"all samples are {pool.side_names[pool.sides[0]]}, so nothing can be tied to the label; a "
                         "shift needs samples with other labels too")
    for number, count in enumerate(np.bincount(pool.classes)):
        if 0 < count < splits:
            raise InputError(f"class {number} has {count} samples, fewer than there are splits ({splits}); bring more "
                             "of them, or leave them out of the file")
