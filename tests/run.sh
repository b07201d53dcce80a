#!/usr/bin/env bash
# The whole test suite; arguments are passed to pytest.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../environment.sh"
exec "$PYTHON" -m pytest tests "$@"
