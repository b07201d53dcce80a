"""Whatever is printed reaches whatever stream, or is given up in silence."""

import io
import os
import sys

import pytest

from src.streams import Stream, safe, safe_streams


def written(text, encoding="utf-8", keep="\n\t"):
    """What a strict stream of an encoding receives."""
    raw = io.BytesIO()
    target = io.TextIOWrapper(raw, encoding=encoding, errors="strict", newline="")
    stream = Stream(target, keep)
    stream.write(text)
    stream.flush()
    return raw.getvalue().decode(encoding)


@pytest.mark.parametrize("text, shown", [
    ("a\tb\n", "a\tb\n"), ("\x1b[31m", "\\x1b[31m"), ("a\rb", "a\\rb"), ("\u202e", "\\u202e"), ("\udcff", "\\udcff"),
    ("\u00e9", "\u00e9")])
def test_control_characters_of_others_are_escaped(text, shown):
    assert written(text) == shown


def test_characters_that_the_encoding_lacks_are_escaped():
    assert written("\u00e9\u4e00", "ascii") == "\\xe9\\u4e00" and written("\u00e9\u4e00", "latin1") == "\u00e9\\u4e00"


def test_progress_bars_return_on_standard_error_only():
    with safe_streams() as (out, error):
        assert "\r" in error.keep and "\r" not in out.keep


def test_text_in_memory_needs_no_encoding():
    target = io.StringIO()
    print("\u4e00\x07", file=Stream(target, "\n"))
    assert target.getvalue() == "\u4e00\\x07\n"


def test_a_closed_pipe_is_remembered_and_later_text_is_given_up():
    read, write = os.pipe()
    os.close(read)
    target = os.fdopen(write, "w")
    stream = Stream(target, "\n")
    for _ in range(3):
        print("x" * 100_000, file=stream, flush=True)
    assert isinstance(stream.lost, BrokenPipeError)
    target.close()  # what the buffer held goes nowhere, and raises nothing


@pytest.mark.parametrize("target", [None, io.StringIO()])
def test_a_stream_that_is_closed_already_takes_everything(target):
    if target:
        target.close()
    stream = safe(target)
    print("x", file=stream, flush=True)
    assert not stream.isatty()


def test_the_streams_of_before_come_back():
    earlier = sys.stdout, sys.stderr
    with safe_streams():
        assert sys.stdout is not earlier[0]
    assert (sys.stdout, sys.stderr) == earlier
