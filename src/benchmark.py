"""Seconds of a step beside a plain form of the same: `python -m src.benchmark [--only NAME,...] [--device cpu]`.

Both run in turn in one process, pair after pair, through the loop that trains and evaluates, on random inputs of a data
set's true shape with its preset. The plain form is what the published code does: textbook attention that keeps its
weights, a norm and a product for keys and another for values, torch's convolutions, frames in their order, torch's
dropout, ALBERT's activation by eight operations, every frame of every layer, an optimizer of one kernel per operation,
one launch after the other, everything in float32. A ratio above 1 says that ours is faster.
"""

import contextlib
import functools
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from unittest import mock

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import modules.dropout
import modules.feed_forward
from modules.convolution import FrameConvolution
from modules.multihead_attention import MultiheadAttention
from modules.transformer import TransformerEncoder, TransformerLayer
from src.backbones.base import Projected
from src.branches.albert import FUSED
from src.build import build_model, build_optimizer
from src.config import Config, parse_config
from src.configured import task_name
from src.datasets.base import Split
from src.datasets.loader import Loader
from src.engine import run_epoch
from src.flags import Parser
from src.methods.base import Method
from src.process import finish
from src.replay import Replay
from src.runtime import resolve_device, run_command, seed_everything
from src.structures import MODALITIES, Batch, DataInfo, UsageError, quoted
from src.tasks import make_task

WIDTHS = dict(zip(MODALITIES, (300, 74, 35), strict=True))
ALIGNED, UNALIGNED = (20, 20, 20), (20, 400, 500)  # frames of IEMOCAP
WHOLE = ("--method", "causal", "--text_init", "random")


@dataclass(frozen=True)
class Case:
    """What is timed: flags of main.py, frames of text, audio and vision, and flags that ours has besides."""

    words: tuple[str, ...]
    lengths: tuple[int, int, int] = ALIGNED
    training: bool = True
    ours: tuple[str, ...] = ()


CASES = {
    "mult": Case(("--method", "plain")),
    "mult forward": Case(("--method", "plain"), training=False),
    "mult unaligned": Case(("--method", "plain"), UNALIGNED),
    "mult one frame": Case(("--method", "plain", "--kernel_t=1", "--kernel_a=1", "--kernel_v=1"), (1, 1, 1)),
    "dmd": Case(("--method", "plain", "--backbone", "dmd")),
    "pmr": Case(("--method", "plain", "--backbone", "pmr")),
    "whole": Case(WHOLE),
    "whole bf16": Case(WHOLE, ours=("--precision", "bf16")),
    "whole freeze_text": Case(WHOLE, ours=("--freeze_text",)),
}


def attend(self: MultiheadAttention, query: Tensor, key: Tensor, value: Tensor, allowed: Tensor | None) -> Tensor:
    """Attention as in the textbook, of frames (B, T, D) that stay in samples. -> as the query."""
    if query is key and key is value:
        parts = F.linear(query, self.in_weight, self.in_bias).chunk(3, dim=-1)
    else:
        parts = tuple(F.linear(x, weight, bias) for x, weight, bias in zip(
            (query, key, value), self.in_weight.chunk(3), self.in_bias.chunk(3), strict=True))
    q, k, v = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in parts)
    scores = q * q.size(-1) ** -0.5 @ k.transpose(-2, -1)
    if allowed is not None:
        scores = scores.masked_fill(~allowed, float("-inf"))
    mixed = F.dropout(scores.softmax(-1), self.dropout, self.training) @ v
    return self.out(mixed.transpose(1, 2).flatten(2))


def feed_forward(x: Tensor, expand: nn.Linear, contract: nn.Linear, probability: float, training: bool) -> Tensor:
    """Two layers as in the textbook. (B, T, D) -> (B, T, D)."""
    return contract(F.dropout(F.relu(expand(x)), probability, training))


def convolved(self: FrameConvolution, frames: Tensor) -> Tensor:
    """A convolution by torch. (B, T, C) -> (B, T', D), in the order of a convolution."""
    return nn.Conv1d.forward(self, frames.transpose(1, 2)).transpose(1, 2)


def project(self: Projected, batch: Batch, text_dropout: float) -> dict[str, Tensor]:
    """Projected frames in the order of a convolution. -> modality -> (B, T - kernel + 1, d)."""
    inputs = batch.inputs | {"text": F.dropout(batch.inputs["text"], text_dropout, self.training)}
    return {name: own(inputs[name]) for name, own in self.projections.items()}


PLAIN = {modules.dropout.dropout: F.dropout, modules.feed_forward.feed_forward: feed_forward}


@contextlib.contextmanager
def plain_form() -> Iterator[None]:
    """Inside, models compute in the plain form."""
    whole, layer = TransformerEncoder.forward, TransformerLayer.forward

    def apart(self: TransformerLayer, x: Tensor, source: tuple[Tensor, Tensor] | None, *more: Any) -> Tensor:
        """A layer that norms and projects keys and values each by themselves, also where they are the same."""
        return layer(self, x, source and (source[0], source[1].view_as(source[1])), *more)

    with contextlib.ExitStack() as stack:
        stack.enter_context(mock.patch.object(TransformerLayer, "forward", apart))
        stack.enter_context(mock.patch.object(MultiheadAttention, "forward", attend))
        stack.enter_context(mock.patch.object(FrameConvolution, "forward", convolved))
        stack.enter_context(mock.patch.object(Projected, "project", project))
        stack.enter_context(mock.patch.object(
            TransformerEncoder, "forward", lambda self, *frames, last=False, **marks: whole(self, *frames, **marks)))
        for name, module in list(sys.modules.items()):
            for ours, plain in PLAIN.items() if name.startswith(("modules.", "src.")) else ():
                if getattr(module, ours.__name__, None) is ours:
                    stack.enter_context(mock.patch.object(module, ours.__name__, plain))
        yield


def epochs(case: Case, plain: bool, device: torch.device, batch: int | None, steps: int) -> Callable[[], None]:
    """A function that passes once over `steps` batches in one of the two forms."""
    size = ("--batch_size", str(batch)) if batch else ()
    config = parse_config(["--dataset", "iemocap", *case.words, *(() if plain else case.ours), *size])
    task = make_task(task_name(config))
    info = DataInfo("iemocap", "emotion4", task.outputs, WIDTHS, dict(zip(MODALITIES, case.lengths, strict=True)), "")
    seed_everything(0)
    count = steps * config.training.batch_size
    labels = torch.eye(2)[torch.eye(4)[torch.randint(4, (count,))].long()]
    split = Split({name: torch.randn(count, info.lengths[name], WIDTHS[name]) for name in MODALITIES}, labels,
                  ["" for _ in range(count)])
    with mock.patch.dict(FUSED, clear=plain):
        model = build_model(config, info).to(device)
    model.prepare(split, task)
    optimizer = _plain_optimizer(config, model) if plain else build_optimizer(config, model)
    replay = None if plain or device.type == "cpu" else Replay(model, optimizer)
    loader = Loader(split, config.training.batch_size, device, device, torch.Generator().manual_seed(0))
    run = functools.partial(run_epoch, model, loader, lambda output, one: model.loss(output, one, task), "epoch",
                            optimizer if case.training else None, config.training, replay=replay)

    def epoch() -> None:
        with plain_form() if plain else contextlib.nullcontext():
            run()

    return epoch


def _plain_optimizer(config: Config, model: Method) -> torch.optim.Optimizer:
    """The same optimizer in torch's default form."""
    return getattr(torch.optim, config.training.optim)(
        [{"params": group.parameters, "lr": group.rate} for group in model.parameter_groups()])


def timed(epoch: Callable[[], None], device: torch.device) -> float:
    """Seconds of one pass."""
    began = time.perf_counter()
    epoch()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - began


def compare(case: Case, device: torch.device, batch: int | None, steps: int, pairs: int) -> str:
    """Milliseconds of a step in both forms, and quartiles of the pairs' ratio."""
    forms = [epochs(case, plain, device, batch, steps) for plain in (True, False)]
    for form in forms:
        timed(form, device)
    taken = [[timed(form, device) for form in forms] for _ in range(pairs)]
    plain, ours = (1e3 * statistics.median(column) / steps for column in zip(*taken, strict=True))
    low, middle, high = statistics.quantiles([first / second for first, second in taken], n=4)
    return f"{plain:10.1f} {ours:10.1f}   {middle:5.2f} ({low:.2f} to {high:.2f})"


def run(argv: Sequence[str] | None) -> int:
    """Parse, then print one line per case."""
    parser = Parser(prog="python -m src.benchmark", description=__doc__, allow_abbrev=False)
    parser.add_argument("--only", default=",".join(CASES), help=f"cases with commas between them: {', '.join(CASES)}")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N")
    parser.add_argument("--batch_size", type=int, help="samples of a step (default: that of the preset, 32)")
    parser.add_argument("--steps", type=int, default=4, help="steps of a pass (default: 4)")
    parser.add_argument("--pairs", type=int, default=7, help="passes in each form (default: 7)")
    options = parser.parse(argv)
    names = options.only.split(",")
    unknown = [name for name in names if name not in CASES]
    if unknown:
        raise UsageError(f"unknown case {quoted(unknown[0])}; choose from {', '.join(CASES)}")
    if min(options.steps, options.pairs - 1) < 1:
        raise UsageError("--steps needs at least 1 and --pairs 2, for there to be something to compare")
    device = resolve_device(options.device)
    shown = torch.cuda.get_device_name(device) if device.type == "cuda" else f"{torch.get_num_threads()} threads"
    print(f"{device}, {shown}, torch {torch.__version__}, {options.pairs} pairs of {options.steps} steps\n"
          f"{'':20}  plain ms    ours ms   plain / ours (quartiles)", flush=True)
    for name in names:
        print(f"{name:18}{compare(CASES[name], device, options.batch_size, options.steps, options.pairs)}", flush=True)
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Run what a command line asks for; returns the exit code of `run_command`."""
    return run_command(functools.partial(run, argv))


if __name__ == "__main__":
    raise SystemExit(finish(main()))
