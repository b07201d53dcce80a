"""Peak memory of training steps beside the plain form's: `python -m tests.benchmark_memory [--case "mult unaligned"]`.

Each form runs in a process of its own. On a GPU it is the device's peak, on a CPU what the process grew by from the
built model on; there glibc has to return freed memory at once, which costs time.
"""

import argparse
import os
import resource
import subprocess
import sys
from pathlib import Path

import torch

from src.benchmark import CASES, epochs
from src.runtime import resolve_device

FORMS = ("plain", "ours")


def grown(case: str, form: str, device: torch.device, batch: int | None, steps: int) -> float:
    """MiB that one pass of `steps` steps needs beside the model."""
    epoch = epochs(CASES[case], form == "plain", device, batch, steps)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        epoch()
        return (torch.cuda.max_memory_allocated(device) - before) / 2**20
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    epoch()
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 2**10


def main() -> int:
    """Print both peaks and their quotient."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", choices=list(CASES), default="mult unaligned")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--batch_size", type=int)
    parser.add_argument("--steps", type=int, default=1)
    parser.add_argument("--form", choices=FORMS, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.form:
        print(grown(args.case, args.form, resolve_device(args.device), args.batch_size, args.steps))
        return 0
    found = {}
    for form in FORMS:
        words = [sys.executable, "-m", "tests.benchmark_memory", *sys.argv[1:], "--form", form]
        done = subprocess.run(words, text=True,
                              check=True, capture_output=True, cwd=Path(__file__).parent.parent,
                              env=os.environ | {"MALLOC_MMAP_THRESHOLD_": "131072"})
        found[form] = float(done.stdout.splitlines()[-1])
    print(f"{args.case}: plain {found['plain']:.0f} MiB, ours {found['ours']:.0f} MiB, ours / plain "
          f"{found['ours'] / found['plain']:.2f}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
