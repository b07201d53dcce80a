"""Standard output and error as they reach a terminal: no control characters, no missing letters, no broken pipe."""

import contextlib
import os
import sys
from collections.abc import Iterable, Iterator
from typing import Any, TextIO

from src.structures import printable


class Stream:
    """A text stream that can always be written to; `lost` is the first error of the stream behind it."""

    def __init__(self, target: TextIO | None, keep: str) -> None:
        self.target, self.keep = target, keep  # None: the stream was closed before the process began
        self.lost: OSError | None = None

    def write(self, text: str) -> int:
        """Write what can be shown; nothing once the stream is lost."""
        shown = printable(text, self.keep)
        encoding = getattr(self.target, "encoding", None) or "utf-8"
        try:
            shown.encode(encoding)
        except UnicodeEncodeError:
            shown = shown.encode(encoding, "backslashreplace").decode(encoding)
        self._try("write", shown)
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write several texts."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Hand on what was written."""
        self._try("flush")

    def isatty(self) -> bool:
        """Whether a person looks at it."""
        return self.target is not None and self.lost is None and self.target.isatty()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.target, name)

    def _try(self, method: str, *arguments: str) -> None:
        if self.target is None or self.lost:
            return
        try:
            getattr(self.target, method)(*arguments)
        except OSError as error:
            self.lost = error
            with contextlib.suppress(OSError, ValueError, AttributeError):
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, self.target.fileno())  # what the buffer holds would fail again at the very end
                os.close(nowhere)
        except ValueError as error:  # closed by someone else
            self.lost = OSError(str(error))


def safe(target: TextIO | None) -> Stream:
    """Standard output or error made safe; line ends and tabs stay, and the \\r of progress bars."""
    return Stream(target, "\n\t" if target is sys.stdout else "\n\t\r")


@contextlib.contextmanager
def safe_streams() -> Iterator[tuple[Stream, Stream]]:
    """Replace standard output and error for the body."""
    earlier = sys.stdout, sys.stderr
    streams = safe(sys.stdout), safe(sys.stderr)
    sys.stdout, sys.stderr = streams
    try:
        yield streams
    finally:
        sys.stdout, sys.stderr = earlier
