"""One process at a time works in a folder, and nothing but the folder says so."""

import errno
import subprocess
import sys
from pathlib import Path

import pytest

from src import locks
from src.locks import BUSY, FolderLock, busy
from src.structures import InputError

ROOT = Path(__file__).parent.parent.parent
OWNER = ("import sys\nfrom pathlib import Path\nfrom src.locks import FolderLock\n"
         "with FolderLock(Path(sys.argv[1]), 'wait'):\n    print(flush=True)\n    sys.stdin.read()\n")


@pytest.fixture
def owner(tmp_path):
    """Another process that works in a folder."""
    process = subprocess.Popen([sys.executable, "-c", OWNER, str(tmp_path / "run")], cwd=ROOT, stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE)
    process.stdout.readline()
    yield process
    process.kill()
    process.wait()


def test_the_second_process_says_so_and_the_lock_dies_with_its_owner(owner, tmp_path):
    with pytest.raises(InputError, match=f"{BUSY} .*run; wait a while"), FolderLock(tmp_path / "run", "wait a while"):
        pass
    assert busy(tmp_path / "run")
    owner.kill()
    owner.wait()
    assert not busy(tmp_path / "run")
    with FolderLock(tmp_path / "run", ""):
        assert list((tmp_path / "run").iterdir()) == []


def test_an_empty_folder_goes_and_a_used_one_stays(tmp_path):
    with FolderLock(tmp_path / "a" / "b", ""):
        assert (tmp_path / "a" / "b").is_dir()
    assert not (tmp_path / "a").exists()
    with FolderLock(tmp_path / "a" / "b", ""):
        (tmp_path / "a" / "b" / "x").touch()
    assert (tmp_path / "a" / "b" / "x").exists()


def test_a_renamed_folder_takes_its_lock_along(tmp_path):
    folder = tmp_path / "run"
    with FolderLock(folder, "") as lock:
        (folder / "x").touch()
        folder.rename(tmp_path / "old")
        lock.acquire()
        assert busy(folder) and not busy(tmp_path / "old")


def test_a_folder_renamed_between_opening_and_locking_is_opened_again(tmp_path, monkeypatch):
    folder, plain = tmp_path / "run", locks._lock
    folder.mkdir()

    def lock_late(descriptor):
        if not (tmp_path / "old").exists():
            folder.rename(tmp_path / "old")
        return plain(descriptor)

    monkeypatch.setattr(locks, "_lock", lock_late)
    with FolderLock(folder, ""):
        assert folder.exists() and not busy(tmp_path / "old")


@pytest.mark.parametrize("make", [Path.touch, lambda path: path.symlink_to("nowhere"), lambda p: p.symlink_to(p)],
                         ids=["file", "dangling", "loop"])
def test_what_is_no_folder_is_one_sentence(tmp_path, make):
    make(tmp_path / "run")
    with pytest.raises(InputError, match="cannot be written"), FolderLock(tmp_path / "run", ""):
        pass


def test_a_link_to_a_folder_locks_the_folder(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "run").symlink_to(tmp_path / "real")
    with FolderLock(tmp_path / "run", ""):
        assert busy(tmp_path / "real")
    assert (tmp_path / "real").is_dir()


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_carried_on_with(tmp_path, monkeypatch, code):
    def refuse(*_):
        raise OSError(code, "no locks")

    monkeypatch.setattr(locks.fcntl, "flock", refuse)
    with FolderLock(tmp_path / "run", ""):
        assert (tmp_path / "run").is_dir()


def test_a_system_without_locks_is_carried_on_with(tmp_path, monkeypatch):
    monkeypatch.setattr(locks, "fcntl", None)
    with FolderLock(tmp_path / "run", ""):
        assert not busy(tmp_path / "run")
