"""Batches by indexing whole tensors; no per-sample Python."""

from collections.abc import Iterator

import torch

from src.datasets.base import Split
from src.structures import Batch


class Loader:
    """Iterates over a split in batches on `device`, in a new seeded order each time if a generator is given.

    The split stays on `storage`: on the device itself, or on the host where it is too large for it.
    """

    def __init__(self, split: Split, batch_size: int, device: torch.device, storage: torch.device,
                 generator: torch.Generator | None = None) -> None:
        self.batch_size, self.device, self.generator = batch_size, device, generator
        self.inputs = {name: x.to(storage) for name, x in split.inputs.items()}
        self.labels = None if split.labels is None else split.labels.to(storage)
        self.size, self.storage = len(split), storage

    def __len__(self) -> int:
        return -(-self.size // self.batch_size)

    def __iter__(self) -> Iterator[Batch]:
        for rows in self._rows():
            inputs = {name: x[rows].to(self.device, non_blocking=True) for name, x in self.inputs.items()}
            labels = None if self.labels is None else self.labels[rows].to(self.device, non_blocking=True)
            yield Batch(inputs, labels)

    def _rows(self) -> list[torch.Tensor] | list[slice]:
        """Indices of every batch."""
        if self.generator is None:
            return [slice(start, start + self.batch_size) for start in range(0, self.size, self.batch_size)]
        order = torch.randperm(self.size, generator=self.generator).to(self.storage)
        batches = list(order.split(self.batch_size))
        if len(batches) > 1 and len(batches[-1]) == 1:
            # Batch normalisation has no variance of one sample, so a lone last one joins the batch before it.
            batches[-2:] = [torch.cat(batches[-2:])]
        return batches
