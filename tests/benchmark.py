"""Time and memory of one training step: `python -m tests.benchmark [--memory] [--backbone mult ...] [--device cpu]`.

Each case runs in a process of its own on random inputs of a data set's true shape, with its preset.
Peak memory is that of the device on a GPU; on a CPU it is what the process grew by from the built model on. `--memory`
sets attention that keeps its softmax weights beside ours, and has glibc return freed memory at once, which costs time.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

import torch

from src.build import build_model, build_optimizer
from src.config import parse_config
from src.registry import BACKBONES, METHODS
from src.runtime import resolve_device, seed_everything
from src.structures import MODALITIES, Batch, DataInfo
from src.tasks import make_task

SHAPES = {  # dataset, frames of text, audio, vision
    "iemocap aligned": ("iemocap", (20, 20, 20)),
    "iemocap unaligned": ("iemocap", (20, 400, 500)),
    "mosei aligned": ("mosei_senti", (50, 50, 50)),
    "mosei unaligned": ("mosei_senti", (50, 500, 500)),
}
WIDTHS = (300, 74, 35)


def keep_weights() -> None:
    """Replace our attention by the textbook form, whose softmax weights autograd keeps."""
    from modules.multihead_attention import MultiheadAttention

    def attend(self, q, k, v, allowed):
        scores = q @ k.transpose(-2, -1)
        if allowed is not None:
            scores = scores.masked_fill(~allowed, float("-inf"))
        return torch.nn.functional.dropout(scores.softmax(-1), self.dropout, self.training) @ v

    MultiheadAttention._attend = attend


def measure(backbone: str, shape: str, method: str, device: torch.device, attention: str, steps: int) -> dict:
    """Median seconds of a training step, and peak MiB. Sizes: the preset's batch, the shape's frames."""
    dataset, lengths = SHAPES[shape]
    config = parse_config(["--backbone", backbone, "--dataset", dataset, "--method", method, "--text_init", "random"])
    if attention == "plain":
        keep_weights()
    name = "emotion4" if dataset == "iemocap" else "sentiment7"
    task = make_task(name)
    info = DataInfo(dataset, name, task.outputs, dict(zip(MODALITIES, WIDTHS, strict=True)),
                    dict(zip(MODALITIES, lengths, strict=True)))
    seed_everything(0)
    size = config.training.batch_size
    model = build_model(config, info).to(device).train()
    optimizer = build_optimizer(config, model)
    labels = torch.eye(2)[torch.randint(2, (size, 4))] if dataset == "iemocap" else torch.randint(-3, 4, (size, 1, 1))
    batch = Batch({m: torch.randn(size, info.lengths[m], info.widths[m], device=device) for m in MODALITIES},
                  labels.float().to(device))
    cuda = device.type == "cuda"
    before = torch.cuda.memory_allocated(device) / 2**20 if cuda else peak_rss()
    seconds = []
    for _ in range(steps):
        began = time.perf_counter()
        optimizer.zero_grad()
        model.loss(model(batch), batch, task)["loss"].backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 0.8)
        optimizer.step()
        if cuda:
            torch.cuda.synchronize(device)
        seconds.append(time.perf_counter() - began)
    peak = torch.cuda.max_memory_allocated(device) / 2**20 if cuda else peak_rss()
    return {"backbone": backbone, "shape": shape, "method": method, "attention": attention, "batch": size,
            "seconds": statistics.median(seconds[1:] or seconds), "MiB": peak - before,
            "parameters": sum(p.numel() for p in model.parameters())}


def peak_rss() -> float:
    """Largest resident memory of this process so far, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def main() -> int:
    """Measure the cases asked for and print one line each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backbone", nargs="+", choices=list(BACKBONES), default=list(BACKBONES))
    parser.add_argument("--shape", nargs="+", choices=list(SHAPES), default=list(SHAPES))
    parser.add_argument("--method", choices=list(METHODS), default="plain")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--memory", action="store_true", help="also measure attention that keeps its weights")
    parser.add_argument("--case", help=argparse.SUPPRESS)
    args = parser.parse_args()
    device = resolve_device(args.device)
    if args.case:
        print(json.dumps(measure(args.backbone[0], args.shape[0], args.method, device, args.case, args.steps)))
        return 0
    environment = os.environ | ({"MALLOC_MMAP_THRESHOLD_": "131072"} if args.memory else {})
    print(f"{'backbone':9} {'shape':18} {'attention':9} batch  s/step  peak MiB  parameters   ({device}, "
          f"{torch.get_num_threads()} threads, {args.method})")
    for backbone in args.backbone:
        for shape in args.shape:
            for attention in ("ours", "plain") if args.memory else ("ours",):
                words = ["--backbone", backbone, "--shape", shape, "--method", args.method, "--device", args.device,
                         "--steps", str(args.steps), "--case", attention]
                done = subprocess.run([sys.executable, "-m", "tests.benchmark", *words], capture_output=True, text=True,
                                      cwd=Path(__file__).parent.parent, env=environment)
                if done.returncode:
                    reason = (done.stderr.splitlines() or ["killed"])[-1].partition(". Error code")[0]
                    print(f"{backbone:9} {shape:18} {attention:9} failed: {reason}")
                    continue
                row = json.loads(done.stdout.splitlines()[-1])
                print(f"{backbone:9} {shape:18} {attention:9} {row['batch']:5}  {row['seconds']:6.2f}  "
                      f"{row['MiB']:8.0f}  {row['parameters']:10}", flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
