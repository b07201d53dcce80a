"""What a finished run has written beside its checkpoints: results.json and history.csv, whole or refused."""

import csv
from pathlib import Path
from typing import Any

from src.checkpoint import FORMAT, RESULTS
from src.selection import ALWAYS
from src.structures import InputError
from src.tasks import make_task
from src.writing import number, read_json


def read_results(folder: Path) -> dict[str, Any]:
    """The results of a finished run; InputError where they are missing, damaged or of another format."""
    results = read_json(folder / RESULTS)
    if not _is_whole(results):
        raise InputError(f"{folder / RESULTS} is not what a finished run of this code leaves; train the run again")
    make_task(results["data"]["task"])
    for scored in (*results["selections"].values(), results["trivial"]):
        for split, scores in scored.items():
            if split != "epoch":
                scored[split] = {name: number(score) for name, score in scores.items()}
    return results


def test_scores(selection: dict[str, Any]) -> dict[str, dict[str, float]]:
    """What one selected checkpoint scores, without its epoch and its validation. -> test split -> metrics."""
    return {name: scores for name, scores in selection.items() if name not in ("epoch", "valid")}


def _is_whole(results: Any) -> bool:
    """Whether results have everything that a study shows, in the form that training writes."""
    tables = ("config", "data", "parameters", "versions", "selections", "strengths", "trivial")
    if type(results) is not dict or results.get("format") != FORMAT or any(type(results.get(key)) is not dict
                                                                           for key in tables):
        return False
    data, selections = results["data"], results["selections"]
    texts = [data.get("sha256"), data.get("task"), *results["versions"].values()]
    if any(type(chosen) is not dict or type(chosen.get("epoch")) is not int for chosen in selections.values()):
        return False
    scored = [scores for chosen in selections.values() for name, scores in chosen.items() if name != "epoch"]
    return (set(ALWAYS) <= selections.keys() == results["strengths"].keys() and all(type(text) is str for text in texts)
            and type(results.get("samples", {})) is dict  # older runs have none
            and type(results["parameters"].get("model")) is int and type(results.get("seconds")) in (int, float)
            and all(map(_are_scores, [*scored, *results["strengths"].values(), *results["trivial"].values()])))


def _are_scores(value: Any) -> bool:
    return type(value) is dict and all(
        score is None or type(score) is float or type(score) is int and score.bit_length() <= 64
        for score in value.values())


def history(folder: Path) -> list[dict[str, float]]:
    """Rows of a run's history.csv; InputError where it is missing or damaged."""
    path = folder / "history.csv"
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file, strict=True))
        if not rows or not {"epoch", "seconds", "train_loss", "valid_loss"} <= rows[0].keys() or any(
                None in row.values() for row in rows):
            raise ValueError("its columns are not those of a history")
        return [{name: number(value) for name, value in row.items()} for row in rows]
    except (OSError, ValueError, TypeError, csv.Error) as error:
        raise InputError(f"{path} cannot be read ({' '.join(str(error).split())}); train the run again") from error
