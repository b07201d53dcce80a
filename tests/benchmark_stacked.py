"""Several seeds of MulT as one step by vmap, beside single runs: `python -m tests.benchmark_stacked [--seeds 8,32]`.

What a stack of seeds gains was measured before anything was built on it, see docs/benchmark.md. A step is forward and
backward pass, clipping of each seed's gradient by itself, and Adam, all of it one CUDA graph; attention is the
textbook's, since vmap does not know torch's fused one. First a few seeds without dropout are compared with runs alone.
"""

import argparse
import copy
import time
from unittest import mock

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, stack_module_state, vmap

from modules.multihead_attention import MultiheadAttention
from src.benchmark import ALIGNED, CASES, WIDTHS, attend
from src.build import build_model, build_optimizer
from src.config import parse_config
from src.configured import task_name
from src.methods.base import Method
from src.runtime import resolve_device, seed_everything
from src.structures import MODALITIES, Batch, DataInfo
from src.tasks import make_task

STILL = tuple(f"--{name}_dropout=0" for name in ("attn", "relu", "embed", "res", "out"))
BATCH = 32


class Stack:
    """Models of several seeds whose steps are made together."""

    def __init__(self, count: int, device: torch.device, flags: tuple[str, ...] = ()) -> None:
        self.config = parse_config(["--dataset", "iemocap", *CASES["mult"].words, *flags])
        self.task = make_task(task_name(self.config))
        info = DataInfo("iemocap", "emotion4", self.task.outputs, WIDTHS,
                        dict(zip(MODALITIES, ALIGNED, strict=True)), "")
        self.models: list[Method] = []
        for seed in range(count):
            seed_everything(seed)
            self.models.append(build_model(self.config, info).to(device))
            self.models[-1](self.batch(device))  # makes its table of positions
        weights, self.buffers = stack_module_state(self.models)
        self.weights = {name: nn.Parameter(value.detach().clone()) for name, value in weights.items()}
        self.whole = copy.deepcopy(self.models[0])
        self.gradients = vmap(grad(self._loss), randomness="different")
        rate = build_optimizer(self.config, self.models[0]).param_groups[0]["lr"]
        self.optimizer = torch.optim.Adam(self.weights.values(), lr=rate, fused=True, capturable=device.type == "cuda")

    def batch(self, device: torch.device, seeds: tuple[int, ...] = ()) -> Batch:
        """Random samples, for every seed its own."""
        inputs = {name: torch.randn(*seeds, BATCH, 20, WIDTHS[name], device=device) for name in MODALITIES}
        classes = torch.eye(4, dtype=torch.long)[torch.randint(4, (*seeds, BATCH))]
        return Batch(inputs, torch.eye(2)[classes].to(device))

    def _loss(self, weights: dict[str, Tensor], buffers: dict[str, Tensor], inputs: dict[str, Tensor],
              labels: Tensor) -> Tensor:
        batch = Batch(inputs, labels)
        return self.whole.loss(functional_call(self.whole, (weights, buffers), (batch,)), batch, self.task)["loss"]

    def step(self, batch: Batch) -> None:
        """One step of all seeds on inputs (S, B, T, D)."""
        with mock.patch.object(MultiheadAttention, "forward", attend), \
                mock.patch("torch.cuda.is_current_stream_capturing", lambda: False):
            found = self.gradients({name: value.detach() for name, value in self.weights.items()}, self.buffers,
                                   batch.inputs, batch.labels)
        norms = torch.stack([value.flatten(1).square().sum(1) for value in found.values()]).sum(0).sqrt()
        scale = (self.config.training.clip / (norms + 1e-6)).clamp(max=1)
        for name, weight in self.weights.items():
            weight.grad = found[name] * scale.view(-1, *[1] * (weight.ndim - 1))
        self.optimizer.step()

    def alone(self, number: int, batches: list[Batch]) -> nn.Module:
        """The model of one seed after its steps by itself."""
        model = self.models[number]
        optimizer = build_optimizer(self.config, model)
        for batch in batches:
            own = Batch({name: x[number] for name, x in batch.inputs.items()}, batch.labels[number])
            optimizer.zero_grad()
            model.loss(model(own), own, self.task)["loss"].backward()
            nn.utils.clip_grad_norm_(model.parameters(), self.config.training.clip)
            optimizer.step()
        return model


def difference(steps: int, device: torch.device) -> float:
    """The largest difference of the logits of four stacked seeds and of runs alone, in units of their largest."""
    stack = Stack(4, device, STILL)
    batches = [stack.batch(device, (4,)) for _ in range(steps)]
    for batch in batches:
        stack.step(batch)
    probe, found = stack.batch(device), []
    for number in range(4):
        expected = stack.alone(number, batches)(probe).logits
        weights = {name: value[number] for name, value in stack.weights.items()}
        buffers = {name: value[number] for name, value in stack.buffers.items()}
        found.append((functional_call(stack.whole, (weights, buffers), (probe,)).logits - expected).abs().max()
                     / expected.abs().max())
    return max(found).item()


def rate(count: int, device: torch.device, steps: int = 20) -> float:
    """Steps of single seeds that a stack makes in a second."""
    stack = Stack(count, device)
    batch = stack.batch(device, (count,))
    for _ in range(2):
        stack.step(batch)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        stack.step(batch)
    graph.replay()
    torch.cuda.synchronize()
    began = time.perf_counter()
    for _ in range(steps):
        graph.replay()
    torch.cuda.synchronize()
    return count * steps / (time.perf_counter() - began)


def main() -> int:
    """Print the differences, then a line for each number of seeds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--seeds", default="8,32", help="numbers of seeds, with commas between them")
    parser.add_argument("--steps", default="1,10,50", help="steps after which stacked and single seeds are compared")
    args = parser.parse_args()
    device = resolve_device(args.device)
    for steps in map(int, args.steps.split(",")):
        print(f"after {steps} steps logits differ by {difference(steps, device):.1e}", flush=True)
    if device.type == "cuda":
        for count in map(int, args.seeds.split(",")):
            print(f"{count} seeds: {rate(count, device):.0f} steps a second together", flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
