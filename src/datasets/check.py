"""`python -m src.datasets.check --dataset iemocap --data_path data`: a report on a data file, PASS or FAIL per item."""

import argparse
import functools
from collections.abc import Sequence
from pathlib import Path

import src.datasets  # noqa: F401  (fills the registry)
from src.datasets.base import DatasetSpec, chosen_task, data_file, dataset_spec, file_hash, open_file
from src.datasets.checks import inspect
from src.datasets.labels import Finding, label_form
from src.flags import Parser, path, text
from src.process import finish
from src.registry import DATASETS
from src.runtime import run_command
from src.structures import InputError, printable

WORDS = {"PASS": "PASS", "NOTE": "PASS", "WARN": "FAIL", "FAIL": "FAIL"}


def report(file: Path, spec: DatasetSpec, task: str, aligned: bool) -> bool:
    """Print every finding, the label histograms and the hash; True if all items pass."""
    raw = open_file(file, spec, task)
    print(f"file    {file.absolute()} ({file.stat().st_size} bytes)\nsha256  {file_hash(file)}")
    if aligned in spec.expected:
        print(f"known   {spec.expected[aligned]} in the file that MulT's users download; other shapes are accepted")
    findings = [Finding("PASS", "file", "reads as plain data"), *inspect(raw, task)]
    labels = {printable(f"{name} labels"): split.get("labels") for name, split in raw.items()}
    for finding in findings:
        print(f"{WORDS[finding.level]}  {finding.item}: {finding.text}")
        if finding.item in labels and finding.level == "PASS":
            counts = label_form(task).histogram(labels[finding.item])
            print("      " + ", ".join(f"{key} {count}" for key, count in counts.items()))
    passed = all(WORDS[finding.level] == "PASS" for finding in findings)
    print("PASS" if passed else "FAIL")
    return passed


def run(argv: Sequence[str] | None) -> int:
    """Parse and check one file; 0 if all items pass, 1 if not."""
    parser = Parser(prog="python -m src.datasets.check", description=__doc__, allow_abbrev=False)
    parser.add_argument("--dataset", required=True, type=text, help=f"{', '.join(DATASETS)}, or your own file.pkl")
    parser.add_argument("--task", type=text,
                        help="emotion4, sentiment7, sentiment or classes:N (default: the dataset's)")
    parser.add_argument("--data_path", type=path, default=Path("data"), help="folder of the file (default: data)")
    parser.add_argument("--aligned", action=argparse.BooleanOptionalAction, default=True, help="word-aligned file")
    options = parser.parse(argv)
    try:
        spec = dataset_spec(options.dataset)
        file = data_file(options.data_path, spec, options.aligned, spec.Options())
        return 0 if report(file, spec, chosen_task(options.dataset, options.task), options.aligned) else 1
    except InputError as error:
        print(f"FAIL  file: {error}")
        return 1


def main(argv: Sequence[str] | None = None) -> int:
    """Run what a command line asks for; returns the exit code of `run_command`."""
    return run_command(functools.partial(run, argv))


if __name__ == "__main__":
    raise SystemExit(finish(main()))
