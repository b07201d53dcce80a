"""Make a shift out of a data file: a cue tied to the label in train, valid and test, untied or turned in other splits.

    python -m src.datasets.shift --dataset mosi --cue cluster:text --strength 0.7 --output shifted/mosi_data.pkl

Samples are chosen, never changed. All splits of the source are pooled; label frequencies are the same in every split,
unless the cue is `prior`; no sample, and no video or speaker where identifiers tell it, stands in two splits. A JSON
beside the file says how it was made. A shift whose cue tells no less about the label than before is refused.
"""

import argparse
import functools
import pickle
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import sklearn

import src.datasets  # noqa: F401  (fills the registry)
from src.datasets.base import DatasetSpec, chosen_task, data_file, dataset_spec, file_hash, open_file
from src.datasets.checks import inspect
from src.datasets.shift.cues import KINDS, hints
from src.datasets.shift.pool import Pool, pooled
from src.datasets.shift.proof import association, probes
from src.datasets.shift.sampling import (
    SHARES,
    Make,
    Wish,
    cells_of,
    check_classes,
    drawn,
    reach,
    skewed,
    tied,
    with_new_groups,
)
from src.flags import Parser, path, text
from src.process import finish
from src.runtime import atomic_file, run_command
from src.structures import InputError, UsageError
from src.writing import write_json

Made = tuple[dict[str, np.ndarray], np.ndarray, dict[str, Any]]  # splits, hints, what to tell of them


def run(argv: Sequence[str] | None) -> int:
    """Parse, make the splits, prove them, write them; 0, or InputError before anything is written."""
    options = _parser().parse(argv)
    if not 0 < options.strength <= 1:
        raise UsageError(f"--strength is a share in (0, 1], got {options.strength}")
    if not options.output.suffix == ".pkl":
        raise UsageError(f"--output has to end in .pkl, got {options.output.name!r}")
    spec = dataset_spec(options.dataset)
    file = data_file(options.data_path, spec, options.aligned, spec.Options())
    task = chosen_task(options.dataset, options.task)
    pool = _read(file, spec, task, spec.group if options.group is None else options.group)
    print(f"{file}: {len(pool)} samples" + (f", {pool.repeated} repetitions left out" if pool.repeated else "")
          + (f", {len(np.unique(pool.groups))} videos or speakers" if pool.groups is not None else
             ", no videos or speakers known"))
    own = hints(options.cue, pool, options.seed)
    splits, own, record = (_kept if options.keep_train else _made)(pool, own, options)
    record |= {"association": association(pool, own, splits), "probes": probes(pool, own, splits)}
    _show(record)
    fall = record["probes"]["cue"]["test"] - record["probes"]["cue"]["test_shifted"]
    if options.cue != "prior" and fall < options.fall:
        raise InputError(f"the cue {options.cue} alone loses {100 * fall:.1f} points from test to test_shifted, and "
                         f"--fall asks for {100 * options.fall:g}; raise --strength, take another cue, or lower --fall")
    _write(options.output, pool, splits, {
        "source": str(file.absolute()), "sha256": file_hash(file), "task": task, "cue": options.cue,
        "strength": options.strength, "seed": options.seed, "sides": list(pool.side_names),
        "versions": {"numpy": np.__version__, "scikit-learn": sklearn.__version__}, **record})
    print(f"written to {options.output}, and how it was made beside it")
    return 0


def _parser() -> Parser:
    parser = Parser(prog="python -m src.datasets.shift", description=__doc__, allow_abbrev=False,
                    formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", required=True, type=text, help="a data set by name, or your own file.pkl")
    parser.add_argument("--task", type=text, help="what the labels are (default: the dataset's)")
    parser.add_argument("--data_path", type=path, default=Path("data"), help="folder of the file (default: data)")
    parser.add_argument("--aligned", action=argparse.BooleanOptionalAction, default=True, help="word-aligned file")
    parser.add_argument("--cue", required=True, type=text, help=", ".join(KINDS))
    parser.add_argument("--strength", type=float, default=0.8,
                        help="share of train, valid and test whose cue hints at the label (default: 0.8)")
    parser.add_argument("--seed", type=int, default=0, help="of the draw (default: 0)")
    parser.add_argument("--output", required=True, type=path, help="the new file, .pkl")
    parser.add_argument("--keep_train", action="store_true", help="leave train and valid as they are, cut test alone")
    parser.add_argument("--group", type=text,
                        help="regular expression whose first bracket is the video or speaker of an identifier")
    parser.add_argument("--least", type=int, default=20, help="samples that every split needs (default: 20)")
    parser.add_argument("--fall", type=float, default=0.1,
                        help="by how much the cue alone has to be worse on test_shifted than on test (default: 0.1)")
    return parser


def _read(file: Path, spec: DatasetSpec, task: str, group: str) -> Pool:
    source = open_file(file, spec, task)
    raw = {name: dict(split) for name, split in source.items()}  # checking cleans it, and samples stay as they are
    for finding in inspect(raw, task):
        if finding.level == "FAIL":
            raise InputError(f"{file}: {finding.text}")
    try:
        return pooled(source, raw, task, group)
    except re.error as error:
        raise UsageError(f"--group is no regular expression ({error})") from None


def _make(cue: str) -> Make:
    return skewed if cue == "prior" else tied


def _made(pool: Pool, own: np.ndarray, options: argparse.Namespace) -> Made:
    """All splits drawn anew."""
    check_classes(pool, len(SHARES))
    make = _make(options.cue)
    most = reach(pool, own, make, SHARES, options.least)
    size = make(pool, options.strength, SHARES).size(cells_of(pool, own))
    if options.strength > most or size * min(SHARES.values()) < options.least:
        raise InputError(f"the cue {options.cue} can be tied to the label in a share of {most:g} at most if every "
                         f"split is to keep {options.least} samples, and --strength asks for {options.strength:g}; "
                         "lower one of --strength and --least")
    return *_drawn(pool, own, make(pool, options.strength, SHARES), options), {"strongest": most}


def _kept(pool: Pool, own: np.ndarray, options: argparse.Namespace) -> Made:
    """Train and valid as they are; test cut into one that is tied as train is, one untied and one turned."""
    tests = {"test": 0.4, "test_shifted": 0.4, "test_reversed": 0.2}
    indices = np.flatnonzero(np.char.startswith(pool.origin.astype(str), "test"))
    train = pool.origin == "train"
    strength = float((own[train] == pool.sides[train]).mean())
    part = pool.part(indices)
    check_classes(part, len(tests))
    wish = _make(options.cue)(part, strength, tests)
    if wish.size(cells_of(part, own[indices])) * min(tests.values()) < options.least:
        raise InputError(f"the cue {options.cue} hints at the label of {strength:.2f} of train, and {len(part)} test "
                         f"samples cannot be cut so that every part keeps {options.least}; lower --least, or leave "
                         "--keep_train out")
    cut, _ = _drawn(part, own[indices], wish, options)
    kept = {name: np.flatnonzero(pool.origin == name) for name in ("train", "valid")}
    return kept | {name: indices[chosen] for name, chosen in cut.items()}, own, {"strength_of_train": strength}


def _drawn(pool: Pool, own: np.ndarray, wish: Wish,
           options: argparse.Namespace) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Splits, and the hints, of which some are unknown (-1) where a speaker was never heard."""
    if options.cue == "group":
        splits, own = with_new_groups(pool, own, wish, options.seed)
    else:
        splits = drawn(pool, own, wish, options.seed, np.arange(len(pool)) if pool.groups is None else pool.groups)
    small = next((name for name, indices in splits.items() if len(indices) < options.least), None)
    if small:
        raise InputError(f"{small} comes out with {len(splits[small])} samples, since no video or speaker may stand in "
                         f"two splits, and --least asks for {options.least}; lower --strength or --least")
    return splits, own


def _show(record: Mapping[str, Any]) -> None:
    print(f"\n{'split':16} samples   tied   bits  Cramer's V")
    for name, row in record["association"].items():
        print(f"{name:16} {row['samples']:7} {row['tied']:6.3f} {row['bits']:6.3f} {row['cramers_v']:11.3f}")
    splits = list(next(iter(record["probes"].values())))
    print("\n" + "  ".join([f"{'probe, accuracy':16}", *(f"{name:>13}" for name in splits)]))
    for name, row in record["probes"].items():
        print("  ".join([f"{name:16}", *(f"{100 * row[split]:13.1f}" for split in splits)]))
    print()


def _write(output: Path, pool: Pool, splits: Mapping[str, np.ndarray], record: Mapping[str, Any]) -> None:
    output.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(output) as handle:
        pickle.dump({name: pool.taken(indices) for name, indices in splits.items()}, handle, protocol=4)
    write_json(output.with_suffix(".json"), {**record, "file_sha256": file_hash(output)})


def main(argv: Sequence[str] | None = None) -> int:
    """Run what a command line asks for; returns the exit code of `run_command`."""
    return run_command(functools.partial(run, argv))


if __name__ == "__main__":
    raise SystemExit(finish(main()))
