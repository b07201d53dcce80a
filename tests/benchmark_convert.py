"""How much memory a conversion, and a shift of what it wrote, take: `python -m tests.benchmark_convert`.

A table and folders of .npy files are made in a temporary folder and converted in a process of its own; then another one
makes a shift out of the new file, and one out of its twin in double precision with values that are no numbers and its
padding behind, in which every array has to be copied. Their anonymous memory (what cannot be dropped, other than pages
of files) is looked at until they end, beside what the same commands take for few clips.
--mb is the size of the largest split.
"""

import argparse
import pickle
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from src.datasets.safe_pickle import read_pickle
from tests.src.datasets.convert.made import table

SHAPES = {"text": (50, 768), "audio": (400, 74), "vision": (400, 35)}  # BERT's text, COVAREP, Facet
FEW = 80  # clips; a shift needs some of every class in every split


def source(folder: Path, clips: int) -> tuple[Path, int]:
    """Clips of which 70 % are train, 10 % valid, 20 % test; the table, and bytes of the largest split."""
    random = np.random.default_rng(0)
    rows = [{"id": f"clip{i}", "split": ("train", "valid", "test")[int(i >= 0.7 * clips) + int(i >= 0.8 * clips)],
             "label": i % 2} for i in range(clips)]
    for modality, shape in SHAPES.items():
        (folder / modality).mkdir(parents=True)
        for row in rows:
            frames = random.standard_normal(shape, np.float32)
            frames[:shape[0] // 10] = 0  # as of a shorter clip
            np.save(folder / modality / f"{row['id']}.npy", frames)
    largest = sum(row["split"] == "train" for row in rows) * sum(frames * width for frames, width in SHAPES.values())
    return table(folder / "labels.csv", rows), largest * np.dtype(np.float32).itemsize


def spoiled(file: Path, output: Path) -> None:
    """Write the twin of a file that needs all the copies that reading can need, clip by clip."""
    content = read_pickle(file, mapped=True)
    for split in content.values():
        for modality in SHAPES:
            array = np.roll(split[modality], -(SHAPES[modality][0] // 10), axis=1).astype(np.float64)
            array[0, 0, 0] = np.inf
            split[modality] = array
    output.write_bytes(pickle.dumps(content, protocol=5))


def peak(command: str, *words: object) -> tuple[int, float]:
    """Most bytes of anonymous memory during a command of src.datasets, and its seconds."""
    start, most = time.monotonic(), 0
    process = subprocess.Popen([sys.executable, "-m", f"src.datasets.{command}", *map(str, words), "--task",
                                "classes:2"], stdout=subprocess.DEVNULL)
    while process.poll() is None:
        for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
            if line.startswith("RssAnon:"):
                most = max(most, int(line.split()[1]) * 1024)
        time.sleep(0.005)
    if process.returncode:
        raise SystemExit(f"{command} ended with {process.returncode}")
    return most, time.monotonic() - start


def main() -> None:
    """Print what the commands take for a small and for a large source."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mb", type=float, default=300, help="of the largest split")
    options = parser.parse_args()
    per_clip = 4 * sum(frames * width for frames, width in SHAPES.values())
    with tempfile.TemporaryDirectory() as folder:
        found: dict[str, list[tuple[int, float]]] = {"convert": [], "shift": [], "shift, float64": []}
        for name, clips in (("small", FEW), ("large", int(options.mb * 2**20 / per_clip / 0.7))):
            labels, largest = source(Path(folder) / name, clips)
            file, twin = Path(folder) / f"{name}.pkl", Path(folder) / f"{name}64.pkl"
            found["convert"].append(peak("convert", file, "--from", "folder", "--source", labels))
            spoiled(file, twin)
            for title, one in (("shift", file), ("shift, float64", twin)):
                shifted = Path(folder) / f"{name}_shifted.pkl"
                found[title].append(peak("shift", "--dataset", one, "--output", shifted, "--cue", "cluster:text",
                                         "--strength", 0.6, "--fall", 0, "--least", 1))
    for title, ((least, _), (most, seconds)) in found.items():
        size = 2 * largest if title.endswith("64") else largest
        print(f"{title}: largest split {size / 2**20:.0f} MiB, anonymous memory at most {most / 2**20:.0f} MiB "
              f"({least / 2**20:.0f} MiB for {FEW} clips), {most / size:.2f} x the largest split; {seconds:.1f} s")


if __name__ == "__main__":
    main()
