"""Tables of named parts: one file and one line add a backbone, a branch, a dataset, a format, a fusion or
a method."""

from collections.abc import Callable, Iterator
from typing import Any


class Registry:
    """Names to parts of one kind. A name is given once; an unknown name is an error that lists the known ones."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._items: dict[str, Any] = {}

    def register(self, name: str) -> Callable:
        """Decorator that enters a class or function under `name`; raises ValueError if the name is taken."""

        def add(item: Any) -> Any:
            if name in self._items:
                raise ValueError(f"{self.kind} {name!r} is already registered")
            self._items[name] = item
            return item

        return add

    def __getitem__(self, name: str) -> Any:
        if name not in self._items:
            raise KeyError(f"unknown {self.kind} {name!r}; choose from {', '.join(self)}")
        return self._items[name]

    def __contains__(self, name: str) -> bool:
        return name in self._items

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._items))


BACKBONES = Registry("backbone")
BRANCHES = Registry("branch")
DATASETS = Registry("dataset")
FORMATS = Registry("format")
FUSIONS = Registry("fusion")
METHODS = Registry("method")
