"""A folder that one process at a time works in; the lock lies on the folder itself and dies with its owner."""

import contextlib
import errno
import os
from pathlib import Path

from src.structures import InputError

try:
    import fcntl
except ImportError:  # Windows: as on file systems without locks, two processes are then not told apart
    fcntl = None  # type: ignore[assignment]

BUSY = "another process works in"  # a study recognises the message of its runs by these words
TRIES = 100


class FolderLock:
    """Makes a folder and keeps others out of it while the context lasts; leaves no file.

    A folder that was made here or was found empty, as a killed process leaves it, is removed if it ends empty.
    """

    def __init__(self, folder: Path, advice: str) -> None:
        self.folder, self.advice = folder, advice
        self.descriptor = -1
        self.made: list[Path] = []

    def __enter__(self) -> "FolderLock":
        try:
            self.acquire()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            for folder in self.made:
                folder.rmdir()  # refuses, and ends the clean-up, where something was written
        if self.descriptor >= 0:
            os.close(self.descriptor)
        self.descriptor = -1

    def acquire(self) -> None:
        """Lock the folder that has the name now, in the place of one that was renamed since.

        Raises InputError where another process has it, or where it cannot be made.
        """
        for _ in range(TRIES):
            descriptor = self._open()
            if not _lock(descriptor):
                os.close(descriptor)
                raise InputError(f"{BUSY} {self.folder}; {self.advice}")
            if _same(descriptor, self.folder):
                if self.descriptor >= 0:
                    os.close(self.descriptor)
                self.descriptor = descriptor
                if self.folder not in self.made and not any(self.folder.iterdir()):
                    self.made.insert(0, self.folder)
                return
            os.close(descriptor)  # renamed or removed by its owner between the two calls
        raise InputError(f"{self.folder} is renamed all the time by another process; {self.advice}")

    def _open(self) -> int:
        """Make the folder and open it; InputError where that fails."""
        missing = [path for path in (self.folder, *self.folder.parents) if not path.exists()]
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self.folder, os.O_RDONLY)
        except OSError as error:
            self.made = missing + self.made
            raise InputError(f"{self.folder} cannot be written ({error.strerror}); choose another folder") from error
        self.made = missing + self.made
        return descriptor


def busy(folder: Path) -> bool:
    """Whether a process works in a folder now."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        return False
    try:
        return not _lock(descriptor)
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> bool:
    """Lock an open folder; False where another process has it, True also where the file system knows no locks."""
    if fcntl is None:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES)
    return True


def _same(descriptor: int, folder: Path) -> bool:
    """Whether an open folder still has its name."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(folder))
    except OSError:
        return False
