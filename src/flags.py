"""From the fields of an options class to flags of a command line, and back to a checked options object."""

import argparse
import contextlib
import difflib
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, NoReturn, get_args, get_origin, get_type_hints

import numpy as np

from src.structures import InputError, UsageError, check_bounds, quoted


class UnknownFlag(UsageError):
    """A flag or key that does not exist, and those that do."""

    def __init__(self, name: str, kind: str, known: Sequence[str]) -> None:
        near = difflib.get_close_matches(name.lstrip("-")[:60], known, 1)
        guess = f"did you mean {near[0]}? " if near else ""
        super().__init__(f"unknown {kind} {quoted(name)}; {guess}choose from {', '.join(known)}")
        self.name, self.kind, self.known = name, kind, known


@contextlib.contextmanager
def beside(options: type) -> Iterator[None]:
    """Where a command of these options finds a flag unknown that it hands on to another, it proposes its own first."""
    try:
        yield
    except UnknownFlag as error:
        own = [item.name for item in fields(options)]
        known = [*own, *(name for name in error.known if name not in own)]
        raise UnknownFlag(error.name, error.kind, known) from None


class Parser(argparse.ArgumentParser):
    """A parser that raises one sentence and lists the flags where one is unknown."""

    def error(self, message: str) -> NoReturn:
        """Raise UsageError; words of the command line in the message are shortened."""
        raise UsageError(re.sub(r"\S{100,}", lambda word: f"{word[0][:40]}...{word[0][-40:]}", message))

    def parse(self, argv: Sequence[str] | None) -> argparse.Namespace:
        """Parse a whole command line."""
        values, unknown = self.parse_known_args(argv)
        if unknown:
            self.unknown(unknown[0].partition("=")[0], "argument")
        return values

    def flags(self) -> set[str]:
        """The names of all values that parsing gives."""
        return {action.dest for action in self._actions}

    def by_word(self) -> dict[str, argparse.Action]:
        """What a YAML file may set, under every spelling."""
        return {word.lstrip("-"): action for action in self._actions for word in action.option_strings
                if action.dest not in ("help", "config")}

    def unknown(self, name: str, kind: str) -> NoReturn:
        """Raise UnknownFlag for a flag or key that does not exist."""
        left_out = ("help", "config") if kind == "YAML key" else ("help",)
        known = [action.dest for action in self._actions if action.dest not in left_out]
        raise UnknownFlag(name, kind, known)

    def _get_values(self, action: argparse.Action, arg_strings: list[str]) -> Any:
        if arg_strings == ["--"]:  # argparse takes it for the end of the flags, also in --flag=--
            raise argparse.ArgumentError(action, "'--' is no value")
        return super()._get_values(action, arg_strings)

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            raise argparse.ArgumentError(action, f"invalid choice: {quoted(value)} (choose from "
                                                 f"{', '.join(map(repr, action.choices))})")


def add_group(parser: argparse.ArgumentParser, options: type, only: Iterable[str] | None = None,
              defaults: bool = True) -> None:
    """One flag per field of an options class, or of some; without `defaults`, only what is given becomes a value."""
    group = parser.add_argument_group((options.__doc__ or options.__name__).strip().splitlines()[0].rstrip("."))
    types = get_type_hints(options)  # with `from __future__ import annotations` a field holds the name of its type
    for item in fields(options):
        if only is not None and item.name not in only:
            continue
        names = (f"--{item.name}", *item.metadata["names"])
        text = f"{item.metadata['help']} (default: %(default)s)".replace(" (default: None)", "")
        default = item.default if defaults else argparse.SUPPRESS
        kind = types[item.name]
        if kind is bool:
            group.add_argument(*names, action=argparse.BooleanOptionalAction, default=default, help=text)
        else:
            choices = item.metadata["choices"]
            group.add_argument(*names, type=_converter(kind), default=default, help=text, choices=choices,
                               metavar=None if choices else "X")


def make(options: type, values: argparse.Namespace) -> Any:
    """An options object from parsed values; UsageError where a value is out of its bounds or fails the object's checks.

    The one place where the bounds of all flags are checked; an options class itself checks how values fit together.
    """
    try:
        made = options(**{item.name: getattr(values, item.name) for item in fields(options)})
        check_bounds(made)
        return made
    except InputError as error:
        raise UsageError(str(error)) from error


def words(flags: Mapping[str, Any]) -> list[str]:
    """Flags by their names as the words of a command line; True and False are --name and --no-name, None is nothing.

    Raises UsageError for values of other kinds than a command line can have.
    """
    if "help" in flags:
        raise UsageError("a call has no flag help; python main.py --help lists all flags")
    return [f"--{'' if value else 'no-'}{name}" if isinstance(value, bool) else word(name, value)
            for name, value in flags.items() if value is not None]


def word(name: str, value: Any) -> str:
    """A flag and its value as one word, a list with commas; UsageError for other things than text and numbers."""
    if isinstance(value, (np.generic, np.ndarray)):
        value = value.tolist()
    values = value if isinstance(value, (list, tuple, range)) else [value]
    if not all(isinstance(one, (str, Path, float)) or isinstance(one, int) and one.bit_length() <= 128
               for one in values):
        raise UsageError(f"{name!r} is {quoted(value)} of other things than text and numbers; expected what --{name} "
                         "takes on the command line")
    return f"--{name}={','.join(map(str, values))}"


def _converter(hint: Any) -> Callable[[str], Any]:
    """What turns a word of the command line into a value of a field's type."""
    if get_origin(hint) is tuple:
        return _integers if int in get_args(hint) else _words
    kind = next((k for k in (int, Path) if hint in (k, k | None)), hint)
    return {int: _integer, float: _finite, Path: path, str: text}.get(kind, kind)


def text(word: str) -> str:
    """A word that can stand in files and messages; ArgumentTypeError for null bytes and halves of characters."""
    if "\0" in word or not word.isascii() and any("\ud800" <= letter <= "\udfff" for letter in word):
        raise argparse.ArgumentTypeError(f"{quoted(word)} holds a null byte or bytes that are no UTF-8 text")
    return word


def path(word: str) -> Path:
    """A path, of any bytes that a file system takes; ArgumentTypeError for null bytes."""
    if "\0" in word or any("\ud800" <= letter < "\udc80" or "\udcff" < letter <= "\udfff" for letter in word):
        raise argparse.ArgumentTypeError(f"{quoted(word)} cannot be a path; it holds a null byte or half a character")
    return Path(word)


def _integer(word: str) -> int:
    try:
        return int(word)
    except ValueError:
        raise argparse.ArgumentTypeError(f"invalid int value: {quoted(word)}") from None


def _integers(word: str) -> tuple[int, ...]:
    try:
        values = tuple(int(part) for part in word.split(",") if part)
    except ValueError:
        values = ()
    if not values:
        raise argparse.ArgumentTypeError(f"{quoted(word)} is not a list of numbers such as 20,74,35")
    return values


def _words(word: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text(word).split(",") if part.strip())


def _finite(word: str) -> float:
    try:
        value = float(word)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"{quoted(word)} is not a finite number")
    return value
