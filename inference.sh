#!/usr/bin/env bash
# Evaluate what main.sh trained with the same four arguments.
#   bash inference.sh GPU NAME SEED DATASET [flags]      GPU is a number, cpu or auto; flags: python inference.py --help
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"

if [[ $# -lt 4 ]]; then
    echo "usage: bash inference.sh GPU NAME SEED DATASET [flags]; got $# arguments" >&2
    exit 2
fi
exec "$PYTHON" inference.py --device="$1" --name="$2" --seed="$3" --dataset="$4" "${@:5}"
