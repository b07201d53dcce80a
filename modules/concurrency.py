"""Calls that need nothing of each other: inside a CUDA graph they run side by side, each on a stream of its own."""

import functools
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import torch
from torch import Tensor

_sides: dict[torch.cuda.Stream, list[torch.cuda.Stream]] = {}  # of the calls that are made while one is current


def concurrently(calls: Mapping[str, "functools.partial[Any]"]) -> dict[str, Any]:
    """The results of some calls by their names, in their order; none may read what another one writes.

    While a CUDA graph is captured each call becomes a branch of it, and so does its backward pass. A small model
    consists of long chains of kernels that each leave most of a GPU idle. Kernels and random numbers are those of one
    call after the other, so the bits are too. Elsewhere that is what happens: launches from Python take turns anyway.
    """
    if not torch.cuda.is_initialized() or not torch.cuda.is_current_stream_capturing():
        return {name: call() for name, call in calls.items()}
    own = torch.cuda.current_stream()
    sides = _sides.setdefault(own, [])
    sides += [torch.cuda.Stream() for _ in range(len(sides), len(calls))]
    began = own.record_event()
    results = {}
    for side, (name, call) in zip(sides, calls.items(), strict=False):  # an earlier group may have needed more streams
        side.wait_event(began)
        _used_on(side, (call.args, call.keywords))
        with torch.cuda.stream(side):
            results[name] = call()
    for side, result in zip(sides, results.values(), strict=False):
        own.wait_stream(side)
        _used_on(own, result)
    return results


def _used_on(stream: torch.cuda.Stream, values: Any) -> None:
    """Keep the memory of tensors that come from another stream until this one is through with them."""
    for x in _tensors(values):
        x.record_stream(stream)


def _tensors(values: Any) -> Iterator[Tensor]:
    """The tensors in nested lists, tuples, dictionaries and dataclasses."""
    if isinstance(values, Tensor):
        yield values
    elif isinstance(values, (list, tuple)):
        for value in values:
            yield from _tensors(value)
    elif isinstance(values, dict):
        yield from _tensors(list(values.values()))
    elif is_dataclass(values):
        yield from _tensors([getattr(values, item.name) for item in fields(values)])
