#!/usr/bin/env bash
# The whole test suite; arguments are passed to pytest.
set -euo pipefail
here="${BASH_SOURCE[0]}"
while [[ -L "$here" ]]; do # by hand, since readlink -f is missing on older systems
    link="$(readlink "$here")"
    [[ "$link" == /* ]] || link="$(dirname "$here")/$link"
    here="$link"
done
unset PYTHONDONTWRITEBYTECODE # a hundred processes are started, each of which would compile all files again
TESTING=1 source "$(dirname "$here")/../environment.sh"
# One process more than cores, since many tests wait for others that they start.
processes="$("$PYTHON" -c 'import os; print(min(4, (os.cpu_count() or 1) + 1))')"
exec "$PYTHON" -m pytest tests --numprocesses "$processes" --dist loadgroup "$@"
