#!/usr/bin/env bash
# Evaluate what main.sh trained with the same four arguments, or the demonstration if it had none.
#   bash inference.sh GPU NAME SEED DATASET [flags] GPU is a number, cpu or auto; bash inference.sh --help lists the flags
set -euo pipefail
if [[ $# -eq 0 ]]; then
    set -- --method demo
elif [[ $# -ge 4 ]]; then
    set -- --device="$1" --name="$2" --seed="$3" --dataset="$4" "${@:5}"
elif [[ "$1" != "--help" ]]; then
    echo "usage: bash inference.sh GPU NAME SEED DATASET [flags], or no argument for the demonstration; got $# arguments" >&2
    exit 2
fi
here="${BASH_SOURCE[0]}"
while [[ -L "$here" ]]; do # by hand, since readlink -f is missing on older systems
    link="$(readlink "$here")"
    [[ "$link" == /* ]] || link="$(dirname "$here")/$link"
    here="$link"
done
source "$(dirname "$here")/environment.sh"
exec "$PYTHON" inference.py "$@"
