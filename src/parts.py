"""Backbones and methods by name: registered ones, and a user's own classes written as package.module:Class."""

import importlib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

from src.datasets.base import NoOptions
from src.methods.base import Method
from src.registry import METHODS, Registry
from src.structures import UsageError, quoted


def named_class(registry: Registry, name: str) -> type[Any]:
    """A registered backbone or method, or a user's own class written as package.module:Class."""
    kind = registry.kind
    if ":" not in name:
        if name not in registry:
            raise UsageError(f"unknown {kind} {quoted(name)}; choose from {', '.join(registry)}, or give your own "
                             "class as package.module:Class")
        return registry[name]
    module, _, attribute = name.partition(":")
    if not (attribute.isidentifier() and all(part.isidentifier() for part in module.split("."))):
        raise UsageError(f"the {kind} {quoted(name)} is no class; expected package.module:Class")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (Exception, SystemExit) as error:  # a user's module can fail in any way
        reason = " ".join(str(error).split())
        raise UsageError(f"the {kind} {name!r} cannot be imported ({reason[:300]}); expected package.module:Class, "
                         "importable from this folder") from error


class OwnCode(UsageError):
    """A file asks for code of the user's own that the command line does not name."""


@dataclass(frozen=True)
class Part:
    """What a backbone or a method brings to the command line."""

    options: type
    presets: Mapping[str, Mapping[str, Any]]
    strength: Callable[[Any], str] = lambda options: ""  # of a method: what --strength is where it is not given


def chosen_part(registry: Registry, name: str, named: Collection[str], base: type) -> Part:
    """A part's Options and PRESETS; UsageError where a user's own are of another kind, OwnCode where only a file
    names it.
    """
    kind = registry.kind
    if ":" in name and name not in named:
        raise OwnCode(f"the file was made with a {kind} of your own; to import and run its code, name it: "
                      f"--{kind} {quoted(name)}")
    cls = named_class(registry, name)
    options, presets = getattr(cls, "Options", NoOptions), getattr(cls, "PRESETS", {})
    if not is_dataclass(options) or not all({"help", "choices", "names"} <= f.metadata.keys() for f in fields(options)):
        raise UsageError(f"the {kind} {name!r}: Options is not a dataclass of src.structures.option fields")
    if registry is METHODS and not (isinstance(cls, type) and issubclass(cls, Method)):
        raise UsageError(f"the {kind} {name!r} is no subclass of src.methods.base.Method")
    if not issubclass(options, base):
        raise UsageError(f"the {kind} {name!r}: Options does not inherit from src.methods.base.{base.__name__}")
    if not isinstance(presets, Mapping) or not all(isinstance(preset, Mapping) for preset in presets.values()):
        raise UsageError(f"the {kind} {name!r}: PRESETS is not a dictionary of dictionaries, dataset to flags")
    for flag, value in (pair for preset in presets.values() for pair in preset.items()):
        if not all(isinstance(one, (str, int, float, Path)) for one in
                   (value if isinstance(value, (list, tuple)) else [value])):
            raise UsageError(f"the {kind} {name!r}: PRESETS sets {quoted(flag)} to {quoted(value)}; give what the flag "
                             "takes, a text, a number, or a list of them")
    return Part(options, presets, getattr(cls, "default_strength", Part.strength))
