"""Batches by indexing whole tensors; no per-sample Python."""

from collections.abc import Iterator, Sequence
from itertools import accumulate

import torch
from torch import Tensor

from src.datasets.base import Split
from src.structures import Batch


class Loader:
    """Iterates over a split in batches on `device`, in a new seeded order each time if a generator is given.

    The split stays on `storage`: on the device itself, or on the host where it is too large for it.
    """

    def __init__(self, split: Split, batch_size: int, device: torch.device, storage: torch.device,
                 generator: torch.Generator | None = None) -> None:
        self.device, self.storage, self.generator = device, storage, generator
        stored = split.on(storage)
        self.inputs, self.labels = stored.inputs, stored.labels
        full, rest = divmod(len(split), batch_size)
        self.sizes = [batch_size] * full + [rest] * (rest > 0)  # samples of every batch
        if generator is not None and rest == 1 and full:
            # Batch normalisation has no variance of one sample, so a lone last one joins the batch before it.
            self.sizes[-2:] = [batch_size + 1]

    def __len__(self) -> int:
        return len(self.sizes)

    def __iter__(self) -> Iterator[Batch]:
        for rows in self._rows():
            inputs = {name: x[rows].to(self.device, non_blocking=True) for name, x in self.inputs.items()}
            labels = None if self.labels is None else self.labels[rows].to(self.device, non_blocking=True)
            yield Batch(inputs, labels)

    def _rows(self) -> Sequence[Tensor | slice]:
        """Indices of every batch: views in the file's order, or a new permutation."""
        if self.generator is None:
            return [slice(end - size, end) for size, end in zip(self.sizes, accumulate(self.sizes), strict=True)]
        return torch.randperm(sum(self.sizes), generator=self.generator).to(self.storage).split(self.sizes)
