"""A run small enough for a test, and files to spoil."""

import gc
import pickle
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import torch

from src.structures import MODALITIES, BackboneOutput

TINY = ("--device", "cpu", "--synthetic_sizes", "48,24,24", "--dim", "8", "--num_heads", "2", "--nlevels", "1",
        "--light_width", "4", "--num_epochs", "2", "--batch_size", "16")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The groups that take longest come first, so that no process works long after the others."""
    items.sort(key=lambda item: item.get_closest_marker("xdist_group") is None)


def pytest_collection_finish() -> None:
    """What is imported and collected by now stays to the end, so no garbage collection has to go through it again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Bits depend on the number of threads, and models this small are fastest with one."""
    torch.set_num_threads(1)


@pytest.fixture
def tiny(tmp_path: Path) -> list[str]:
    """Arguments of main.py for a run of a second or two in a folder of its own."""
    return [*TINY, "--data_path", str(tmp_path / "data"), "--checkpoint_path", str(tmp_path)]


class Means(torch.nn.Module):
    """A backbone that takes no time and tells modalities apart: a layer on the mean over time of each."""

    def __init__(self, info, options):
        super().__init__()
        self.layers = torch.nn.ModuleDict({name: torch.nn.Linear(width, 6) for name, width in info.widths.items()})
        self.state_widths = dict.fromkeys(MODALITIES, 6)
        self.output = torch.nn.Sequential(torch.nn.ReLU(), torch.nn.Dropout(0.1), torch.nn.Linear(18, info.outputs))

    def modality_parameters(self):
        return {name: list(layer.parameters()) for name, layer in self.layers.items()}

    def forward(self, batch):
        states = {name: layer(batch.inputs[name].mean(1)) for name, layer in self.layers.items()}
        hidden = torch.cat(list(states.values()), 1)
        return BackboneOutput(self.output(hidden), hidden, states=states)


def draw_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the figures, which have tests of their own and take most of a report's time."""
    monkeypatch.setattr("src.analysis.report.files.save_figures", lambda _, folder: folder.mkdir() or [])


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """A report without figures."""
    draw_nothing(monkeypatch)


def install(monkeypatch: pytest.MonkeyPatch, cls: object) -> None:
    """Make a class importable as `own:Class`, as one in a user's file is."""
    module = types.ModuleType("own")
    module.Class = cls
    monkeypatch.setitem(sys.modules, "own", module)


def nodes_of(result: torch.Tensor) -> set[str]:
    """The kinds of operation that the backward pass of a result goes through."""
    waiting, found, kinds = [result.grad_fn], set(), set()
    while waiting:
        node = waiting.pop()
        if node is not None and node not in found:
            found.add(node)
            kinds.add(type(node).__name__)
            waiting += [one for one, _ in node.next_functions]
    return kinds


def sentiment_content(count: int = 6, **changes: object) -> dict:
    """A healthy file of a sentiment dataset, front-padded, with distinct samples."""
    random = np.random.default_rng(0)
    content = {}
    for split in ("train", "valid", "test"):
        arrays = {m: random.standard_normal((count, 4, width)) for m, width in
                  (("text", 5), ("audio", 3), ("vision", 2))}
        for array in arrays.values():
            array[: count // 2, 0] = 0
        content[split] = arrays | {"labels": np.linspace(-3, 3, count).reshape(-1, 1, 1),
                                   "id": np.array([[f"{split}{i}".encode(), b"", b""] for i in range(count)])}
    return content | changes


def write(path: Path, content: object) -> Path:
    """Pickle anything to a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(content))
    return path
