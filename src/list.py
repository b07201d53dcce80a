"""`python -m src.list [methods|backbones|branches|fusions|datasets]`: what exists, one line each, with its paper."""

import functools
import inspect
import re
import sys
from collections.abc import Sequence
from typing import Any

import src.backbones
import src.branches
import src.datasets
import src.fusions
import src.methods  # noqa: F401  (these fill the registries)
from src.flags import Parser
from src.process import finish
from src.registry import BACKBONES, BRANCHES, DATASETS, FUSIONS, METHODS, Registry
from src.runtime import run_command

KINDS = {"methods": METHODS, "backbones": BACKBONES, "branches": BRANCHES, "fusions": FUSIONS, "datasets": DATASETS}


def words(registry: Registry, name: str) -> str:
    """The first sentence of the module that a part has to itself, or of the part where a module has several."""
    item = registry[name]
    module = sys.modules[_module(item)]
    alone = sum(_module(registry[other]) == module.__name__ for other in registry) == 1
    text = " ".join((inspect.getdoc(module if alone else item) or "").split("\n\n")[0].split())
    return re.split(r"(?<=[^.]{3}\.)\s", text)[0].removesuffix(".")


def _module(item: Any) -> str:
    """The module that a part was written in; a description of data stands there as SPEC."""
    if callable(item):
        return item.__module__
    return next(name for name, module in sys.modules.items() if getattr(module, "SPEC", None) is item)


def table(kind: str) -> str:
    """A line per part of a kind."""
    registry = KINDS[kind]
    width = max(map(len, registry))
    return "\n".join([kind, *(f"  {name:{width}}  {words(registry, name)}" for name in registry)])


def run(argv: Sequence[str] | None) -> None:
    """Parse and print."""
    parser = Parser(prog="python -m src.list", description=__doc__, allow_abbrev=False)
    parser.add_argument("kind", nargs="?", choices=KINDS, help="what is listed (default: everything)")
    kind = parser.parse(argv).kind
    print("\n\n".join(map(table, [kind] if kind else KINDS)))


def main(argv: Sequence[str] | None = None) -> int:
    """Run what a command line asks for; returns the exit code of `run_command`."""
    return run_command(functools.partial(run, argv))


if __name__ == "__main__":
    raise SystemExit(finish(main()))
