"""Independent calls: one after the other as ever; in a CUDA graph, a pretended one, each on a stream of its own."""

import contextlib
from functools import partial

import pytest
import torch

from modules import concurrency
from modules.concurrency import concurrently
from src.structures import BackboneOutput, Batch


class Stream:
    """Notes what a CUDA stream is asked for."""

    notes: list[tuple] = []
    current: list["Stream"] = []

    def record_event(self):
        self.notes.append(("began", self))
        return "began", self

    def wait_event(self, event):
        self.notes.append(("waits for", self, event))

    def wait_stream(self, other):
        self.notes.append(("joins", self, other))


@contextlib.contextmanager
def on(stream):
    Stream.current.append(stream)
    yield
    Stream.current.pop()


@pytest.fixture
def capturing(monkeypatch):
    """Pretend that a CUDA graph is being captured; the stream that it began on."""
    Stream.notes, Stream.current = [], [Stream()]
    for name, value in {"is_initialized": lambda: True, "is_current_stream_capturing": lambda: True, "Stream": Stream,
                        "current_stream": lambda: Stream.current[-1], "stream": on}.items():
        monkeypatch.setattr(torch.cuda, name, value)
    monkeypatch.setattr(torch.Tensor, "record_stream", lambda x, stream: Stream.notes.append(("used", id(x), stream)))
    monkeypatch.setattr(concurrency, "_sides", {})
    return Stream.current[0]


def seen(value):
    return value, Stream.current[-1]


def test_elsewhere_calls_come_one_after_the_other():
    order = []
    found = concurrently({str(x): partial(lambda x: order.append(x) or 2 * x, x) for x in (3, 1, 2)})
    assert list(found.items()) == [("3", 6), ("1", 2), ("2", 4)]
    assert order == [3, 1, 2]


def test_every_call_has_a_stream_that_waits_for_what_was_before_and_is_waited_for(capturing):
    (first, one), (second, two) = concurrently({"a": partial(seen, 1), "b": partial(seen, 2)}).values()
    assert (first, second) == (1, 2) and len({one, two, capturing}) == 3
    began = ("began", capturing)
    assert Stream.notes == [began, ("waits for", one, began), ("waits for", two, began),
                            ("joins", capturing, one), ("joins", capturing, two)]


def test_calls_within_calls_share_no_stream_and_later_ones_take_the_same_again(capturing):
    def group():
        inner = {"a": partial(seen, 0), "b": partial(seen, 0)}
        return concurrently({name: partial(concurrently, inner) for name in "xyz"}).values()

    streams = [stream for inner in group() for _, stream in inner.values()]
    assert len({*streams, capturing}) == 7
    assert [stream for inner in group() for _, stream in inner.values()] == streams


def test_memory_of_what_goes_in_and_comes_out_is_kept_for_the_other_stream(capturing):
    x, y, z, logits, state = (torch.zeros(1) for _ in range(5))
    batch = Batch({"text": x, "audio": y}, z)
    (_, side), = concurrently({"a": partial(lambda one, *, more: (BackboneOutput(logits, state), Stream.current[-1]),
                                            batch, more=[None, z])}).values()
    used = [note[1:] for note in Stream.notes if note[0] == "used"]
    assert used == [*((id(one), side) for one in (x, y, z, z)), (id(logits), capturing), (id(state), capturing)]
