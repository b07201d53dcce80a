"""Attack the project: `python -m tests.attacks pickles --count 10000` prints what was tried and what failed."""

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.attacks import checkpoints, command_lines, pickles
from tests.attacks.tally import Tally

ATTACKS: dict[str, Callable[[Path, int, int], Tally]] = {
    "pickles": pickles.attack, "checkpoints": checkpoints.attack, "command_lines": command_lines.attack}


def main() -> int:
    """Run one attack in a folder that is removed again; 0 where nothing failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("attack", choices=ATTACKS)
    parser.add_argument("--count", type=int, default=500, help="random cases")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        tally = ATTACKS[options.attack](Path(folder), options.count, options.seed)
    print(f"{options.attack}, seed {options.seed}\n{tally}")
    return int(tally.failed > 0)


if __name__ == "__main__":
    raise SystemExit(main())
