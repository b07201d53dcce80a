#!/usr/bin/env bash
# The whole test suite; arguments are passed to pytest.
set -euo pipefail
# The folder of this script, also where it is called through links (macOS has no readlink -f) or CDPATH is set.
here="${BASH_SOURCE[0]}"
while [[ -L "$here" ]]; do
    link="$(readlink "$here")"
    case "$link" in /*) here="$link" ;; *) here="$(dirname "$here")/$link" ;; esac
done
source "$(dirname "$here")/../environment.sh"
exec "$PYTHON" -m pytest tests "$@"
