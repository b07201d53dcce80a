"""The shell scripts on machines as users have them; a stub in the place of Python keeps these tests quick."""

import os
import shlex
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


@pytest.mark.parametrize("name, command", [("main.sh", "main.py --method demo"),
                                           ("inference.sh", "inference.py --method demo")])
def test_without_arguments_the_demonstration_is_trained_and_evaluated(clone, name, command):
    done = subprocess.run(["bash", name], cwd=clone, capture_output=True, text=True, timeout=20,
                          env=os.environ | {"VIRTUAL_ENV": str(clone.parent / "the venv")})
    assert done.stdout == f"{clone}: {command}\n", done.stderr


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


@pytest.fixture
def tools(clone):
    """Stubs of python3 and uv on a PATH of their own, which write what they are asked into calls.txt."""
    folder = clone.parent / "tools"
    folder.mkdir()
    calls = clone.parent / "calls.txt"
    python = f"""#!/bin/bash
if [[ "$*" == *"-m venv"* ]]; then mkdir -p "${{@: -1}}/bin"; cp "$0" "${{@: -1}}/bin/python"
elif [[ "$1" == - ]]; then cat > /dev/null
elif [[ "$1" == -m ]]; then echo "$*" >> {shlex.quote(str(calls))}; fi
"""
    for name, text in {"python3": python, "uv": f"#!/bin/bash\necho uv \"$*\" >> {shlex.quote(str(calls))}\n"}.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    return folder, calls


def first_start(clone, tools, uv=False, **environment):
    """Source the environment where nothing is installed; the result and what was called."""
    folder, calls = tools
    if not uv:
        (folder / "uv").unlink(missing_ok=True)
    calls.write_text("")
    done = subprocess.run(["/bin/bash", "-euc", "source ./environment.sh"], cwd=clone, capture_output=True, text=True,
                          env={"PATH": f"{folder}:/usr/bin:/bin"} | environment, timeout=20)
    return done, calls.read_text().splitlines()


def test_the_build_of_torch_comes_from_its_own_index_and_the_rest_after_it(clone, tools):
    done, (torch, rest) = first_start(clone, tools, CAUSALMER_TORCH="cpu")
    assert "pip install" in torch and torch.endswith(
        " torch --no-deps --force-reinstall --index-url https://download.pytorch.org/whl/cpu")
    assert rest.endswith(f"--requirement={clone}/requirements.txt") and "installed " in done.stderr
    assert first_start(clone, tools, CAUSALMER_TORCH="cpu")[1] == []  # nothing is left to install
    assert len(first_start(clone, tools, CAUSALMER_TORCH="cu126")[1]) == 2
    assert first_start(clone, tools)[1] == []


def test_without_a_word_on_torch_one_call_installs_everything(clone, tools):
    assert len(first_start(clone, tools)[1]) == 1


def test_uv_installs_where_it_is_there(clone, tools):
    _, calls = first_start(clone, tools, uv=True)
    assert calls == [f"uv pip install --quiet --python {clone}/.venv/bin/python -c {clone}/requirements.lock "
                     f"--requirement={clone}/requirements.txt"]


def test_a_build_that_is_no_name_is_refused(clone, tools):
    done, calls = first_start(clone, tools, CAUSALMER_TORCH="https://x")
    assert done.returncode == 2 and "give the name of a build, such as cpu" in done.stderr and calls == []
