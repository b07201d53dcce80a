"""results.csv: one row per run, from which all tables and figures of scores can be made again."""

import csv
import math
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from src.analysis.records import COLUMNS, PLACE, SCORE, TRIVIAL, Study, models
from src.analysis.statistics import CORRECT, unpacked
from src.metrics import is_share
from src.structures import InputError, printable, quoted
from src.tasks import make_task
from src.writing import BLANKS, FORMULA, write_csv

if TYPE_CHECKING:
    from pandas import DataFrame

OF_STUDY = ("study", "baseline")  # the same in every row: its title, and the variant that others are compared with
VALID = "valid"  # the split, and the analysis, of the scores by which checkpoints were selected
BLIND = 0.9  # share of right answers without looking from which on a score tells little
RUN = ("fingerprint", "task", *PLACE, "knowledge", "settings", "strength",
       "epoch", "parameters", "seconds", "sha256", "versions", "git")
LARGEST_FILE, LARGEST_CELL = 2**28, 2**24  # bytes; a bit per sample takes a quarter of one
LONGEST, MOST = 300, 100  # characters of a name, and names of one kind, that a figure has room for
LARGEST = 1e40  # no float32 is as large


def score_name(row: Mapping[str, Any], shown: str) -> str:
    """The column of a score: split/predictor/measure, with analysis/setting between where it is no plain score.

    Scores on valid are plain ones, too. Scores of another selection than the one shown have its name behind an @.
    """
    between = () if row["analysis"] in ("test", VALID) else (row["analysis"], row["setting"])
    words = (row["split"], row["predictor"], *between, row["measure"])
    return "/".join(quote(word, safe=" ", errors="surrogatepass") for word in words) + (
        f"@{row['selection']}" if row["selection"] not in ("", shown) else "")


def _score(name: str, shown: str) -> dict[str, str]:
    """The inverse of `score_name`; InputError for the name of another column."""
    words, _, selection = name.partition("@")
    split, predictor, *between, measure = map(unquote, words.split("/")) if words.count("/") in (2, 4) else [""] * 3
    if not (split and predictor and measure):
        raise InputError(f"the column {quoted(name)} is none of results.csv, whose scores are called "
                         "split/predictor/measure; remove it")
    analysis, setting = between or (VALID if split == VALID else "test", "")
    found = {"predictor": predictor, "split": split, "analysis": analysis, "setting": setting, "measure": measure}
    return {key: printable(word) for key, word in found.items()} | {"of": selection or shown}


def write_results(path: Path, runs: Iterable[tuple[Mapping[str, Any], Iterable[Mapping[str, Any]]]]) -> None:
    """Write one line per run: what is known of it (OF_STUDY, RUN), and its scores, given as rows of SCORE and value."""
    lines = [{**run, **{score_name({"selection": "", **row}, run["selection"]): row.get("bits") or row["value"]
                        for row in rows}} for run, rows in runs]
    columns = dict.fromkeys([*OF_STUDY, *RUN, *(name for line in lines for name in line)])
    write_csv(path, [{name: line.get(name, "") for name in columns} for line in lines])


def read_study(path: Path) -> Study:
    """The study that a results.csv holds, without tables; InputError where the file is none."""
    try:
        wide = _cells(path)
        title, baseline, shown = _only(wide, "study"), _only(wide, "baseline"), _only(models(wide), "selection")
        measure = {dataset: make_task(_only(found, "task")).exact
                   for dataset, found in wide.groupby("dataset", sort=False)}
        rows = _long(wide, shown, measure)
    except (InputError, OSError, UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise InputError(f"{path} cannot be used ({reason}); a study writes such a file as results.csv") from error
    known = {place: " / ".join(found["knowledge"].map(printable).unique())
             for place, found in models(wide).groupby(["dataset", "condition"], sort=False)}
    study = Study(title, rows, [], [], [], [], measure, shown, baseline, known)
    study.notes += [*_remarks(study.rows), *_blind(study)]
    return study


def _cells(path: Path) -> "DataFrame":
    """The file as text, its columns and its runs checked."""
    import pandas as pd

    if not path.is_file() or path.stat().st_size > LARGEST_FILE:
        raise InputError(f"it is larger than {LARGEST_FILE:,} bytes" if path.is_file() else "there is no such file")
    before = csv.field_size_limit(LARGEST_CELL)
    try:
        with path.open(newline="", encoding="utf-8") as file:
            head, *lines = [list(map(_unescaped, line)) for line in csv.reader(file, strict=True)] or [[]]
    finally:
        csv.field_size_limit(before)
    missing = [name for name in (*OF_STUDY, *RUN) if name not in head]
    if missing or not lines:
        raise InputError(f"it has no column {missing[0]}" if missing else "it has no runs")
    if len(set(head)) < len(head):
        raise InputError("two of its columns have one name")
    wrong = next((number for number, line in enumerate(lines, 2) if len(line) != len(head)), None)
    if wrong:
        raise InputError(f"row {wrong} has other columns than the first")
    wide = pd.DataFrame(lines, columns=head, dtype=object)
    for name in (*OF_STUDY, *PLACE):
        wide[name] = wide[name].map(printable)
        if wide[name].str.len().max() > LONGEST or name != "seed" and wide[name].nunique() > MOST:
            raise InputError(f"its column {name} has more than {MOST} names, or one of more than {LONGEST} characters")
    wide["seed"] = wide["seed"].map(_seed)
    if wide.duplicated(["dataset", "condition", "backbone", "variant", "seed"]).any():
        raise InputError("two rows are one run: the same dataset, condition, backbone, variant and seed")
    return wide


def _long(wide: "DataFrame", shown: str, measure: Mapping[str, str]) -> "DataFrame":
    """One row per score; an analysis that was not made for a run has no rows, an undefined score has NaN."""
    import pandas as pd

    scores = {name: _score(name, shown) for name in wide.columns if name not in (*OF_STUDY, *RUN)}
    if not scores or len({tuple(score.values()) for score in scores.values()}) < len(scores):
        raise InputError("two of its columns are one score" if scores else "it has no scores")
    if len({score["split"] for score in scores.values()}) > MOST:
        raise InputError(f"it has more than {MOST} splits")
    analyses: dict[tuple[str, ...], dict[str, dict[str, str]]] = {}  # predictor, split, analysis, selection -> columns
    for name, score in scores.items():
        analyses.setdefault(tuple(score[key] for key in ("predictor", "split", "analysis", "of")), {})[name] = score
    found = []
    for line in wide.to_dict("records"):
        *place, _ = (line[name] for name in PLACE)  # but for the selection, which is that of a column
        for (*_, selection), columns in analyses.items():
            if not any(line[name] for name in columns):
                continue
            rule = "" if line["variant"] == TRIVIAL else selection
            bits = {score["setting"]: _bits(line[name]) for name, score in columns.items()
                    if score["measure"] == CORRECT}
            for name, score in columns.items():
                if score["measure"] != CORRECT:
                    of_all = bits.get(score["setting"], "") if score["measure"] == measure[line["dataset"]] else ""
                    found.append((*place, rule, *(score[key] for key in SCORE), _value(line[name], name), of_all))
    return pd.DataFrame(found, columns=list(COLUMNS))


def _only(wide: "DataFrame", name: str) -> str:
    """The one value that a column has in all rows."""
    found = wide[name].unique()
    if not len(found):
        raise InputError("it has no runs")
    if len(found) > 1:
        raise InputError(f"its rows have several values of {name}, {quoted(found[0])} and {quoted(found[1])}, where "
                         "one table needs one")
    return found[0]


def _seed(cell: str) -> int:
    """A seed, -1 for the trivial predictor, which has none."""
    if not re.fullmatch(r"\d{0,19}", cell, re.ASCII) or int(cell or -1) >= 2**63:
        raise InputError(f"{quoted(cell)} is no seed")
    return int(cell or -1)


def _unescaped(cell: str) -> str:
    """A cell without the mark by which `write_csv` keeps it from being a formula."""
    return cell[1:] if cell.startswith("'") and cell[1:].lstrip(BLANKS).startswith(FORMULA) else cell


def _value(cell: str, name: str) -> float:
    """A score, NaN where it is undefined."""
    try:
        value = float(cell or "nan")
    except ValueError:
        value = math.inf
    if cell and not abs(value) < LARGEST:
        raise InputError(f"{quoted(cell)} in the column {quoted(name)} is no score")
    return value


def _bits(cell: str) -> str:
    """Correctness by sample, as `unpacked` takes it; empty where it is unknown."""
    try:
        return cell if not cell or len(unpacked(cell)) else ""
    except ValueError:
        raise InputError(f"{quoted(cell)} is no correctness of samples") from None


def _blind(study: Study) -> list[str]:
    """Where the predictor that looks at no input is right nearly always, as of numbers that all round to 0."""
    rows, found = study.rows, []
    for dataset, measure in study.measure.items():
        best = rows.loc[(rows["dataset"] == dataset) & (rows["variant"] == TRIVIAL) & (rows["measure"] == measure)
                        & (rows["analysis"] == "test"), "value"].max()
        if is_share(measure) and best >= BLIND:
            found.append(f"On {dataset} whoever looks at no input has {100 * best:.1f} % of {measure}, so this score, "
                         "and what is said by it here, tells little; look at the other scores of the tables.")
    return found


def _remarks(rows: "DataFrame") -> list[str]:
    """What a reader has to know before believing the numbers."""
    found = []
    if models(rows)["seed"].nunique() == 1:
        found.append("One seed only: there is no spread, no interval over seeds and no test of a difference.")
    for dataset, splits in rows.groupby("dataset", sort=False)["split"]:
        if not any(split.startswith("test_") for split in splits.unique()):
            found.append(f"{dataset} has no shifted test split, so nothing is said about shortcuts there.")
        if dataset == "synthetic":
            found.append("synthetic is generated data with known causes: its scores are no result on a real dataset.")
    return found
