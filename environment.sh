# Sourced by main.sh, inference.sh and tests/run.sh: sets PYTHON to an interpreter that has requirements.txt, and with
# TESTING set, what the tests need too. An active environment in which every package lies in its range is taken;
# otherwise .venv is made here, once, with the versions of requirements.lock, by uv where it is installed, else by pip.
# CAUSALMER_TORCH chooses torch's build by its name in PyTorch's index: cpu, cu126, ...; without it pip's index decides.

here="${BASH_SOURCE[0]}"
while [[ -L "$here" ]]; do
    link="$(readlink "$here")"
    [[ "$link" == /* ]] || link="$(dirname "$here")/$link"
    here="$link"
done
# With CDPATH, or with a function of the user's in its place, cd would go elsewhere and print.
ROOT="$(CDPATH='' builtin cd -- "$(dirname "$here")" >/dev/null && pwd -P)"
PYTHON=""

NEEDED=("$ROOT/requirements.txt")
if [[ -n "${TESTING:-}" ]]; then
    NEEDED+=("$ROOT/tests/requirements.txt")
fi

# Does the interpreter "$1" have every line of the lists?
satisfies() {
    "$1" - "${NEEDED[@]}" 2>/dev/null <<'PY'
import sys
from importlib.metadata import version

try:
    from packaging.requirements import Requirement
except ImportError:
    from pip._vendor.packaging.requirements import Requirement
for path in sys.argv[1:]:
    with open(path) as file:
        for item in (Requirement(line.strip()) for line in file if line.strip()):
            if not item.specifier.contains(version(item.name), prereleases=True):
                sys.exit(1)
PY
}

# Install into the environment "$1" what the other words name, which are pip's and uv's alike.
install() {
    local python="$1/bin/python"
    shift
    if command -v uv >/dev/null; then
        uv pip install --quiet --python "$python" -c "$ROOT/requirements.lock" "$@"
    else
        "$python" -m pip install --quiet --disable-pip-version-check -c "$ROOT/requirements.lock" "$@"
    fi
}

find_environment() {
    local venv="$ROOT/.venv" active="${VIRTUAL_ENV:-${CONDA_PREFIX:-}}" build="${CAUSALMER_TORCH:-}" base began
    if [[ -n "$active" && -x "$active/bin/python" ]] && satisfies "$active/bin/python"; then
        PYTHON="$active/bin/python"
        return
    fi
    if [[ ! "$build" =~ ^[a-z0-9.]*$ ]]; then
        echo "error: CAUSALMER_TORCH is '$build'; give the name of a build, such as cpu or cu126" >&2
        exit 2
    fi
    if [[ ! -x "$venv/bin/python" ]] || ! cmp -s "$ROOT/requirements.lock" "$venv/installed.lock" ||
        [[ -n "$build" && "$(cat "$venv/installed.torch" 2>/dev/null)" != "$build" ]] ||
        ! satisfies "$venv/bin/python"; then
        began=$SECONDS
        base="$(command -v python3 || command -v python || true)"
        if [[ -z "$base" ]] || ! "$base" -c 'import sys; sys.exit(sys.version_info < (3, 10))'; then
            echo "error: no Python of version 3.10 or newer was found as python3; install one" >&2
            exit 1
        fi
        echo "installing the packages of requirements.lock into $venv (once; torch is large)" >&2
        if ! "$base" -m venv "$venv"; then
            echo "error: $base could not make a virtual environment; on Debian and Ubuntu: apt install python3-venv" >&2
            exit 1
        fi
        if ! { [[ -z "$build" ]] || install "$venv" torch --no-deps --force-reinstall \
            --index-url "https://download.pytorch.org/whl/$build"; } ||
            ! install "$venv" "${NEEDED[@]/#/--requirement=}"; then
            echo "error: the packages could not be installed; see the message above, then run the command again" >&2
            exit 1
        fi
        echo "$build" >"$venv/installed.torch"
        cp "$ROOT/requirements.lock" "$venv/installed.lock"
        echo "installed $(du -sm "$venv" | cut -f 1) MB in $((SECONDS - began)) s" >&2
    fi
    PYTHON="$venv/bin/python"
}

find_environment
builtin cd -- "$ROOT"
