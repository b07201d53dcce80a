"""How much memory a conversion takes: `python -m tests.benchmark_convert`, or with --mb the size of the largest split.

A table and folders of .npy files are made in a temporary folder and converted in a process of its own, whose anonymous
memory (what cannot be dropped, other than pages of files) is looked at until it ends. What the same process takes for
twelve clips is that of Python and its libraries.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from tests.src.datasets.convert.made import table

SHAPES = {"text": (50, 768), "audio": (400, 74), "vision": (400, 35)}  # BERT's text, COVAREP, Facet
COMMAND = [sys.executable, "-m", "src.datasets.convert"]


def source(folder: Path, clips: int) -> tuple[Path, int]:
    """Clips of which 70 % are train, 10 % valid, 20 % test; the table, and bytes of the largest split."""
    random = np.random.default_rng(0)
    rows = [{"id": f"clip{i}", "split": ("train", "valid", "test")[int(i >= 0.7 * clips) + int(i >= 0.8 * clips)],
             "label": i % 2} for i in range(clips)]
    for modality, shape in SHAPES.items():
        (folder / modality).mkdir(parents=True)
        for row in rows:
            np.save(folder / modality / f"{row['id']}.npy", random.standard_normal(shape, np.float32))
    largest = sum(row["split"] == "train" for row in rows) * sum(frames * width for frames, width in SHAPES.values())
    return table(folder / "labels.csv", rows), largest * np.dtype(np.float32).itemsize


def peak(labels: Path, output: Path) -> tuple[int, float]:
    """Most bytes of anonymous memory during a conversion, and its seconds."""
    start, most = time.monotonic(), 0
    process = subprocess.Popen([*COMMAND, str(output), "--from", "folder", "--source", str(labels), "--task",
                                "classes:2"], stdout=subprocess.DEVNULL)
    while process.poll() is None:
        for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
            if line.startswith("RssAnon:"):
                most = max(most, int(line.split()[1]) * 1024)
        time.sleep(0.005)
    if process.returncode:
        raise SystemExit(f"the conversion ended with {process.returncode}")
    return most, time.monotonic() - start


def main() -> None:
    """Print what the conversion of a small and of a large source take."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mb", type=float, default=300, help="of the largest split")
    options = parser.parse_args()
    per_clip = 4 * sum(frames * width for frames, width in SHAPES.values())
    with tempfile.TemporaryDirectory() as folder:
        found = []
        for name, clips in (("small", 12), ("large", int(options.mb * 2**20 / per_clip / 0.7))):
            labels, largest = source(Path(folder) / name, clips)
            found.append((*peak(labels, Path(folder) / f"{name}.pkl"), largest))
    (least, _, _), (most, seconds, largest) = found
    print(f"largest split {largest / 2**20:.0f} MiB: anonymous memory at most {most / 2**20:.0f} MiB, of which "
          f"{least / 2**20:.0f} MiB are Python and its libraries: {most / largest:.2f} x the largest split, without "
          f"these {(most - least) / largest:.2f} x; {seconds:.1f} s")


if __name__ == "__main__":
    main()
