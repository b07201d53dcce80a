"""Make a shift out of a data file: a cue tied to the label in train, valid and test, untied or turned in other splits.

    python -m src.datasets.shift --dataset mosi --cue cluster:text --strength 0.7 --output shifted/mosi_data.pkl

Samples are chosen, never changed. All splits of the source are pooled; label frequencies are the same in every split,
unless the cue is `prior`; no sample, and no video or speaker where identifiers tell it, stands in two splits. A JSON
beside the file says how it was made. A shift whose cue tells no less about the label than before is refused.
"""

import argparse
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import sklearn

import src.datasets  # noqa: F401  (fills the registry)
from src.datasets.base import DatasetSpec, checked, chosen_task, data_file, dataset_spec, file_hash, open_file
from src.datasets.checks import REQUIRED
from src.datasets.disk import on_disk
from src.datasets.identifiers import check_group
from src.datasets.shift.cues import KINDS, hints
from src.datasets.shift.making import KEPT, kept, made
from src.datasets.shift.pool import Pool, pooled
from src.datasets.shift.proof import association, probes
from src.flags import Parser, path, text
from src.process import finish
from src.runtime import run_command
from src.structures import InputError, UsageError
from src.writing import check_free, write_json, write_pickle


def run(argv: Sequence[str] | None) -> int:
    """Parse, make the splits, prove them, write them; 0, or InputError before anything is written."""
    options = _parser().parse(argv)
    spec = dataset_spec(options.dataset)
    file = data_file(options.data_path, spec, options.aligned, spec.Options())
    _check(options, file)
    task = chosen_task(options.dataset, options.task)
    pool = _read(file, spec, task, options)
    own = hints(options.cue, pool, options.seed)
    if options.keep_train:
        splits, own, record = kept(pool, own, options.cue, options.least, options.seed)
    else:
        splits, own, record = made(pool, own, options.cue, options.strength, options.least, options.seed)
    record |= {"association": association(pool, own, splits), "probes": probes(pool, own, splits)}
    _show(record)
    fall = record["probes"]["cue"]["test"] - record["probes"]["cue"]["test_shifted"]
    if fall < options.fall:
        raise InputError(f"the cue {options.cue} alone loses {100 * fall:.1f} points from test to test_shifted, and "
                         f"--fall asks for {100 * options.fall:g}; raise --strength, take another cue, or lower --fall")
    _write(options.output, pool, splits, {
        "source": str(file.absolute()), "sha256": file_hash(file), "task": task, "cue": options.cue,
        "seed": options.seed, "keep_train": options.keep_train, "sides": list(pool.side_names),
        "versions": {"numpy": np.__version__, "scikit-learn": sklearn.__version__}, **record})
    print(f"written to {options.output}, and how it was made beside it")
    return 0


def _check(options: argparse.Namespace, file: Path) -> None:
    """Raise UsageError for values that mean nothing, InputError for a file that is there, before anything is read."""
    if not 0 < options.strength <= 1:
        raise UsageError(f"--strength is a share in (0, 1], got {options.strength}")
    if not 0 <= options.fall <= 1:
        raise UsageError(f"--fall is a share in [0, 1], got {options.fall}")
    if options.least < 1 or not 0 <= options.seed < 2**32:
        raise UsageError(f"--least is at least 1 and --seed lies in [0, {2**32 - 1}], got {options.least} and "
                         f"{options.seed}")
    if options.output.suffix != ".pkl" or options.output.is_dir() or options.output.with_suffix(".json").is_dir():
        raise UsageError(f"--output has to be a file that ends in .pkl, got {str(options.output)!r}")
    if options.output.resolve() == file.resolve():
        raise UsageError(f"--output is the file that is read, {file}; name another, since nothing may be lost")
    check_free(options.output, "--output", options.overwrite)
    if options.group is not None:
        check_group(options.group)


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
    parser.add_argument("--overwrite", action="store_true", help="replace a file of that name")
    parser.add_argument("--keep_train", action="store_true", help="leave train and valid as they are, cut test alone")
    parser.add_argument("--group", type=text,
                        help="regular expression whose first bracket is the video or speaker of an identifier")
    parser.add_argument("--least", type=int, default=20, help="samples that every split needs (default: 20)")
    parser.add_argument("--fall", type=float, default=0.1,
                        help="by how much the cue alone has to be worse on test_shifted than on test (default: 0.1)")
    return parser


def _read(file: Path, spec: DatasetSpec, task: str, options: argparse.Namespace) -> Pool:
    """All samples of the file that have labels; says what is left out."""
    source = open_file(file, spec, task, mapped=True)
    unlabelled = [name for name, split in source.items() if split.get("labels") is None and name not in REQUIRED]
    source = {name: split for name, split in source.items() if name not in unlabelled}
    raw = {name: dict(split) for name, split in source.items()}  # checking cleans it, and samples stay as they are
    checked(raw, file, task, empty=partial(on_disk, near=options.output))
    pool = pooled(source, raw, task, options.group or spec.group, KEPT if options.keep_train else ())
    known = ("no videos or speakers known" if pool.groups is None else
             f"{len(np.unique(pool.groups))} videos or speakers")
    print(f"{file}: {len(pool)} samples, {known}" + f", {pool.repeated} repetitions left out" * (pool.repeated > 0)
          + f", without labels and left out: {', '.join(unlabelled)}" * bool(unlabelled))
    return pool


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
    """The file and its JSON, both or none."""
    empty = partial(on_disk, near=output)
    # Protocol 5: features go from the files they were gathered in to this one, never through the memory.
    write_pickle(output, {name: pool.taken(indices, empty) for name, indices in splits.items()}, protocol=5)
    try:
        write_json(output.with_suffix(".json"), {**record, "file_sha256": file_hash(output)})
    except BaseException:
        output.unlink()
        raise


def main(argv: Sequence[str] | None = None) -> int:
    """Run what a command line asks for; returns the exit code of `run_command`."""
    return run_command(partial(run, argv))


if __name__ == "__main__":
    raise SystemExit(finish(main()))
