"""Time and memory of reading a data file: `python -m tests.benchmark_reading [--mb 200] [--file FILE]`.

Every reading has a process of its own, as a user's has: in a process that reads again and again, memory that was used
before is cheaper than new one. Time: interleaved pairs, our reader against Python's own unpickler. Memory: the peak of
the process above what it had before, of reading and of loading as training does; the limit is 3 x the file + 64 MiB.
"""

import argparse
import pickle
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

PAIRS = 5
CODE = """
import pickle, sys, time
from pathlib import Path
import src.datasets
from src.datasets.base import dataset_spec, load
from src.datasets.safe_pickle import read_pickle
def unpickle(path):
    with path.open("rb") as file: return pickle.load(file, encoding="latin1")
def whole(path): return load(path, dataset_spec(str(path)), sys.argv[3], 3 if sys.argv[3] == "classes:3" else 7)
def peak(): return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))
before, began = peak(), time.perf_counter()
kept = {"read": read_pickle, "load": whole, "unpickle": unpickle}[sys.argv[2]](Path(sys.argv[1]))
print(time.perf_counter() - began, (peak() - before) / 1024)
"""


def content(megabytes: float, dtype: str) -> dict[str, dict[str, object]]:
    """Data of about this size in MulT's layout, with an id for every sample."""
    rng = np.random.default_rng(0)
    count = int(megabytes * 2**20 / np.dtype(dtype).itemsize / 50 / 409 / 1.5)
    split = {"text": (50, 300), "audio": (50, 74), "vision": (50, 35)}
    return {name: {m: rng.standard_normal((n, *shape), np.float32).astype(dtype) for m, shape in split.items()}
            | {"labels": rng.integers(3, size=n), "id": [f"video {i}, segment {i % 9}" for i in range(n)]}
            for name, n in (("train", count), ("valid", count // 4), ("test", count // 4))}


def measure(path: Path, action: str, task: str) -> tuple[float, float]:
    """Seconds and MiB of one action in a fresh process."""
    done = subprocess.run([sys.executable, "-c", CODE, path, action, task], capture_output=True, text=True, check=True)
    seconds, memory = map(float, done.stdout.split())
    return seconds, memory


def report(path: Path, name: str, task: str) -> None:
    """One line."""
    size = path.stat().st_size / 2**20
    pairs = [[measure(path, action, task) for action in ("read", "unpickle")] for _ in range(PAIRS)]
    seconds = statistics.median(ours for (ours, _), _ in pairs)
    relative = statistics.median(ours / theirs for (ours, _), (theirs, _) in pairs)
    (loading, load), read = measure(path, "load", task), pairs[0][0][1]
    print(f"{name}: {size:.0f} MiB, {seconds:.3f} s, {relative:.2f} x Python's unpickler; to load {loading:.2f} s; "
          f"memory {read / size:.2f} x the file to read, {load / size:.2f} x to load; limit {3 + 64 / size:.2f} x",
          flush=True)


def main() -> None:
    """Print a line for the given file, or one for every protocol and type."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mb", type=float, default=200)
    parser.add_argument("--file", type=Path)
    parser.add_argument("--task", default="sentiment7", help="of the given file")
    options = parser.parse_args()
    if options.file:
        report(options.file, options.file.name, options.task)
        return
    with tempfile.TemporaryDirectory() as folder:
        for dtype in ("float32", "float64"):
            data = content(options.mb, dtype)
            for protocol in (2, 4, 5):
                path = Path(folder) / "x.pkl"
                path.write_bytes(pickle.dumps(data, protocol))
                report(path, f"{dtype}, protocol {protocol}", "classes:3")


if __name__ == "__main__":
    main()
