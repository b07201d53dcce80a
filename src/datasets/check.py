"""`python -m src.datasets.check --dataset iemocap --data_path data`: a report on a data file, PASS or FAIL per item.

`python -m src.datasets.check A.pkl B.pkl` compares two files: which samples of one stand in the other.
"""

import argparse
import functools
import itertools
from collections.abc import Sequence
from pathlib import Path

import src.datasets  # noqa: F401  (fills the registry)
from src.datasets.base import DatasetSpec, checked, chosen_task, data_file, dataset_spec, file_hash, open_file
from src.datasets.checks import contents, inspect
from src.datasets.identifiers import identifiers
from src.datasets.labels import TASK_NAMES, Finding, absent_classes, label_form
from src.datasets.padding import PADDINGS
from src.flags import Parser, path, text
from src.process import finish
from src.registry import DATASETS
from src.runtime import run_command
from src.structures import InputError, UsageError, printable

WORDS = {"PASS": "PASS", "NOTE": "PASS", "WARN": "FAIL", "FAIL": "FAIL"}


def report(file: Path, spec: DatasetSpec, task: str, aligned: bool, padding: str = "auto",
           mapped: bool = False) -> bool:
    """Print every finding, the label histograms and the hash; True if all items pass. `mapped`: as in `read_pickle`."""
    raw = open_file(file, spec, task, mapped)
    print(f"file    {file.absolute()} ({file.stat().st_size} bytes)\nsha256  {file_hash(file)}")
    if aligned in spec.expected:
        print(f"known   {spec.expected[aligned]} in the file that MulT's users download; other shapes are accepted")
    findings = [Finding("PASS", "file", "reads as plain data"), *inspect(raw, task, padding=padding)]
    words = {str(i): name for i, name in enumerate(spec.class_names.get(task, ()))}
    labels = {printable(f"{name} labels"): split.get("labels") for name, split in raw.items()}
    for finding in findings:
        print(f"{WORDS[finding.level]}  {finding.item}: {finding.text}")
        if finding.item in labels and finding.level == "PASS":
            counts = label_form(task).histogram(labels[finding.item])
            print("      " + ", ".join(f"{words.get(key, key)} {count}" for key, count in counts.items()))
            absent = list(map(str, absent_classes(labels[finding.item], task)))
            if absent and finding.item in ("train labels", "valid labels"):
                print(f"      no sample of class {', '.join(words.get(key, key) for key in absent)}")
    passed = all(WORDS[finding.level] == "PASS" for finding in findings)
    print("PASS" if passed else "FAIL")
    return passed


def compare(first: Path, second: Path, padding: str) -> bool:
    """Print how many samples of each split of one file stand in each of another; True if no test sample is trained on.

    Samples are the same by content or by identifier: files can name one differently, or scale it differently.
    """
    files = [_samples(file, padding) for file in (first, second)]
    print(f"A {first}: {', '.join(f'{name} {len(one)}' for name, (one, _) in files[0].items())}\n"
          f"B {second}: {', '.join(f'{name} {len(one)}' for name, (one, _) in files[1].items())}\n"
          f"{'A':16} {'B':16} same content  same identifier")
    leaks = []
    for (one, own), (other, others) in itertools.product(files[0].items(), files[1].items()):
        same, named = len(own[0] & others[0]), len(own[1] & others[1])
        print(f"{one:16} {other:16} {same:12} {named:16}")
        if same + named and one.startswith("test") != other.startswith("test"):
            leaks.append(f"{max(same, named)} of A's {one} in B's {other}")
    whole = [set().union(*(digests for digests, _ in content.values())) for content in files]
    print(f"{len(whole[0] & whole[1])} contents of {len(whole[0])} in A and {len(whole[1])} in B are the same")
    print(f"FAIL  a test split of one file stands in what the other trains or chooses on: {'; '.join(leaks)}" if leaks
          else "PASS  no test split of one file stands in what the other trains or chooses on")
    return not leaks


def _samples(file: Path, padding: str) -> dict[str, tuple[set[bytes], set[str]]]:
    """split -> digests of the contents, and identifiers."""
    raw = {name: split | {"labels": None} for name, split in open_file(file, dataset_spec(str(file)), "").items()}
    checked(raw, file, "", (), padding)
    return {name: (set(contents(split)), set(identifiers(split)) if split.get("id") is not None else set())
            for name, split in raw.items()}


def run(argv: Sequence[str] | None) -> int:
    """Parse and check one file, or compare two; 0 if all items pass, 1 if not."""
    parser = Parser(prog="python -m src.datasets.check", description=__doc__, allow_abbrev=False)
    parser.add_argument("files", nargs="*", type=path, help="one file to check, or two to compare")
    parser.add_argument("--dataset", type=text, help=f"{', '.join(DATASETS)}, or your own file.pkl")
    parser.add_argument("--task", type=text,
                        help=f"{TASK_NAMES} (default: the dataset's)")
    parser.add_argument("--data_path", type=path, default=Path("data"), help="folder of the file (default: data)")
    parser.add_argument("--aligned", action=argparse.BooleanOptionalAction, default=True, help="word-aligned file")
    parser.add_argument("--padding", choices=PADDINGS, default="auto", help="as for main.py (default: auto)")
    options = parser.parse(argv)
    if len(options.files) == 2:
        return 0 if compare(options.files[0], options.files[1], options.padding) else 1
    named = [*map(str, options.files), *[options.dataset] * bool(options.dataset)]
    if len(named) != 1:
        raise UsageError(f"give one file or --dataset to check, or two files to compare; got {len(named)}")
    try:
        spec = dataset_spec(named[0])
        file = data_file(options.data_path, spec, options.aligned, spec.Options())
        return 0 if report(file, spec, chosen_task(named[0], options.task), options.aligned,
                           options.padding) else 1
    except InputError as error:
        print(f"FAIL  file: {error}")
        return 1


def main(argv: Sequence[str] | None = None) -> int:
    """Run what a command line asks for; returns the exit code of `run_command`."""
    return run_command(functools.partial(run, argv))


if __name__ == "__main__":
    raise SystemExit(finish(main()))
