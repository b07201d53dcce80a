"""Steps replayed as CUDA graphs: on a GPU a small model waits for thousands of launches, a graph is one."""

from collections.abc import Callable, Hashable

import torch
from torch import Tensor, nn

from src.structures import Batch

WARM = 1  # steps of a form that run as ever before it is captured, so that libraries have what they allocate once
Values = dict[str, dict[str, Tensor]]
Step = Callable[[Batch], Values]


class Replay:
    """Runs steps; each form of step that returns is captured once and replayed from there on.

    The kernels and their order are those of a step that is not replayed, so that a resumed run, whose first steps are
    others, ends with the same bits. A step that cannot be captured, since it asks the GPU for a number, or that puts
    other tensors in the place of the model's own, ends all capturing with a note; steps then run as ever.
    """

    def __init__(self, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        self.model, self.optimizer, self.working = model, optimizer, True
        self.rates: list[float] = []
        self.seen: dict[Hashable, int] = {}
        self.captured: dict[Hashable, _Captured] = {}

    def forget(self) -> None:
        """Give up what was captured; to be called where something other than weights may have changed."""
        self.seen.clear()
        self.captured.clear()

    def __call__(self, form: Hashable, batch: Batch, step: Step) -> Values:
        """What a step of this form returns for a batch on the GPU: names -> name -> tensor."""
        rates = [group["lr"] for group in self.optimizer.param_groups]
        if rates != self.rates:  # a captured step has them as constants, and keeps its memory
            self.forget()
            self.rates = rates
        key = form, self.model.training, *(x.shape for x in batch.inputs.values())
        self.seen[key] = self.seen.get(key, 0) + 1
        if not self.working or self.seen[key] <= WARM:
            return step(batch)
        if key not in self.captured:
            try:
                self.captured[key] = _Captured(self.model, self.optimizer, batch, step)
            except (RuntimeError, ValueError, AssertionError) as error:
                self.working = False
                _end_capturing(next(iter(batch.inputs.values())))
                print(f"note: steps are not replayed as CUDA graphs ({str(error).splitlines()[0]}); they run one "
                      "kernel at a time, which is slower and gives the same", flush=True)
                return step(batch)
        return self.captured[key](batch)


class _Captured:
    """One captured step and the tensors that it reads and writes."""

    def __init__(self, model: nn.Module, optimizer: torch.optim.Optimizer, batch: Batch, step: Step) -> None:
        own = _addresses(model)
        self.batch = Batch({name: x.clone() for name, x in batch.inputs.items()},
                           None if batch.labels is None else batch.labels.clone())
        self.graph = torch.cuda.CUDAGraph()
        capturable = [group.get("capturable") for group in optimizer.param_groups]
        for group in optimizer.param_groups:
            if "capturable" in group:
                group["capturable"] = True  # its counts of steps are on the GPU already, as it is fused
        try:
            with torch.cuda.graph(self.graph):
                self.values = step(self.batch)
        finally:
            for group, before in zip(optimizer.param_groups, capturable, strict=True):
                if before is not None:
                    group["capturable"] = before
        if _addresses(model) != own:
            raise ValueError("the model puts new tensors in the place of its parameters or buffers")

    def __call__(self, batch: Batch) -> Values:
        for name, x in batch.inputs.items():
            self.batch.inputs[name].copy_(x)
        if self.batch.labels is not None and batch.labels is not None:
            self.batch.labels.copy_(batch.labels)
        self.graph.replay()
        return {kind: {name: x.clone() for name, x in values.items()} for kind, values in self.values.items()}


def _end_capturing(x: Tensor) -> None:
    """Capture something that works: after a capture that failed, torch's generator believes that it still goes on."""
    with torch.cuda.graph(torch.cuda.CUDAGraph()):
        x.clone()


def _addresses(model: nn.Module) -> list[int]:
    """Where the parameters and buffers of a model stand."""
    return [x.data_ptr() for x in (*model.parameters(), *model.buffers())]
