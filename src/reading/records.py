"""What a pickle says, as inert records: nothing here is ever called by a file or with arguments of its choice."""

from collections.abc import Callable
from typing import Any

MOST_BITS = 128  # of a whole number; nothing that describes data is larger


class Refused(Exception):
    """The file asks for something that data does not need; the message names it, as in «it holds ...»."""


class Damaged(Exception):
    """The file ends early or contradicts itself; the message says where or how."""


class Raw:
    """A long piece of the file, not yet copied: bytes where `encoding` is empty, else text."""

    __slots__ = ("view", "encoding")

    def __init__(self, view: memoryview, encoding: str) -> None:
        self.view, self.encoding = view, encoding

    def value(self) -> bytes | str:
        """The bytes or the text; raises Damaged where they are no text."""
        return decoded(self.view, self.encoding) if self.encoding else bytes(self.view)


class Marker:
    """Stands for a name that a file may use. `call` and `new` are ours, get exact tuples and check what is in them."""

    __slots__ = ("name", "call", "new")

    def __init__(self, name: str, call: Callable[[tuple], Any] | None = None,
                 new: Callable[[tuple], Any] | None = None) -> None:
        self.name, self.call, self.new = name, call, new

    def finish(self) -> Any:
        """What a name stands for where it is neither called nor looked for; raises Refused unless a subclass knows."""
        raise Refused(f"{self.name} itself")


class Record:
    """Something that the walk found and that becomes data, or not, when the walk is over."""

    def build(self, state: Any) -> None:
        """Take the state that BUILD gives."""
        raise Refused(f"a state for {self.named()}")

    def follow(self, walk: Any) -> None:
        """Read what the file holds of it right behind its state; only joblib's arrays have something there."""

    def named(self) -> str:
        """How a message calls it."""
        return f"a {type(self).__name__.lower()}"

    def parts(self) -> list[Any]:
        """What has to be finished first."""
        return []

    def finish(self, parts: list[Any]) -> Any:
        """The data, from the finished parts; raises Refused for what is no data."""
        raise Refused(self.named())


def decoded(view: memoryview, encoding: str) -> str:
    """Text of the file; raises Damaged where it is none."""
    try:
        return str(view, encoding, "surrogatepass" if encoding == "utf-8" else "strict")
    except UnicodeDecodeError as error:
        raise Damaged(f"text that is not {encoding}") from error


def exact(value: Any, *kinds: type) -> Any:
    """A value whose type is one of `kinds`, never a subclass; raises Refused for another."""
    if type(value) not in kinds:
        raise Refused(f"a {type(value).__name__} where a {kinds[0].__name__} belongs")
    return value


def numbers(value: Any, most: int) -> tuple[int, ...]:
    """A tuple of at most `most` whole numbers that are not negative; raises Refused for anything else."""
    if len(exact(value, tuple)) > most or any(type(item) is not int or item < 0 for item in value):
        raise Refused(f"a shape that is no tuple of at most {most} whole numbers from 0")
    return value
