"""A user's own backbone or method against its contract, so that a mistake is named at once, in one sentence."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from src.methods.base import Method
from src.structures import MODALITIES, Batch, DataInfo, InputError
from src.tasks import task_of


def own_backbone(name: str, cls: Any, info: DataInfo, options: Any) -> nn.Module:
    """A backbone of the class, tried on two samples; InputError that names the line of the contract it breaks."""
    own = f"backbone {name!r}"
    if not (isinstance(cls, type) and issubclass(cls, nn.Module)):
        raise InputError(f"the {own} breaks the contract 'a torch.nn.Module class': it is {cls!r}")
    with _contract(own, "__init__(info, options)"):
        backbone: Any = cls(info, options)  # a module with attributes that torch does not know
        list(backbone.parameters())  # fails where super().__init__() was not called
    with _contract(own, "forward(batch) -> BackboneOutput(logits (B, C), hidden (B, H))"):
        output = _trial(backbone, info)
        _check_shape(output, "logits", info.outputs)
        _check_shape(output, "hidden", None)
        if not output.logits.requires_grad or not hasattr(output, "per_sample"):
            raise ValueError("logits carry no gradient, or the output is no BackboneOutput")
    if hasattr(backbone, "auxiliary_loss"):
        with _contract(own, "auxiliary_loss(output, labels, task) -> scalar"):
            task = task_of(info)
            _check_scalar(backbone.auxiliary_loss(output, task.example_labels(), task))
    return backbone


def own_method(name: str, make: Callable[[], Method], info: DataInfo) -> Method:
    """What `make` makes of the class, tried on two samples; InputError as for a backbone."""
    own = f"method {name!r}"
    with _contract(own, "__init__(info, options, parts)"):
        model = make()
        groups = model.parameter_groups()
        _check_groups(model, [parameter for group in groups for parameter in group.parameters])
    with _contract(own, "forward(batch) -> output with logits (B, C) and per_sample()"):
        output = _trial(model, info)
        _check_shape(output, "logits", info.outputs)
        missing = {"logits", "backbone", "hidden", *(one.values for one in model.predictors.values()),
                   *model.effects.values()} - output.per_sample().keys()
        if missing:
            raise ValueError(f"per_sample() lacks {', '.join(sorted(missing))}")
    with _contract(own, 'loss(output, batch, task) -> terms with "loss"'):
        task = task_of(info)
        _check_scalar(model.loss(output, _trial_batch(info, task.example_labels()), task)["loss"])
    return model


@contextlib.contextmanager
def _contract(own: str, line: str) -> Iterator[None]:
    """Turn whatever a user's class does wrong into one sentence that names the broken line of the contract."""
    try:
        yield
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"the {own} breaks the contract '{line}': {reason}") from error


def _trial(model: nn.Module, info: DataInfo) -> Any:
    """A model's answer to a batch of two; random states stay as they were."""
    with torch.random.fork_rng(devices=[]):
        output = model.eval()(_trial_batch(info))
    model.train()
    return output


def _trial_batch(info: DataInfo, labels: Tensor | None = None) -> Batch:
    return Batch({m: torch.ones(2, info.lengths[m], info.widths[m]) for m in MODALITIES}, labels)


def _check_shape(output: Any, name: str, width: int | None) -> None:
    """Raise ValueError unless an output for two samples has a tensor (2, width) of this name."""
    value = getattr(output, name, None)
    shape = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
    if not (isinstance(shape, tuple) and len(shape) == 2 and shape[0] == 2 and width in (None, shape[1])):
        raise ValueError(f"{name} for 2 samples is {shape}, expected (2, {width or 'H'})")


def _check_scalar(loss: Any) -> None:
    if not isinstance(loss, Tensor) or loss.ndim:
        raise ValueError(f"it returned {tuple(loss.shape) if isinstance(loss, Tensor) else loss!r}")


def _check_groups(model: nn.Module, grouped: list[nn.Parameter]) -> None:
    """Raise ValueError unless every trainable parameter is in exactly one group."""
    names = [name for name, parameter in model.named_parameters() if parameter.requires_grad
             and sum(parameter is other for other in grouped) != 1]
    if names:
        raise ValueError(f"{', '.join(names[:3])} must be in exactly one of parameter_groups()")
