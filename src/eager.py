"""torch without its compiler, which nothing here uses: its optimizers import it, and that takes as long as torch."""

import importlib
import sys
import types
from collections.abc import Callable
from typing import Any

COMPILER = "torch._dynamo"


class _Absent(types.ModuleType):
    """In the place of the compiler: what optimizers ask of it that compile nothing; asked for more, it gives way."""

    @staticmethod
    def graph_break(*_: Any, **__: Any) -> None:
        """Where the compiler would stop tracing."""

    @staticmethod
    def disable(function: Callable[..., Any], *_: Any, **__: Any) -> Callable[..., Any]:
        """A function that the compiler would not trace: the function."""
        return function

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name != "__path__":  # as asked of all modules by `inspect`, which wants nothing
            raise AttributeError(name)
        if sys.modules.get(COMPILER) is self:
            del sys.modules[COMPILER]
        return getattr(importlib.import_module(COMPILER), name)


def leave_out_compiler() -> None:
    """Save its import, unless it is there already; whoever compiles, as a class of a user's own may, gets it then."""
    sys.modules.setdefault(COMPILER, _Absent(COMPILER))
