"""Small sources in the layouts of others, and what a conversion of them gives."""

import csv
from pathlib import Path

import numpy as np

from src.datasets.convert import __main__ as convert
from src.datasets.safe_pickle import read_pickle
from src.structures import MODALITIES

WIDTHS = {"text": 5, "audio": 3, "vision": 2}


def converted(tmp_path: Path, kind: str, source: Path, *words: object, task: str = "classes:2", code: int = 0) -> dict:
    """The content of the file that a command line writes; it has to end with `code`."""
    file = tmp_path / "made" / "mine.pkl"
    words = (str(file), "--from", kind, "--source", str(source), "--task", task, "--overwrite", *map(str, words))
    assert convert.main(words) == code
    return read_pickle(file)


def refused(tmp_path: Path, capsys, kind: str, source: Path, *words: object, task: str = "classes:2",
            code: int = 1) -> str:
    """The sentence with which a command line is refused; nothing may be left behind."""
    file = tmp_path / "made" / "mine.pkl"
    before = sorted(tmp_path.rglob("*"))
    assert convert.main([str(file), "--from", kind, "--source", str(source), "--task", task, *map(str, words)]) == code
    assert sorted(tmp_path.rglob("*")) == before
    message = capsys.readouterr().err
    assert message.startswith("error: ") and message.count("\n") == 1
    return message


def clip(random: np.random.Generator, modality: str, frames: int) -> np.ndarray:
    """Frames of one clip, none of them zero."""
    return random.standard_normal((frames, WIDTHS[modality])).astype(np.float32) + 9


def features(folder: Path, ids: list[str], frames: int = 2) -> dict[str, dict[str, np.ndarray]]:
    """One .npy per clip and modality; every third clip has a frame more. -> modality -> identifier -> array."""
    random = np.random.default_rng(0)
    made = {name: {one: clip(random, name, frames + (i % 3 == 2)) for i, one in enumerate(ids)} for name in MODALITIES}
    for modality, arrays in made.items():
        (folder / modality).mkdir(parents=True)
        for name, array in arrays.items():
            np.save(folder / modality / f"{name}.npy", array)
    return made


def table(path: Path, rows: list[dict[str, object]]) -> Path:
    """A CSV file."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return path
