"""One run over several processes, as torchrun starts them: every process takes its part of each batch.

Each has all data and the whole model. It forwards its part, all gather what every sample gives, and each computes the
loss of the whole batch, so a loss or a method that compares samples sees them all and knows of no processes. The
gradients of the parts are added up before a step looks at them. What is measured is therefore the same everywhere, and
all processes decide alike; the first one speaks and writes.
"""

import contextlib
import dataclasses
import os
from collections.abc import Callable, Iterator
from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn

from src.structures import Batch, InputError, UsageError

OWN_STATISTICS = ("on a CPU each process normalises its own part of a batch (ResNet-18), so gradients differ from "
                  "those of one process; take light branches, or GPUs")


class _Run:
    """What the processes of this run share besides torch's own state."""

    store: Any = None  # a torch.distributed.Store, which outlives any of them


class PeerLost(InputError):
    """Another process of this run has ended, so that this one cannot go on."""


def process_count() -> int:
    """How many processes train this run."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def process_number() -> int:
    """Number of this process among those of the run; 0 is the one that speaks and writes."""
    return dist.get_rank() if process_count() > 1 else 0


@contextlib.contextmanager
def joined() -> Iterator[None]:
    """The body runs together with those of the other processes, if torchrun started several.

    All but the first are mute; what a process says about its end is left to `speaks`.
    """
    started = "TORCHELASTIC_RUN_ID" in os.environ and int(os.environ["WORLD_SIZE"]) > 1
    if not started or process_count() > 1:
        yield
        return
    _Run.store, number, count = next(iter(dist.rendezvous("env://")))
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    dist.init_process_group(backend, store=dist.PrefixStore("run", _Run.store), rank=number, world_size=count)
    with contextlib.ExitStack() as stack:
        if number:
            nowhere = stack.enter_context(open(os.devnull, "w"))
            stack.enter_context(contextlib.redirect_stdout(nowhere))
            stack.enter_context(contextlib.redirect_stderr(nowhere))
        yield
    dist.destroy_process_group()  # not after an error: it would wait for the others


def speaks(stopped: bool = False) -> bool:
    """Whether this process says how the run ended: the first to fail or, where the user stopped all, the first one."""
    if _Run.store is None or stopped:
        return process_number() == 0
    try:
        return _Run.store.add("failed", 1) == 1
    except RuntimeError:  # the process that kept it has ended, which it was the first to do
        return False


@contextlib.contextmanager
def in_turn() -> Iterator[None]:
    """The first process is through with the body before the others begin it, which find what it has written."""
    if process_number():
        wait_for_all()
    yield
    if not process_number():
        wait_for_all()


def wait_for_all() -> None:
    """Go on when all processes have come here; raises PeerLost."""
    if process_count() > 1:
        with _others():
            dist.all_reduce(torch.zeros(1))  # a barrier would ask for a GPU where there is one


@contextlib.contextmanager
def _others() -> Iterator[None]:
    """Turn the ways in which torch says that a process is gone into PeerLost.

    Where a signal ended it that came to this process, too, its handler runs here first.
    """
    try:
        yield
    except RuntimeError as error:
        raise PeerLost("another process of this run has ended; see what it said, and continue with the same command "
                       "and --resume") from error


def own_gpu(asked: str, count: int) -> int:
    """Number of the GPU of this process, one of `count`, where `--device` asks for auto or cuda.

    Raises UsageError where it names one GPU, InputError where there are too few.
    """
    local = int(os.environ["LOCAL_WORLD_SIZE"])
    if asked not in ("auto", "cuda"):
        raise UsageError(f"--device {asked} names one GPU, but torchrun started {local} processes here; choose auto or "
                         "cpu")
    if local > count:
        raise InputError(f"torchrun started {local} processes here, but this machine offers {count} GPUs to torch "
                         f"{torch.__version__}; start as many processes as GPUs, or choose --device cpu")
    return int(os.environ["LOCAL_RANK"])


def normalise_together(model: nn.Module, device: torch.device) -> None:
    """Have batch normalisation inside a model see all parts of a batch; a note where that cannot be had."""
    has = any(isinstance(part, nn.BatchNorm2d) for part in model.modules())
    if process_count() > 1 and has:
        if device.type == "cuda":
            nn.SyncBatchNorm.convert_sync_batchnorm(model)
        else:
            print(f"note: {OWN_STATISTICS}")


def shared(model: nn.Module) -> Callable[[Batch], Any]:
    """What answers a batch as the model does, by the work of all processes; the model itself if there is one.

    To be called at the beginning of a pass over a split: all take over the weights and buffers of the first process.
    """
    if process_count() == 1:
        return model
    _exchange(list(model.state_dict().values()), lambda flat: dist.broadcast(flat, 0))
    if next(model.parameters()).is_cuda:  # what a method draws there, beside its forward pass, is the same everywhere
        torch.cuda.manual_seed_all(_seed())
    return _Shared(model)


class _Shared:
    """A model whose processes forward one part of the batch each."""

    def __init__(self, model: nn.Module) -> None:
        self.model = model

    def __call__(self, batch: Batch) -> Any:
        """The model's answer to the whole batch; only that to the own part has gradients."""
        sizes = part_sizes(len(next(iter(batch.inputs.values()))), process_count())
        number = process_number()
        first = sum(sizes[:number])
        # A process that gets none of a few samples computes one of them for nothing.
        own = slice(first, first + sizes[number]) if sizes[number] else slice(0, 1)
        part = Batch({name: x[own] for name, x in batch.inputs.items()},
                     None if batch.labels is None else batch.labels[own])
        with self._own_random_numbers() if self.model.training else contextlib.nullcontext():
            output = self.model(part)
        return _replaced(output, iter(_whole(list(_tensors(output)), sizes)))

    @contextlib.contextmanager
    def _own_random_numbers(self) -> Iterator[None]:
        """Other dropout in every process, after which their generators stand alike again, as the saved one does."""
        device = next(self.model.parameters()).device
        seed = _seed() + process_number()
        with torch.random.fork_rng([device] if device.type == "cuda" else []):
            torch.manual_seed(seed)
            yield


def _seed() -> int:
    """The next seed from the generator that stands alike in all processes."""
    return int(torch.randint(2**62, ()))


def part_sizes(count: int, parts: int) -> list[int]:
    """Samples of every part of a batch, as even as can be."""
    return [count // parts + (number < count % parts) for number in range(parts)]


def _replaced(value: Any, tensors: Iterator[Tensor]) -> Any:
    """The output of a method with other tensors, in the order of `_tensors`."""
    if isinstance(value, Tensor):
        return next(tensors)
    if isinstance(value, dict):
        return {key: _replaced(item, tensors) for key, item in value.items()}
    return dataclasses.replace(value, **_replaced(vars(value), tensors)) if _is_output(value) else value


def _is_output(value: Any) -> bool:
    """Whether a part of the output of a method has parts itself."""
    return dataclasses.is_dataclass(value)


def _tensors(value: Any) -> Iterator[Tensor]:
    """The tensors of the output of a method: a dataclass of such, of dictionaries, and of what is no tensor."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, dict) or _is_output(value):
        for item in (value if isinstance(value, dict) else vars(value)).values():
            yield from _tensors(item)


def _whole(tensors: list[Tensor], sizes: list[int]) -> list[Tensor]:
    """What all processes have of these tensors, in one exchange.

    (..., own part, W) -> (..., B, W); a number, the mean over the own part -> the mean over the batch.
    """
    own, largest = sizes[process_number()], max(sizes)
    rows = [tensor.movedim(-2, 0)[:own].flatten(1) if tensor.ndim else tensor.expand(own, 1) for tensor in tensors]
    gathered = [torch.cat([part[:size] for part, size in zip(parts, sizes, strict=True)])
                for parts in _Gathered.apply(*(F.pad(one, (0, 0, 0, largest - own)) for one in rows))]
    return [columns.unflatten(1, tensor.movedim(-2, 0).shape[1:]).movedim(0, -2) if tensor.ndim else columns.mean()
            for columns, tensor in zip(gathered, tensors, strict=True)]


class _Gathered(torch.autograd.Function):
    """The parts of all processes, in one exchange. (R, W) each -> (parts, R, W) each."""

    @staticmethod
    def forward(context: Any, *own: Tensor) -> tuple[Tensor, ...]:
        """Exchange the parts. What no loss uses has no gradient, so that no optimizer steps what leads to it."""
        context.set_materialize_grads(False)
        packed = torch.cat(own, 1)
        parts = [torch.empty_like(packed) for _ in range(process_count())]
        with _others():
            dist.all_gather(parts, packed)
        return tuple(one.contiguous() for one in torch.stack(parts).split([one.size(1) for one in own], 2))

    @staticmethod
    def backward(context: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        """The gradients of the own part, so many times as gradients of parameters are averaged over."""
        return tuple(None if one is None else one[process_number()] * process_count() for one in gradients)


def average_gradients(model: nn.Module) -> None:
    """Make the gradients of all processes those of the whole batch.

    What belongs to the forward pass has the gradient of a part, times the number of parts; what belongs to the loss has
    the whole gradient in every process: the mean is right for both.
    """
    if process_count() > 1:
        gradients = [weight.grad for weight in model.parameters() if weight.grad is not None]
        _exchange(gradients, dist.all_reduce)
        for gradient in gradients:
            gradient /= process_count()


@torch.no_grad()
def _exchange(tensors: list[Tensor], collective: Callable[[Tensor], Any]) -> None:
    """Put tensors of any shapes through a collective operation in place, all of one type at once."""
    for kind in dict.fromkeys(tensor.dtype for tensor in tensors):
        same = [tensor for tensor in tensors if tensor.dtype == kind]
        flat = torch.cat([tensor.flatten() for tensor in same])
        with _others():
            collective(flat)
        for tensor, part in zip(same, flat.split([one.numel() for one in same]), strict=True):
            tensor.copy_(part.view_as(tensor))
