#!/usr/bin/env bash
# The whole test suite; arguments are passed to pytest.
set -euo pipefail
unset CDPATH  # with it, cd prints where it went
self="${BASH_SOURCE[0]}"
while [[ -L "$self" ]]; do  # a link to this script; macOS has no readlink -f
    cd -P -- "$(dirname -- "$self")"
    self="$(readlink -- "$(basename -- "$self")")"
done
source "$(dirname -- "$self")/../environment.sh"
exec "$PYTHON" -m pytest tests "$@"
