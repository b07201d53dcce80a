"""Reading `--config`: a YAML file of one flag per line, without anything else that YAML can do.

The events of the parser are followed one by one, so that a hostile file is refused where its first strange part
begins: nothing is nested, repeated or constructed before that.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import yaml

from src.structures import UsageError, quoted

LARGEST = 2**20  # bytes; thousands of times what all flags take
LONGEST = 10_000  # characters of a value, and entries of a list
CORE = {f"tag:yaml.org,2002:{kind}" for kind in ("str", "int", "float", "bool", "null")}


class _Strange(Exception):
    """The file holds something that no file of settings needs."""


def read_settings(path: Path) -> dict[str, Any]:
    """Flag to value; a value is text, a number, a truth value, None or a list of these.

    Raises UsageError for a file that is missing, too large, no YAML, or holds anything else.
    """
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
        if len(content) > LARGEST:
            raise UsageError(f"--config {path} is larger than {LARGEST} bytes, so it is no file of settings; expected "
                             "lines of flag: value")
        return _mapping(_Events(content.decode("utf-8")))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UsageError(f"--config {path} cannot be read as YAML ({' '.join(str(error).split())})") from error
    except _Strange as error:
        raise UsageError(f"--config {path} holds {error}; expected lines of flag: value") from error


class _Events:
    """The parts of a YAML text in their order, and the values that its anchors name."""

    def __init__(self, text: str) -> None:
        self.stream: Iterator[yaml.Event] = yaml.parse(text, Loader=yaml.SafeLoader)
        self.anchors: dict[str, Any] = {}
        self.room = LARGEST  # characters of all values together, those that an alias repeats included

    def next(self) -> yaml.Event:
        """The next part that says something."""
        return next(event for event in self.stream
                    if not isinstance(event, (yaml.StreamStartEvent, yaml.DocumentStartEvent, yaml.DocumentEndEvent)))


def _mapping(events: _Events) -> dict[str, Any]:
    """The whole file."""
    start = events.next()
    if isinstance(start, yaml.StreamEndEvent):
        return {}
    if not isinstance(start, yaml.MappingStartEvent):
        if isinstance(start, yaml.ScalarEvent) and _value(events, start) is None:
            return {}
        kind = "list" if isinstance(start, yaml.SequenceStartEvent) else "single value"
        raise _Strange(f"a {kind}")
    _untagged(start)
    settings: dict[str, Any] = {}
    while not isinstance(event := events.next(), yaml.MappingEndEvent):
        if not isinstance(event, yaml.ScalarEvent):
            raise _Strange("a key that is not the name of a flag")
        key = event.value
        if key in settings:
            raise _Strange(f"the key {quoted(key)} twice")
        if len(settings) >= LONGEST:
            raise _Strange(f"more than {LONGEST} keys")
        settings[key] = _entry(events, events.next(), key)
    if not isinstance(events.next(), yaml.StreamEndEvent):
        raise _Strange("several documents")
    return settings


def _entry(events: _Events, event: yaml.Event, key: str) -> Any:
    """The value of a key: a single one, or a list of single ones."""
    if isinstance(event, yaml.MappingStartEvent):
        raise _Strange(f"a mapping as the value of {quoted(key)}")
    if not isinstance(event, yaml.SequenceStartEvent):
        return _value(events, event)
    _untagged(event)
    values: list[Any] = []
    while not isinstance(event := events.next(), yaml.SequenceEndEvent):
        if isinstance(event, yaml.CollectionStartEvent):
            raise _Strange(f"a list inside the list of {quoted(key)}")
        if len(values) >= LONGEST:
            raise _Strange(f"more than {LONGEST} entries of {quoted(key)}")
        values.append(_value(events, event))
    return values


def _untagged(event: yaml.CollectionStartEvent) -> None:
    if event.tag is not None:
        raise _Strange(f"the tag {quoted(event.tag)}, which is never acted on")


def _value(events: _Events, event: yaml.Event) -> Any:
    """Text, a number, a truth value or None; dates stay text."""
    if isinstance(event, yaml.AliasEvent):
        if event.anchor not in events.anchors:
            raise _Strange(f"the alias {quoted(event.anchor)} of no single value before it")
        value = events.anchors[event.anchor]
        events.room -= len(str(value))
    else:
        event = cast(yaml.ScalarEvent, event)  # collections were refused before
        value = _scalar(event)
        events.room -= len(event.value)
        if event.anchor:
            events.anchors[event.anchor] = value
    if events.room < 0:
        raise _Strange("aliases that repeat too much")
    return value


def _scalar(event: yaml.ScalarEvent) -> Any:
    """What the word of a YAML file means."""
    if len(event.value) > LONGEST:
        raise _Strange(f"a value of {len(event.value)} characters")
    if event.tag is not None and event.tag not in CORE:
        raise _Strange(f"the tag {quoted(event.tag)}, which is never acted on")
    loader = yaml.SafeLoader("")
    tag = event.tag or loader.resolve(yaml.ScalarNode, event.value, event.implicit)
    if tag not in CORE:
        return event.value
    try:
        value = loader.construct_object(yaml.ScalarNode(tag, event.value))
    except (ValueError, KeyError, IndexError) as error:
        raise _Strange(f"{quoted(event.value)}, which is no {tag.rpartition(':')[2]}") from error
    if isinstance(value, int) and value.bit_length() > 128:
        raise _Strange(f"{quoted(value)}")
    return value
