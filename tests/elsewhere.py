"""A second device, as a GPU is one, where there is none: its tensors hold numbers of the CPU, and do not mix with its.

Its name is `meta`, tensors of which torch can make anywhere.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

PLACE = torch.device("meta")
MOVING = (torch.ops.aten._to_copy.default, torch.ops.aten.copy_.default)
INDEXING = (torch.ops.aten.index.Tensor, torch.ops.aten.index_put_.default, torch.ops.aten._index_put_impl_.default)


class There(torch.Tensor):
    """A tensor of the second device."""

    @staticmethod
    def __new__(cls, numbers: torch.Tensor) -> "There":
        return torch.Tensor._make_wrapper_subclass(
            cls, numbers.size(), strides=numbers.stride(), storage_offset=numbers.storage_offset(),
            dtype=numbers.dtype, layout=numbers.layout, device=PLACE)

    def __init__(self, numbers: torch.Tensor) -> None:
        self.numbers = numbers

    def tolist(self) -> Any:
        return self.numbers.tolist()  # torch's own refuses subclasses

    @classmethod
    def __torch_dispatch__(cls, operation: Callable[..., Any], _: Any, arguments: Sequence[Any] = (),
                           named: Mapping[str, Any] | None = None) -> Any:
        return answer(operation, arguments, named or {})


class Elsewhere(TorchDispatchMode):
    """Within it tensors can be made on the second device, and moved there."""

    def __torch_dispatch__(self, operation: Callable[..., Any], _: Any, arguments: Sequence[Any] = (),
                           named: Mapping[str, Any] | None = None) -> Any:
        return answer(operation, arguments, named or {})


def answer(operation: Any, arguments: Sequence[Any], named: Mapping[str, Any]) -> Any:
    """What an operation of torch says, where its tensors are; RuntimeError where they are at two places."""
    tensors = [one for one in tree_leaves((arguments, named)) if isinstance(one, torch.Tensor)]
    there = any(isinstance(one, There) for one in tensors)
    if there and operation not in MOVING:
        astray = [one for one in tensors if not isinstance(one, There) and one.dim()  # a number may be anywhere
                  and not (operation in INDEXING and not one.is_floating_point())]
        if astray:
            raise RuntimeError(f"{operation} got tensors of two devices, {tuple(astray[0].shape)} on the CPU")
    if named.get("device") is not None:
        there, named = torch.device(named["device"]).type == PLACE.type, {**named, "device": torch.device("cpu")}
    bare_arguments, bare = tree_map(lambda one: one.numbers if isinstance(one, There) else one, (arguments, named))
    found = operation(*bare_arguments, **bare)
    written = [value for value, declared in zip(arguments, operation._schema.arguments, strict=False)
               if declared.alias_info is not None and declared.alias_info.is_write]
    if torch.Tag.inplace_view in operation.tags:
        with torch._C._DisableTorchDispatch():
            operation(*arguments, **named)  # the shape of what stands for the numbers
    if written and len(operation._schema.returns) == 1:  # in place: it gives back what it was given
        return written[0]
    return tree_map(lambda one: There(one) if there and isinstance(one, torch.Tensor) else one, found)
