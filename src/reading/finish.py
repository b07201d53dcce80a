"""When the walk is over: records become data, from the inside out, without recursion."""

from typing import Any

import numpy as np

from src.reading.records import Marker, Raw, Record, Refused
from src.reading.walk import SCALARS, Walk

LEAVES = frozenset((*SCALARS, complex))
MOST_REPEATED = 1_000_000  # pieces that appear again through references


def finish(walk: Walk, root: Any, most_depth: int) -> Any:
    """The data of a walk's result; lists and dictionaries are filled in place.

    Raises Refused for what is no data, for containers that hold themselves or nest deeper than `most_depth`, and for
    references that would double what is there again and again.
    """
    done: dict[int, tuple[Any, Any, int]] = {}  # id -> what had it, its data, pieces in it with all repetitions
    path: set[int] = set()
    stack = [root]
    total = 0
    while stack:
        node = stack[-1]
        key = id(node)
        if is_leaf(node) or key in done:
            stack.pop()
            continue
        parts = _parts(node)
        waiting = [] if key in path else [part for part in parts if not is_leaf(part) and id(part) not in done]
        if waiting:
            if len(path) >= most_depth:
                raise Refused(f"containers nested more than {most_depth} deep")
            path.add(key)
            if any(id(part) in path for part in waiting):
                raise Refused("a container that holds itself")
            stack += waiting
            continue
        stack.pop()
        path.discard(key)
        pieces = 1 + sum(1 if is_leaf(part) else done[id(part)][2] for part in parts)
        total += 1 + len(parts)
        if pieces > MOST_REPEATED + total:
            raise Refused("references that repeat its content millions of times")
        parts = [part if is_leaf(part) else done[id(part)][1] for part in parts]
        done[key] = node, _finished(walk, node, parts), pieces
    return root if is_leaf(root) else done[id(root)][1]


def is_leaf(node: Any) -> bool:
    """Whether a value is data already and has no parts."""
    return type(node) in LEAVES or isinstance(node, np.generic)


def _parts(node: Any) -> list[Any]:
    """What a container or a record is made of."""
    if type(node) is dict:
        return list(node.values())
    if type(node) in (list, tuple):
        return node if type(node) is list else list(node)
    return node.parts() if isinstance(node, Record) else []


def _finished(walk: Walk, node: Any, parts: list[Any]) -> Any:
    """The data of one node, from that of its parts."""
    if type(node) is dict:
        for key, part in zip(node, parts, strict=True):
            node[key] = part
        return node
    if type(node) is list:
        node[:] = parts
        return node
    if type(node) is tuple:
        return tuple(parts)
    if type(node) in (set, frozenset):
        return node
    if type(node) is Raw:
        walk.pay(len(node.view) * (4 if node.encoding else 1))
        return node.value()
    if isinstance(node, Marker):
        return node.finish()
    return node.finish(parts)
