"""Hyperparameters of each method, chosen on validation from the ranges that stand beside its options."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from itertools import product
from pathlib import Path

from src.analysis.study.grid import Job, Plan, Variant, jobs
from src.analysis.study.stored import read_results
from src.build import task_name
from src.config import Config
from src.options import StudyOptions
from src.tasks import make_task

Bring = Callable[[list[Job]], Mapping[Job, Path]]  # trains what is missing; -> the folder of every job


def settings(config: Config, count: int) -> list[tuple[str, ...]]:
    """At most `count` settings of a run's method and branches as flags: its own first, then others of its ranges.

    Those are drawn in an order that depends on the ranges alone, so every seed and every form of the data is offered
    the same.
    """
    found = [(item, getattr(part, item.name)) for part in (config.method, *config.branches.values())
             for item in fields(part) if item.metadata["search"]]
    ranges = {item.name: item.metadata["search"] for item, _ in found}
    points = list(product(*ranges.values()))
    random.Random(0).shuffle(points)
    own = tuple(value for _, value in found)
    chosen = list(dict.fromkeys([own, *points]))[:count] if ranges else []
    return [tuple(f"--{name}={value}" for name, value in zip(ranges, point, strict=True)) for point in chosen]


def tuned(plans: Sequence[Plan], extra: Sequence[str], options: StudyOptions, bring: Bring) -> tuple[Plan, ...]:
    """Plans whose variants have the settings that were best on validation with the first seed, one plan each."""
    single = [Plan((condition,), (backbone,), (variant,), plan.seeds) for plan in plans
              for condition, backbone, variant in product(plan.conditions, plan.backbones, plan.variants)]
    tried: list[list[tuple[Variant, Job]]] = []
    for plan in single:
        (variant,), first = plan.variants, plan.seeds[:1]
        (usual,) = jobs([replace(plan, seeds=first)], extra)
        offered = [replace(variant, flags=(*variant.flags, *setting))
                   for setting in settings(usual.config, options.tune) or [()]]
        tried.append([(one, jobs([replace(plan, variants=(one,), seeds=first)], extra)[0]) for one in offered])
    folders = bring([job for offered in tried for _, job in offered])
    best = [max(offered, key=lambda one: _valid_score(one[1], folders[one[1]], options.selection))[0]
            for offered in tried]
    return tuple(replace(plan, variants=(variant,)) for plan, variant in zip(single, best, strict=True))


def _valid_score(job: Job, folder: Path, selection: str) -> float:
    """The validation score of the epoch that a rule chose, the higher the better; nothing else is looked at."""
    task = make_task(task_name(job.config))
    score = read_results(folder)["selections"][selection]["valid"][f"valid_{task.selection}"]
    return -score if task.lower_is_better else score
