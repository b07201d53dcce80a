"""Paired differences between any two variants, rules or states of knowledge, from a results.csv or two.

    python -m src.analysis.compare results/methods.csv "variant=tanh, branches first" --to variant=tanh
"""

import functools
from collections.abc import Sequence
from pathlib import Path

from src.analysis.records import Study, models, seeds_of, select
from src.analysis.report.cells import INTERVALS, difference_cell, mean_cell
from src.analysis.results import read_study
from src.analysis.statistics import Seeds, compared, holm
from src.console import align
from src.flags import Parser
from src.process import finish
from src.runtime import run_command
from src.structures import UsageError, quoted

FIELDS = ("dataset", "condition", "backbone", "variant", "selection", "predictor", "split", "analysis", "setting",
          "measure")  # what tells scores apart, but for the seeds, which are paired
FORM = f"a results.csv and words FIELD=VALUE, FIELD one of {', '.join(FIELDS)}"
Scores = dict[tuple[str, ...], Seeds]  # a value of each of FIELDS -> score of every seed


def run(argv: Sequence[str] | None) -> None:
    """Print both means and their difference over the seeds that both have, wherever there are both."""
    parser = Parser(prog="python -m src.analysis.compare", allow_abbrev=False,
                    description="Paired differences between any two scores of a results.csv, or of two.",
                    epilog="Where nothing else is said scores are those of predictions on the test splits, by the "
                           "task's own measure and the file's own rule; --to says what differs.")
    parser.add_argument("scores", nargs="+", metavar="WORD", help=FORM)
    parser.add_argument("--to", nargs="+", required=True, metavar="WORD", help="what they are compared with, likewise")
    options = parser.parse(argv)
    path, wanted = _parsed(options.scores)
    other_path, changed = _parsed(options.to, path)
    study = read_study(path)
    found = _scores(study, wanted)
    if other_path == path:
        other = _scores(study, wanted | changed)
        found = {place: seeds for place, seeds in found.items() if place not in other}
    else:
        other = _scores(read_study(other_path), wanted | changed)
    print(align(table(found, other, changed)))
    print(f"\n{INTERVALS}; then p of the paired t-test over seeds, adjusted by Holm over all lines.")


def _parsed(words: Sequence[str], *default: Path) -> tuple[Path, dict[str, str]]:
    """The one file, `default` where none is named, and the wanted values; UsageError for other words."""
    wanted: dict[str, str] = {}
    files: list[Path] = []
    for word in words:
        name, equals, value = word.partition("=")
        if name in FIELDS and equals:
            wanted[name] = value
        elif word.endswith(".csv"):
            files.append(Path(word))
        else:
            raise UsageError(f"{quoted(word)} does not say which scores; give {FORM}")
    files = files or list(default)
    if len(files) != 1:
        raise UsageError(f"{len(files) or 'no'} files are named where one is compared; give {FORM}")
    return files[0], wanted


def _scores(study: Study, wanted: dict[str, str]) -> Scores:
    """The scores of these values; UsageError where there are none."""
    fixed = {"selection": study.selection, "predictor": "prediction", "analysis": "test"} | wanted
    if fixed["analysis"] == "test":
        fixed = {"setting": ""} | fixed
    rows = models(study.rows)
    if "measure" not in fixed:
        rows = rows[(rows["measure"] == rows["dataset"].map(study.measure)).to_numpy()]
    for name, value in fixed.items():
        left = select(rows, **{name: value})
        if not len(left):
            known = ", ".join(quoted(one) for one in rows[name].unique())
            raise UsageError(f"no such score has {name}={value}; choose from {known}")
        rows = left
    return {place: seeds_of(each) for place, each in rows.groupby(list(FIELDS), observed=True, sort=False)}


def table(found: Scores, other: Scores, changed: dict[str, str]) -> list[list[str]]:
    """One line per score that has a partner, the score of the same fields but for the rule and what is `changed`.

    Fields that are the same in all lines are left out. Raises UsageError where no score has a partner.
    """
    kept = [i for i, name in enumerate(FIELDS) if name != "selection" and name not in changed]
    partners = {tuple(place[i] for i in kept): seeds for place, seeds in other.items()}
    pairs = {}
    for place, seeds in found.items():
        own, its = _shared(seeds, partners.get(tuple(place[i] for i in kept), {}))
        if own:
            pairs[place] = own, its
    if not pairs:
        raise UsageError("no two scores with a seed in common differ by what --to says; name in it all that differs")
    shown = [i for i in range(len(FIELDS)) if len({place[i] for place in pairs}) > 1]
    differences = {place: compared(*both) for place, both in pairs.items()}
    adjusted = holm([one.p for one in differences.values()])
    lines = [[*(FIELDS[i] for i in shown), "n", "score", "compared with", "difference"]]
    for (place, (own, its)), p in zip(pairs.items(), adjusted, strict=True):
        measure, one = place[FIELDS.index("measure")], differences[place]
        lines.append([*(place[i] for i in shown), str(one.n), mean_cell(own, measure), mean_cell(its, measure),
                      difference_cell(one, p, measure, one.n)])
    return lines


def _shared(*scores: Seeds) -> list[Seeds]:
    """Those of the seeds that all have."""
    common = set.intersection(*(set(seeds) for seeds in scores))
    return [{seed: value for seed, value in seeds.items() if seed in common} for seeds in scores]


def main(argv: Sequence[str] | None = None) -> int:
    """Run what a command line asks for; returns the exit code of `run_command`."""
    return run_command(functools.partial(run, argv))


if __name__ == "__main__":
    raise SystemExit(finish(main()))
