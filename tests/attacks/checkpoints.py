"""Checkpoints with wrong content under a right digest, damaged ones, and hostile pickles in the place of theirs."""

import io
import random
import zipfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import torch

from src.saved import digest
from tests.attacks.pickles import BYTES, bombs, calls
from tests.attacks.tally import Tally, ask
from tests.attacks.worker import Worker
from tests.conftest import TINY

Case = tuple[str, bytes]
RUN = "checkpoint(synthetic)/demo_seed1111/mult-causal"
BEST, LAST = "best_valid_loss.pt", "last.pt"
HUGE = {"nlevels": 100, "dim": 4096, "light_width": 8192, "batch_size": 10**6, "synthetic_sizes": [10**6, 1, 1],
        "nothing": 1, "backbone": "antigravity:geohash", "dataset": "nothing", "task": "classes:10000", "seed": -1,
        "name": "../x", "checkpoint_path": "/", "num_heads": 0, "method": "paired", "m_lr": 1e308,
        "data_path": "/dev/null"}


def saved(content: Any) -> bytes:
    """A checkpoint as this code writes it, with the digest of whatever its content is."""
    buffer = io.BytesIO()
    torch.save(content, buffer)
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.writestr("archive/sha256", digest(content))
    return buffer.getvalue()


def values() -> dict[str, Any]:
    """What may stand in the place of anything."""
    deep: Any = []
    for _ in range(50):
        deep = [deep]
    return {"None": None, "list": [], "dict": {}, "text": "x", "-1": -1, "1e300": 1e300, "NaN": float("nan"),
            "tensor": torch.zeros(3), "scalar": torch.tensor(1.0), "true": True, "deep": deep, "2**100": 2**100}


def wrong(content: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Contents in which a part, or a part of a part, is exchanged for each of `values` or left out."""
    for key, part in content.items():
        yield f"no {key}", {name: value for name, value in content.items() if name != key}
        for name, value in values().items():
            yield f"{key}: {name}", content | {key: value}
        if not isinstance(part, dict) or key == "model":
            continue
        for inner in part:
            yield f"{key} without {inner}", content | {key: {k: v for k, v in part.items() if k != inner}}
            for name, value in values().items():
                yield f"{key}.{inner}: {name}", content | {key: part | {inner: value}}
    for key, value in HUGE.items():
        yield f"config.{key} = {value}", content | {"config": content["config"] | {key: value}}
    for name, tensor in islice(content["model"].items(), 0, None, 9):
        for form, change in {"another shape": lambda x: x.unsqueeze(0), "another type": lambda x: x.double(),
                             "NaN": lambda x: x * float("nan"), "a number": lambda x: 1.0,
                             "a view of one number": lambda x: torch.zeros(1).expand(2**20, 2**20)[:1, :1]}.items():
            yield f"weights {name}: {form}", content | {"model": content["model"] | {name: change(tensor)}}


def rewritten(data: bytes, change: Any) -> bytes:
    """An archive whose entries went through change(name, content) -> content or None; fresh checksums."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            content = change(name, old.read(name))
            if content is not None:
                new.writestr(name, content)
    return out.getvalue()


def hostile(mark: Path) -> Iterator[Case]:
    """Pickles that want to do something, small enough for the place of a checkpoint's."""
    return ((name, other) for name, other in (*calls(mark), *bombs()) if len(other) < 10**6)


def exchanged(data: bytes, other: bytes) -> bytes:
    """A checkpoint with another pickle in the place of its own."""
    return rewritten(data, lambda entry, old: other if entry.endswith("data.pkl") else old)


def damaged(rng: random.Random, data: bytes) -> Iterator[Case]:
    """A checkpoint with something changed in its bytes, or in one of its entries, without end."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        names = archive.namelist()
    while True:
        change = rng.choice(BYTES)
        if rng.random() < 0.5:
            yield change.__name__, mutated(rng, change, data)
            continue
        entry = rng.choice([name for name in names if name.endswith("data.pkl")] + names)
        lost = rng.random() < 0.2

        def one(name: str, content: bytes, entry: str = entry, lost: bool = lost, change: Any = change) -> bytes | None:
            return content if name != entry else None if lost else mutated(rng, change, content)

        yield f"{change.__name__} in {entry}", rewritten(data, one)


def mutated(rng: random.Random, change: Any, data: bytes) -> bytes:
    """Bytes after one change."""
    found = bytearray(data)
    change(rng, found, 0, data)
    return bytes(found)


def attack(folder: Path, count: int, seed: int, stride: int = 1) -> Tally:
    """Evaluate and resume from the corpus (every `stride`-th of it) and from `count` damaged checkpoints."""
    rng, tally, mark = random.Random(seed), Tally(), folder / "executed"
    worker = Worker(folder, 30, BROWSER=f"touch {mark} #%s")
    place = ["--data_path", str(folder / "data"), "--checkpoint_path", str(folder)]
    train = [*TINY, "--num_epochs", "1", *place]
    assert worker.ask("main", train).code == 0
    run = folder / RUN
    kept = {path.name: path.read_bytes() for path in run.iterdir()}
    questions = {BEST: ("inference", [*place, "--device", "cpu", "--selection", "best_valid_loss"]),
                 LAST: ("main", [*train, "--num_epochs", "2", "--resume"])}
    for file, (command, words) in questions.items():
        content = torch.load(io.BytesIO(kept[file]), weights_only=True)
        chosen = islice(wrong(content), 0, None, stride)
        groups = {"content": ((name, saved(changed)) for name, changed in chosen),
                  "hostile": ((name, exchanged(kept[file], other)) for name, other in islice(
                      hostile(mark), 0, None, stride)),
                  "damaged": islice(damaged(rng, kept[file]), count // 2)}
        for group, found in groups.items():
            for name, data in found:
                for path in folder.glob(f"{RUN}*/*"):
                    path.unlink()
                for other, whole in kept.items():
                    (run / other).write_bytes(whole)
                (run / file).write_bytes(data)
                for _ in ask(tally, worker, f"{group}, {file}", [(name, command, words)], seconds=30):
                    if mark.exists():
                        tally.add(group, name, "EXECUTED")
                        mark.unlink()
    worker.close()
    return tally
