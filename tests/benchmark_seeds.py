"""Steps a second that several runs on one GPU make together: `python -m tests.benchmark_seeds [--runs 1,8,16,32]`.

Each is a process of its own, as in a study with `--devices 0 --per_device N`, and trains a case of src.benchmark. The
processes share the GPU as they find it: in turns, or at the same time where NVIDIA's MPS is running.
"""

import argparse
import multiprocessing
import os
import time
from typing import Any

from src.benchmark import CASES, epochs, timed
from src.runtime import resolve_device, seed_everything


def train(case: str, device: str, steps: int, seconds: float, seed: int, together: Any, rates: Any) -> None:
    """What one process does: passes of `steps` steps from the moment on at which all are ready."""
    place = resolve_device(device)
    seed_everything(seed)
    epoch = epochs(CASES[case], False, place, None, steps)
    for _ in range(2):
        timed(epoch, place)
    together.wait(timeout=120)
    began, done = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        timed(epoch, place)
        done += steps
    rates.put(done / (time.perf_counter() - began))


def main() -> int:
    """Print one line for each number of runs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", choices=list(CASES), default="mult")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--runs", default="1,8,16,32", help="numbers of processes, with commas between them")
    parser.add_argument("--steps", type=int, default=10, help="steps of a pass (default: 10)")
    parser.add_argument("--seconds", type=float, default=5.0, help="how long all train together (default: 5)")
    args = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    context, alone = multiprocessing.get_context("spawn"), 0.0
    for count in map(int, args.runs.split(",")):
        together, rates = context.Barrier(count), context.Queue()
        runs = [context.Process(target=train, args=(args.case, args.device, args.steps, args.seconds, seed, together,
                                                    rates)) for seed in range(count)]
        for run in runs:
            run.start()
        for run in runs:
            run.join()
        if any(run.exitcode for run in runs):
            return 1
        total = sum(rates.get() for _ in runs)
        alone = alone or total / count
        print(f"{count:3} runs of {args.case}: {total:8.1f} steps a second together, {total / alone:.1f} x one alone",
              flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
