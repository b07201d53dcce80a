"""The shell scripts on machines as users have them; a stub in the place of Python keeps these tests quick."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SCRIPTS = {"main.sh": "main.py", "inference.sh": "inference.py", "tests/run.sh": "-m pytest tests",
           ".ci/run": "-m pytest tests"}
STUB = """#!/usr/bin/env bash
if [[ "$1" == - ]]; then cat > /dev/null; else echo "$PWD: $*"; fi
"""


@pytest.fixture
def clone(tmp_path):
    """The scripts alone, in a folder whose name has a space and a dash."""
    for name in (*SCRIPTS, "environment.sh", "requirements.txt", "tests/requirements.txt", "requirements.lock",
                 ".gitattributes"):
        (tmp_path / "a -b" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / "a -b" / name)
    python = tmp_path / "the venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(STUB)
    python.chmod(0o755)
    return tmp_path / "a -b"


def run(name, script, place, **environment):
    """Call a script by the path `script`, with the words that the one called `name` takes."""
    words = [] if "run" in name else ["cpu", "x", "1", "synthetic"]
    return subprocess.run(["bash", script, *words], cwd=place, capture_output=True, text=True, timeout=20,
                          env=os.environ | {"VIRTUAL_ENV": str(place / "the venv")} | environment)


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_finds_its_repository_whatever_cdpath_says(clone, name):
    done = run(name, f"{clone.name}/{name}", clone.parent, CDPATH=str(clone.parent))
    assert done.stdout.startswith(f"{clone}: {SCRIPTS[name]}") and done.stdout.count("\n") == 1, done.stderr


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_is_called_through_links_to_links(clone, name):
    links = clone.parent / "bin"
    links.mkdir()
    (links / "one.sh").symlink_to(clone / name)
    (clone.parent / "two.sh").symlink_to(Path("bin") / "one.sh")
    done = run(name, "two.sh", clone.parent)
    assert done.stdout.startswith(f"{clone}: {SCRIPTS[name]}"), done.stderr


def test_the_environment_is_sourced_through_a_link(clone):
    (clone.parent / "link.sh").symlink_to(clone / "environment.sh")
    done = subprocess.run(["bash", "-euc", "source link.sh; echo $PWD"], cwd=clone.parent, capture_output=True,
                          text=True, env=os.environ | {"VIRTUAL_ENV": str(clone.parent / "the venv"), "CDPATH": "/"})
    assert done.stdout == f"{clone}\n", done.stderr


@pytest.mark.parametrize("name", [*SCRIPTS, "environment.sh"])
def test_a_script_is_valid_and_strict_bash(name):
    text = (ROOT / name).read_text()
    assert subprocess.run(["bash", "-n", str(ROOT / name)]).returncode == 0
    assert "\nset -euo pipefail\n" in text or name == "environment.sh"  # which is sourced


def test_a_clone_with_autocrlf_keeps_the_line_ends(clone):
    git = ["git", "-c", "core.autocrlf=true", "-c", "user.name=a", "-c", "user.email=a@b"]
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "x"], ["rm", "-qr", "--cached", "."],
                  ["reset", "-q", "--hard"]):
        subprocess.run([*git, *words], cwd=clone, check=True, capture_output=True)
    for path in clone.rglob("*"):
        assert ".git" in path.parts or path.is_dir() or b"\r" not in path.read_bytes(), path
