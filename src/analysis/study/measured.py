"""What is measured on the runs of a study, several at a time; measured once, and kept beside each checkpoint."""

import hashlib
import itertools
import json
import os
from collections.abc import Mapping
from concurrent.futures import as_completed
from dataclasses import replace
from pathlib import Path
from typing import Any

from src.analysis.choice import choice_rows
from src.analysis.measures import VERSION, measure, samples
from src.analysis.study.devices import names
from src.analysis.study.executor import threads
from src.analysis.study.runner import Progress
from src.analysis.trained import load_trained
from src.analysis.workers import workers
from src.options import InferenceOptions
from src.plan_options import StudyOptions
from src.runtime import resolve_device, sweep
from src.structures import InputError
from src.writing import number, read_json, without_nan, write_json


def measure_all(places: Mapping[Path, InferenceOptions], with_samples: set[Path],
                options: StudyOptions) -> dict[Path, dict[str, Any]]:
    """Rows (and, where wanted, samples) of every run's selected checkpoint; measured once and kept in its folder.

    `places` says for every folder where its data lies now.
    """
    progress = Progress("measured", len(places))
    kept = {folder: _remembered(folder, folder in with_samples, options) for folder in places}
    found = {folder: content for folder, content in kept.items() if content}
    for folder in found:
        progress.step(str(folder))
    left = {folder: place for folder, place in places.items() if folder not in found}
    return found | (_measure(left, with_samples, options, progress) if left else {})


def _measure(places: Mapping[Path, InferenceOptions], with_samples: set[Path], options: StudyOptions,
             progress: Progress) -> dict[Path, dict[str, Any]]:
    """What `measured` finds for every run, in processes of their own."""
    found = {}
    # Whatever executor trained, this machine measures.
    count = options.jobs if options.executor == "local" else min(options.jobs, os.cpu_count() or 1)
    with workers(count, *threads(options).values()) as submit:
        futures = {submit(measured, folder, folder in with_samples, replace(options, device=device), place): folder
                   for (folder, place), device in zip(places.items(), itertools.cycle(names(options)), strict=False)}
        for future in as_completed(futures):
            found[futures[future]] = future.result()
            progress.step(str(futures[future]))
    return found


def measured(folder: Path, with_samples: bool, options: StudyOptions, place: InferenceOptions) -> dict[str, Any]:
    """What `measure` finds for one checkpoint, from the file beside it where that was made from the same checkpoint."""
    sweep(folder)
    content = _remembered(folder, with_samples, options)
    if content:
        return content
    checkpoint, stored = _files(folder, options)
    key = _key(checkpoint)
    _, trained = load_trained(checkpoint, place, resolve_device(options.device), {})
    rows = measure(trained, options.analyses, options.fills)
    for analysis in ("choice",) * options.oracle + ("knowledge",) * ("knowledge" in options.analyses):
        rows += choice_rows(folder, trained.config, trained.task, analysis)
    content = {"key": key, "analyses": options.analyses, "fills": options.fills, "oracle": options.oracle, "rows": rows,
               "samples": samples(trained) if with_samples else []}
    write_json(stored, content | {"sha256": _digest(content)})
    return _stored(stored)  # as the next study will find it, so that both say the same


def _remembered(folder: Path, with_samples: bool, options: StudyOptions) -> dict[str, Any]:
    """What was measured of this checkpoint before, where that is all that is asked for now; otherwise nothing."""
    checkpoint, stored = _files(folder, options)
    content = _stored(stored)
    asked = content.get("key") == _key(checkpoint) and all(
        set(getattr(options, name)) <= set(content[name]) for name in ("analyses", "fills"))
    whole = asked and content["oracle"] >= options.oracle and (content["samples"] or not with_samples)
    asked_for = _asked(options)
    return content | {"rows": [row for row in content["rows"] if row["analysis"] in asked_for]} if whole else {}


def _asked(options: StudyOptions) -> set[str]:
    """What the rows that a study asks for are called: more may have been measured for another."""
    found = {"test", *options.analyses, *["choice"] * options.oracle}
    if "missing" in options.analyses:
        found |= {"random_missing", "missing_zero", *(f"missing_{fill}" for fill in options.fills)}
    return found | {"contribution", "perceptual"} if "contributions" in options.analyses else found


def _files(folder: Path, options: StudyOptions) -> tuple[Path, Path]:
    """A run's checkpoint and what is measured of it."""
    return folder / f"{options.selection}.pt", folder / f"measures_{options.selection}.json"


def _key(checkpoint: Path) -> dict[str, Any]:
    with checkpoint.open("rb") as file:
        return {"version": VERSION, "checkpoint": hashlib.sha256(file.read()).hexdigest()}


def _stored(path: Path) -> dict[str, Any]:
    """Earlier measurements, or nothing where they are missing or were changed since: they can be made again."""
    try:
        content = read_json(path)
        if type(content) is not dict or content.pop("sha256", "") != _digest(content):
            return {}
        for row in content["rows"]:
            row["value"] = number(row["value"])
        for sample in content["samples"]:
            sample["effects"] = {name: [list(map(number, values)) for values in effects]
                                 for name, effects in sample["effects"].items()}
    except (InputError, RecursionError, AttributeError, KeyError, TypeError, ValueError, OverflowError):
        return {}
    return content


def _digest(content: dict[str, Any]) -> str:
    """sha256 of measurements, the same before and after saving."""
    return hashlib.sha256(json.dumps(without_nan(content), sort_keys=True).encode()).hexdigest()
