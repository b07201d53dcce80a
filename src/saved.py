"""What a checkpoint may hold: its digest, and the form that everything in it must have before any of it is used."""

import hashlib
import math
from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor, nn

from src.reading.records import Damaged
from src.structures import MODALITIES

Form = Callable[[Any], bool]
LARGEST = 10**6  # of epochs, widths, lengths and outputs: far beyond what is trained, small enough to count to


def digest(content: Any) -> str:
    """sha256 of nested plain data and tensors, the same before and after saving."""
    hasher = hashlib.sha256()
    _feed(hasher, content)
    return hasher.hexdigest()


def _feed(hasher: Any, value: Any) -> None:
    """Add a value, with its kind and its length, to a hash."""
    if isinstance(value, Tensor):
        hasher.update(f"tensor {value.dtype} {tuple(value.shape)}\n".encode())
        flat = value.detach().reshape(-1)
        if flat.stride() != (1,):  # a single number may have any stride
            flat = flat.clone(memory_format=torch.contiguous_format)
        hasher.update(flat.view(torch.uint8).numpy())
    elif isinstance(value, dict):
        hasher.update(f"dict {len(value)}\n".encode())
        for key, item in value.items():
            _feed(hasher, key)
            _feed(hasher, item)
    elif isinstance(value, (list, tuple)):
        hasher.update(f"list {len(value)}\n".encode())
        for item in value:
            _feed(hasher, item)
    else:
        text = repr(value).encode("utf-8", "backslashreplace")
        hasher.update(f"{type(value).__name__} {len(text)} ".encode() + text)


def check_content(content: dict[str, Any]) -> None:
    """Raise Damaged, naming the first part of a checkpoint that has not the form that this code writes."""
    for name, value in content.items():
        words, form = FORMS.get(name, ("", None))
        if form is None:
            raise Damaged("it has parts that no checkpoint has")
        if not form(value):
            raise Damaged(f"its {name} is not {words}")


def check_form(saved: Any, own: Any, where: str) -> None:
    """Raise Damaged where `saved` cannot take the place of `own`: other kinds, keys, lengths, shapes or settings."""
    if isinstance(own, dict):
        fits = type(saved) is dict and list(saved) == list(own)
        parts = [(saved[key], own[key], f"{where}.{key}") for key in own] if fits else []
    elif isinstance(own, (list, tuple)):
        fits = type(saved) in (list, tuple) and len(saved) == len(own)
        parts = [(*pair, f"{where}[{i}]") for i, pair in enumerate(zip(saved, own, strict=True))] if fits else []
    else:
        parts = []
        if isinstance(own, Tensor):
            fits = _tensor(saved) and (saved.shape, saved.dtype) == (own.shape, own.dtype)
        elif type(own) in (int, float):
            fits = type(saved) in (int, float) and saved == saved
        else:
            fits = type(saved) is type(own) and saved == own
    if not fits:
        raise Damaged(f"its {where} does not fit this run")
    for part in parts:
        check_form(*part)


def optimizer_form(optimizer: torch.optim.Optimizer, saved: Any) -> dict[str, Any]:
    """The form that a saved state of this optimizer must have, for the parameters that it has met.

    What is kept of a parameter is read off a twin of the optimizer, after one step on one number.
    """
    number = nn.Parameter(torch.zeros(1))
    number.grad = torch.zeros(1)
    twin = cast(Any, type(optimizer))([number], lr=1.0)
    twin.step()
    own = optimizer.state_dict()
    parameters = [value for group in optimizer.param_groups for value in group["params"]]
    met = saved.get("state") if isinstance(saved, dict) else None
    indices = [i for i in met if type(i) is int and 0 <= i < len(parameters)] if isinstance(met, dict) else []
    state = {i: {key: torch.zeros_like(parameters[i], device="cpu") if value.ndim else value
                 for key, value in twin.state[number].items()} for i in indices}
    return own | {"state": state}


def _whole(least: int) -> Form:
    return lambda value: type(value) is int and least <= value <= LARGEST


def _text(value: Any) -> bool:
    return type(value) is str and len(value) <= 10_000


def _number(value: Any) -> bool:
    return value is None or type(value) in (int, float, bool)


def _setting(value: Any) -> bool:
    return _text(value) or _number(value) and not (type(value) is float and not math.isfinite(value))


def _tensor(value: Any) -> bool:
    return isinstance(value, Tensor) and (not value.is_floating_point() or bool(value.isfinite().all()))


def _bytes(value: Any) -> bool:
    return isinstance(value, Tensor) and value.dtype == torch.uint8 and value.ndim == 1


def _table(form: Form) -> Form:
    """A dictionary of names to values of a form."""
    return lambda value: (type(value) is dict and all(type(key) is str for key in value)
                          and all(map(form, value.values())))


def _list(form: Form) -> Form:
    return lambda value: type(value) is list and all(map(form, value))


def _history(value: Any) -> bool:
    return _list(_table(_number))(value) and all(row.keys() == value[0].keys() and {"epoch", "seconds"} <= row.keys()
                                                 for row in value)


def _info(value: Any) -> bool:
    sizes = _table(_whole(1))
    forms = {"dataset": _text, "task": _text, "sha256": _text, "outputs": _whole(1), "widths": sizes, "lengths": sizes,
             "class_names": lambda names: type(names) is tuple and all(map(_text, names))}
    needed = forms.keys() - {"class_names"}  # older checkpoints have none
    return (type(value) is dict and needed <= value.keys() <= forms.keys()
            and all(forms[key](value[key]) for key in value)
            and value["widths"].keys() == value["lengths"].keys() <= set(MODALITIES))


def _anything(value: Any) -> bool:
    """Left to `check_form`, which has the run's own state to compare with."""
    return True


FORMS: dict[str, tuple[str, Form]] = {  # part of a checkpoint -> what it is in words, what tells whether it is
    "format": ("a number", _whole(0)),
    "config": ("a table of settings", _table(lambda value: _setting(value) or _list(_setting)(value))),
    "info": ("what is measured on a data file", _info),
    "model": ("a table of finite tensors", _table(_tensor)),
    "epoch": ("a number of epochs", _whole(0)),
    "metrics": ("a table of numbers", _table(_number)),
    "versions": ("a table of texts", _table(_text)),
    "history": ("a list of epochs with the same columns", _history),
    "best": ("a table of numbers", _table(_number)),
    "least": ("a list of numbers", _list(_number)),
    "init": ("text", _text),
    "optimizer": ("the state of an optimizer", _anything),
    "scheduler": ("the state of a scheduler", _anything),
    "random": ("three states of random generators", lambda value: (
        type(value) is dict and set(value) == {"torch", "cuda", "order"} and _bytes(value["torch"])
        and _bytes(value["order"]) and _list(_bytes)(value["cuda"]))),
}
