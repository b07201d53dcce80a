"""The opcodes of a pickle that data needs, and what the walk does at each; all others are refused."""

import pickle
import struct
from collections.abc import Callable
from typing import Any

U1, U2, U4, U8 = (struct.Struct(f"<{code}") for code in "BHIQ")
I4, F8 = struct.Struct("<i"), struct.Struct(">d")
LIST, ENTRY = 250, 100  # bytes that a container and an entry of a dictionary take, up to the end of `finish`
OPCODES = {getattr(pickle, name)[0]: name for name in pickle.__all__
           if name.isupper() and isinstance(getattr(pickle, name), bytes)}
ACTIONS: list[Callable[[Any], None] | None] = [None] * 256
for _names, _action in {
    "NONE": lambda w: w.push(None, 9), "NEWTRUE": lambda w: w.push(True, 9), "NEWFALSE": lambda w: w.push(False, 9),
    "INT LONG": lambda w: w.integer_line(), "FLOAT": lambda w: w.float_line(),
    "BININT": lambda w: w.push(w.number(I4), 40), "BININT1": lambda w: w.push(w.number(U1), 9),
    "BININT2": lambda w: w.push(w.number(U2), 40), "BINFLOAT": lambda w: w.push(w.number(F8), 33),
    "LONG1": lambda w: w.long(w.number(U1)), "LONG4": lambda w: w.long(w.number(I4)),
    "STRING": lambda w: w.text_line("string"), "UNICODE": lambda w: w.text_line("raw-unicode-escape"),
    "SHORT_BINSTRING": lambda w: w.text(w.number(U1), "latin1"), "BINSTRING": lambda w: w.text(w.number(U4), "latin1"),
    "SHORT_BINUNICODE": lambda w: w.text(w.number(U1), "utf-8"), "BINUNICODE": lambda w: w.text(w.number(U4), "utf-8"),
    "BINUNICODE8": lambda w: w.text(w.number(U8), "utf-8"), "SHORT_BINBYTES": lambda w: w.text(w.number(U1), ""),
    "BINBYTES": lambda w: w.text(w.number(U4), ""), "BINBYTES8 BYTEARRAY8": lambda w: w.text(w.number(U8), ""),
    "MARK": lambda w: w.mark(), "EMPTY_TUPLE": lambda w: w.push((), 9), "TUPLE": lambda w: w.push_tuple(w.marked()),
    "TUPLE1": lambda w: w.push_tuple([w.pop()]), "TUPLE2": lambda w: w.push_tuple([w.pop(), w.pop()][::-1]),
    "TUPLE3": lambda w: w.push_tuple([w.pop(), w.pop(), w.pop()][::-1]),
    "EMPTY_LIST": lambda w: w.push([], LIST), "LIST": lambda w: w.push(w.marked(), LIST),
    "APPEND": lambda w: w.append([w.pop()]), "APPENDS": lambda w: w.append(w.marked()),
    "EMPTY_DICT": lambda w: w.push({}, LIST), "DICT": lambda w: w.pairs(w.marked()),
    "SETITEM": lambda w: w.set_items([w.pop(), w.pop()][::-1]), "SETITEMS": lambda w: w.set_items(w.marked()),
    "EMPTY_SET": lambda w: w.push(set(), LIST), "ADDITEMS": lambda w: w.add_items(w.marked()),
    "FROZENSET": lambda w: w.push_set(frozenset, w.marked()),
    "PUT": lambda w: w.put(w.index_line()), "BINPUT": lambda w: w.put(w.number(U1)),
    "LONG_BINPUT": lambda w: w.put(w.number(U4)), "MEMOIZE": lambda w: w.put(len(w.memo)),
    "GET": lambda w: w.get(w.index_line()), "BINGET": lambda w: w.get(w.number(U1)),
    "LONG_BINGET": lambda w: w.get(w.number(U4)),
    "GLOBAL": lambda w: w.name_lines(), "STACK_GLOBAL": lambda w: w.stack_name(), "BINPERSID": lambda w: w.persist(),
    "REDUCE": lambda w: w.call("call"), "NEWOBJ": lambda w: w.call("new"), "BUILD": lambda w: w.build(),
    "PROTO": lambda w: w.protocol(), "FRAME": lambda w: w.frame(),
}.items():
    for _name in _names.split():
        ACTIONS[getattr(pickle, _name)[0]] = _action
