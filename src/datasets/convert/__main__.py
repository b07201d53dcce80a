"""Write a data file from what others publish: `python -m src.datasets.convert DATASET --from FORMAT --source PATH`."""

import argparse
import functools
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import src.datasets
import src.datasets.convert  # noqa: F401  (fills the registry)
from src.datasets.base import NoOptions, chosen_task, data_file, dataset_spec
from src.datasets.check import report
from src.datasets.convert.clips import content
from src.flags import Parser, add_group, make, path, text
from src.process import finish
from src.registry import DATASETS, FORMATS
from src.runtime import run_command, sweep
from src.structures import MODALITIES, UsageError, quoted
from src.writing import check_free, write_pickle

OWN = "crema_d"  # a dataset that has a format of its own, which need not be named
MOST_FRAMES = 10**6


def run(argv: Sequence[str] | None) -> int:
    """Parse, convert, write, check; 0 if the file passes all checks, 1 if not."""
    words = sys.argv[1:] if argv is None else list(argv)
    chosen = _format(words)
    parser = _parser(chosen)
    options = parser.parse(words)
    spec, task = dataset_spec(options.dataset), chosen_task(options.dataset, options.task)
    if spec.generate:
        raise UsageError(f"{spec.name} is made by main.py and never converted; choose another dataset, or your own "
                         "file.pkl")
    file = data_file(options.data_path, spec, options.aligned, spec.Options())
    if file.resolve() == options.source.resolve():
        raise UsageError(f"--source is the file that is written, {file}; name another, since nothing may be lost")
    check_free(file, "--data_path" if spec.source else "name for the file", options.overwrite)
    found = make(chosen, options).read(options.source, task)
    sweep(file.parent)
    # Protocol 5: features go from the files they were gathered in to this one, never through the memory.
    write_pickle(file, content(found.splits, dict(options.frames), file), protocol=5)
    print("\n".join([*found.notes, f"written to {file}"]))
    return 0 if report(file, spec, task, options.aligned, mapped=True) else 1


def _format(words: Sequence[str]) -> Any:
    """The format that a command line asks for; a class without flags for one that asks for help alone."""
    first = Parser(add_help=False, allow_abbrev=False)
    first.add_argument("--from", dest="format", type=text)
    name = first.parse_known_args(words)[0].format or (OWN if OWN in words else "")
    if not name and {"-h", "--help"} & set(words):
        return NoOptions
    if name not in FORMATS:
        raise UsageError(f"--from has to name the format of the source, got {quoted(name) if name else 'none'}; choose "
                         f"from {', '.join(FORMATS)}")
    return FORMATS[name]


def _parser(chosen: type) -> Parser:
    kinds = "\n".join(f"  {name:10} {(FORMATS[name].__doc__ or '').strip().splitlines()[0]}" for name in FORMATS)
    parser = Parser(prog="python -m src.datasets.convert", description=__doc__, allow_abbrev=False,
                    formatter_class=argparse.RawDescriptionHelpFormatter,
                    epilog=f"Formats, whose own flags --from FORMAT --help shows:\n{kinds}")
    parser.add_argument("dataset", type=text, help=f"{', '.join(DATASETS)}, or your own file.pkl, which is written")
    parser.add_argument("--from", dest="format", type=text, metavar="FORMAT",
                        help=f"what the source is: {', '.join(FORMATS)} (default: {OWN} for {OWN})")
    parser.add_argument("--source", required=True, type=path, help="the file or folder to convert")
    parser.add_argument("--task", type=text, help="what the labels are (default: the dataset's)")
    parser.add_argument("--frames", type=_frames, default=(), metavar="text=50,audio=400",
                        help="frames of a modality; longer clips keep their beginning (default: the longest clip's)")
    parser.add_argument("--data_path", type=path, default=Path("data"), help="folder of the new file (default: data)")
    parser.add_argument("--aligned", action=argparse.BooleanOptionalAction, default=True,
                        help="whether the new file is the word-aligned one of its dataset")
    parser.add_argument("--overwrite", action="store_true", help="replace a file of that name")
    add_group(parser, chosen)
    return parser


def _frames(word: str) -> tuple[tuple[str, int], ...]:
    """`text=50,audio=400` as pairs; ArgumentTypeError for anything else."""
    pairs = [part.partition("=")[::2] for part in text(word).split(",")]
    if not all(name in MODALITIES and count.isascii() and count.isdigit() and 0 < int(count[:9]) <= MOST_FRAMES
               for name, count in pairs):
        raise argparse.ArgumentTypeError(f"{quoted(word)} is no list such as text=50,audio=400, of modalities "
                                         f"{', '.join(MODALITIES)} and numbers from 1 to {MOST_FRAMES}")
    return tuple((name, int(count)) for name, count in pairs)


def main(argv: Sequence[str] | None = None) -> int:
    """Run what a command line asks for; returns the exit code of `run_command`."""
    return run_command(functools.partial(run, argv))


if __name__ == "__main__":
    raise SystemExit(finish(main()))
