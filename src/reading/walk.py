"""A loop over the opcodes of a pickle that executes nothing: what it finds are plain values and inert records.

A pickle is a program for a small machine. Python's own unpickler runs it: it imports names, calls them and hands them
arguments that the file chose. This loop knows the data opcodes only. A name is looked up in a table of markers, a call
is one of our own functions that checks what it is given, and everything that is made is paid for, before it is made,
from an account of two bytes per byte of the file and 48 MiB.
"""

import codecs
import mmap
import struct
from collections.abc import Callable
from typing import Any

import numpy as np

from src.reading.opcodes import ACTIONS, ENTRY, LIST, OPCODES, U8
from src.reading.records import MOST_BITS, Damaged, Marker, Raw, Record, Refused, decoded, exact
from src.structures import quoted

MARK = object()  # on the stack, where a list of arguments begins
SHORT = 4096  # bytes; longer text and bytes stay in the file until they are needed
MOST_OPCODES = 10_000_000  # some seconds of work; data as arrays needs a few hundred
SMALL_KEY = 2**20  # whole numbers below it cannot be chosen to collide in a dictionary
ODD_KEYS = 4096  # keys of other kinds, which can
SCALARS = (str, bytes, int, float, bool, type(None))


class Walk:
    """The machine: data, place in it, stack, memo, account."""

    def __init__(self, data: bytes | mmap.mmap, find: Callable[[tuple[str, str]], Marker | None],
                 persistent: Callable[[tuple], Any] | None = None, at: int = 0) -> None:
        self.data, self.view, self.at = data, memoryview(data), at
        self.find = find
        self.persistent = persistent  # what reads references to outside; only torch's files have them
        self.stack: list[Any] = []
        self.marks: list[int] = []  # places in the stack that hold MARK
        self.memo: list[Any] = []  # MARK where nothing was remembered
        self.left = 2 * len(data) + 48 * 2**20
        self.odd_keys = 0
        self.steps = MOST_OPCODES

    def run(self) -> Any:
        """The object that the pickle describes; raises Refused or Damaged. Afterwards `at` is behind its end."""
        data, end, stack = self.data, len(self.data), self.stack
        while self.steps > 0:
            self.steps -= 1
            if self.at >= end:
                raise Damaged("it ends without a STOP")
            code = data[self.at]
            self.at += 1
            if code == 46:  # STOP
                if len(stack) != 1 or self.marks:
                    raise Damaged("it stops in the middle")
                return stack[0]
            action = ACTIONS[code]
            if action is None:
                if code not in OPCODES:
                    raise Damaged(f"the byte {code:#04x} where an opcode belongs")
                raise Refused(f"the opcode {OPCODES[code]}")
            action(self)
        raise Refused(f"more than {MOST_OPCODES} small pieces")

    # --- reading the file, the stack and the account ---

    def pay(self, size: int) -> None:
        """Take `size` bytes from the account; raises Refused where it is overdrawn."""
        self.left -= size
        if self.left < 0:
            raise Refused("objects that need many times the memory of the file")

    def push(self, value: Any, size: int) -> None:
        self.pay(size)
        self.stack.append(value)

    def take(self, count: int) -> memoryview:
        """The next `count` bytes of the file, not copied."""
        start, self.at = self.at, self.at + count
        if self.at > len(self.data):
            raise Damaged(f"it promises {count} more bytes where {len(self.data) - start} are left")
        return self.view[start:self.at]

    def number(self, form: struct.Struct) -> Any:
        return form.unpack(self.take(form.size))[0]

    def line(self, most: int) -> bytes:
        """The next line of the file; raises Damaged where it is longer than `most` bytes."""
        end = self.data.find(b"\n", self.at, self.at + most + 1)
        if end < 0:
            raise Damaged("a line without an end")
        start, self.at = self.at, end + 1
        return self.data[start:end]

    def pop(self) -> Any:
        """The top of the stack, which may not be a mark."""
        if not self.stack or self.stack[-1] is MARK:
            raise Damaged("an opcode without its argument")
        return self.stack.pop()

    def top(self) -> Any:
        """The top of the stack, which stays."""
        if not self.stack or self.stack[-1] is MARK:
            raise Damaged("an opcode without its argument")
        return self.stack[-1]

    def marked(self) -> list[Any]:
        """Everything above the last mark, taken off together with it."""
        if not self.marks:
            raise Damaged("an opcode without its mark")
        start = self.marks.pop()
        items = self.stack[start + 1:]
        del self.stack[start:]
        return items

    def key(self, value: Any) -> Any:
        """A value as a key; raises Refused for kinds that can be chosen to collide, nest or grow."""
        if isinstance(value, np.generic):
            value = value.item()
        kind = type(value)
        if kind is str or kind is bytes or kind is int and -SMALL_KEY < value < SMALL_KEY:
            return value
        flat = kind is tuple and len(value) <= 16 and all(type(item) in SCALARS for item in value)
        if not flat and kind not in SCALARS:
            raise Refused(f"a key that is a {kind.__name__}, where text or a number belongs")
        self.odd_keys += 1
        if self.odd_keys > ODD_KEYS:
            raise Refused(f"more than {ODD_KEYS} keys that are neither text nor small whole numbers")
        return value

    # --- opcodes that need more than a line ---

    def text(self, size: int, encoding: str) -> None:
        """Text or bytes of a given length; long ones stay in the file."""
        view = self.take(size)
        if size > SHORT:
            self.push(Raw(view, encoding), 200)
        else:
            value = decoded(view, encoding) if encoding else bytes(view)
            self.push(value, 60 + size * (1 if value.isascii() else 4))

    def text_line(self, encoding: str) -> None:
        """Text up to the end of the line, of protocol 0."""
        line = self.line(len(self.data))
        if encoding == "string":
            if len(line) < 2 or line[:1] != line[-1:] or line[:1] not in (b"'", b'"'):
                raise Damaged("a string without its quotes")
            self.pay(2 * len(line))
            line, encoding = escaped(line[1:-1]), "latin1"
        view = memoryview(line)
        self.pay(len(line))
        short = len(line) <= SHORT
        self.push(decoded(view, encoding) if short else Raw(view, encoding), 200 + 4 * min(len(line), SHORT))

    def integer_line(self) -> None:
        """A whole number or a truth value, of protocol 0."""
        line = self.line(64).rstrip(b"L")
        truth = {b"00": False, b"01": True}.get(line)
        try:
            self.push(int(line) if truth is None else truth, 40)
        except ValueError as error:
            raise Damaged("a number that is none") from error

    def float_line(self) -> None:
        """A number, of protocol 0."""
        try:
            self.push(float(self.line(400)), 32)
        except ValueError as error:
            raise Damaged("a number that is none") from error

    def long(self, size: int) -> None:
        """A whole number of `size` bytes."""
        if not 0 <= size <= MOST_BITS // 8:
            raise Refused(f"a whole number of {size} bytes")
        self.push(int.from_bytes(self.take(size), "little", signed=True), 40)

    def name(self, module: Any, name: Any) -> None:
        """A name becomes its marker; raises Refused for one that is not in the table."""
        marker = self.find((module, name)) if type(module) is str and type(name) is str else None
        if marker is None:
            raise Refused(quoted(f"{module}.{name}" if type(module) is type(name) is str else "a name that is no text",
                                 120).strip("'"))
        self.push(marker, 16)

    def name_lines(self) -> None:
        """A name as two lines."""
        module, name = (decoded(memoryview(self.line(1000)), "utf-8") for _ in range(2))
        self.name(module, name)

    def stack_name(self) -> None:
        """A name as two texts on the stack."""
        name, module = self.pop(), self.pop()
        self.name(module, name)

    def call(self, slot: str) -> None:
        """REDUCE and NEWOBJ: the marker's own function on a tuple of arguments."""
        arguments, marker = self.pop(), self.pop()
        action = getattr(marker, slot) if isinstance(marker, Marker) else None
        if action is None:
            raise Refused(f"a call of {marker.name if isinstance(marker, Marker) else 'a ' + type(marker).__name__}")
        self.push(action(exact(arguments, tuple)), LIST)

    def build(self) -> None:
        """BUILD: a record takes its state."""
        state, target = self.pop(), self.top()
        if self.persistent and type(target) is dict is type(state):
            return  # the versions that torch keeps as an attribute of a state_dict
        if not isinstance(target, Record):
            raise Refused(f"a state for {target.name if isinstance(target, Marker) else 'a ' + type(target).__name__}")
        target.build(state)
        target.follow(self)

    def inner(self, find: Callable[[tuple[str, str]], Marker | None]) -> Any:
        """The object of a whole pickle that stands here within this one; both are paid from one account."""
        walk = Walk(self.data, find, at=self.at)
        walk.left, walk.steps = self.left, self.steps
        found = walk.run()
        self.at, self.left, self.steps = walk.at, walk.left, walk.steps
        return found

    def persist(self) -> None:
        """An object outside the pickle, where the kind of file has those."""
        token = self.pop()
        if self.persistent is None:
            raise Refused("a reference to something outside the file")
        self.push(self.persistent(exact(token, tuple)), LIST)

    def put(self, index: int) -> None:
        """Remember the top of the stack; numbers that are left out are paid for too."""
        value, more = self.top(), index + 1 - len(self.memo)
        if more > 0:
            self.pay(10 * more)
            self.memo += [MARK] * more
        self.memo[index] = value

    def get(self, index: int) -> None:
        """Push a remembered object."""
        if index >= len(self.memo) or self.memo[index] is MARK:
            raise Damaged(f"it refers to entry {index}, which it did not make")
        self.push(self.memo[index], 10)

    def index_line(self) -> int:
        """A number of the memo, of protocol 0."""
        line = self.line(20)
        if not line.isdigit():
            raise Damaged("a memo number that is none")
        return int(line)

    def push_tuple(self, items: list[Any]) -> None:
        self.push(tuple(items), LIST + 9 * len(items))

    def mark(self) -> None:
        self.marks.append(len(self.stack))
        self.push(MARK, 50)

    def append(self, items: list[Any]) -> None:
        self.pay(10 * len(items))
        exact(self.top(), list).extend(items)

    def set_items(self, items: list[Any]) -> None:
        """Keys and values in turn, into a dictionary."""
        if len(items) % 2:
            raise Damaged("a key without its value")
        self.pay(ENTRY * len(items) // 2)
        target = exact(self.top(), dict)
        for key, value in zip(items[::2], items[1::2], strict=True):
            target[self.key(key)] = value

    def pairs(self, items: list[Any]) -> None:
        """A new dictionary from keys and values in turn."""
        self.push({}, LIST)
        self.set_items(items)

    def push_set(self, kind: type, items: list[Any]) -> None:
        self.push(kind(map(self.key, items)), LIST + ENTRY * len(items))

    def add_items(self, items: list[Any]) -> None:
        self.pay(ENTRY * len(items))
        exact(self.top(), set).update(map(self.key, items))

    def protocol(self) -> None:
        if self.take(1)[0] > 5:
            raise Refused("a pickle protocol above 5")

    def frame(self) -> None:
        """A promise that so many bytes follow, which is all that it says."""
        size = self.number(U8)
        if size > len(self.data) - self.at:
            raise Damaged(f"it promises {size} more bytes where {len(self.data) - self.at} are left")


def escaped(line: bytes) -> bytes:
    """The bytes of a Python 2 string literal without its quotes; raises Damaged for a wrong escape."""
    try:
        return codecs.escape_decode(line)[0]
    except ValueError as error:
        raise Damaged("a string with a wrong escape") from error
