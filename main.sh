#!/usr/bin/env bash
# Train. Without arguments: the demonstration on synthetic data, the backbone alone beside CausalMER.
#   bash main.sh GPU NAME SEED DATASET [flags]      GPU is a number, cpu or auto; flags: python main.py --help
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"

if [[ $# -eq 0 ]]; then
    exec "$PYTHON" main.py --method paired
fi
if [[ $# -lt 4 ]]; then
    echo "usage: bash main.sh GPU NAME SEED DATASET [flags], or no argument for the demonstration; got $# arguments" >&2
    exit 2
fi
exec "$PYTHON" main.py --device="$1" --name="$2" --seed="$3" --dataset="$4" "${@:5}"
