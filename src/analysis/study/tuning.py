"""Hyperparameters of each method, chosen on validation from the ranges that stand beside its options."""

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

from src.analysis.study.drawing import Setting, draw, words
from src.analysis.study.grid import Job, Plan, jobs
from src.config import Config
from src.configured import task_name
from src.engine import DIVERGED
from src.plan_options import StudyOptions
from src.results import read_results
from src.selection import rule
from src.structures import UsageError
from src.tasks import make_task

MOST_REFUSED = 50  # draws for each that main.py takes, on the whole
Bring = Callable[[Sequence[Job], str], Mapping[Job, Path]]  # trains what is missing; -> the folder of every job


@dataclass(frozen=True, eq=False)
class Search:
    """One method on one backbone and one form of the data, whose settings are tried with the first seed."""

    plan: Plan  # with one condition, one backbone and one variant
    extra: tuple[str, ...]
    usual: Job  # without any setting

    def job(self, setting: Setting) -> Job:
        """The run of a setting."""
        (variant,) = self.plan.variants
        tried = replace(variant, flags=(*variant.flags, *words(setting)))
        return jobs([replace(self.plan, variants=(tried,), seeds=self.plan.seeds[:1])], self.extra)[0]

    def draws(self, count: int) -> list[Job]:
        """The runs of the first draws that main.py would take; UsageError where it takes hardly any."""
        found: list[Job] = []
        numbers = itertools.count()
        while len(found) < count:
            number = next(numbers)
            try:
                found.append(self.job(draw(self.usual, number)))
            except UsageError:  # such as a width that the heads of the command line do not divide
                if number >= MOST_REFUSED * (len(found) + 1):
                    raise
        return found


def searches(plans: Sequence[Plan], extra: Sequence[str]) -> list[Search]:
    """Everything that plans compare, one by one."""
    return [Search(one, tuple(extra), jobs([replace(one, seeds=one.seeds[:1])], extra)[0]) for one in (
        Plan((condition,), (backbone,), (variant,), plan.seeds) for plan in plans
        for condition, backbone, variant in product(plan.conditions, plan.backbones, plan.variants))]


def tuned(plans: Sequence[Plan], extra: Sequence[str], options: StudyOptions, bring: Bring) -> tuple[Plan, ...]:
    """Plans whose variants have the settings that were best on validation with the first seed, one plan each."""
    tried = {search: search.draws(options.tune) for search in searches(plans, extra)}
    folders = bring([job for offered in tried.values() for job in offered], DIVERGED)
    best = {search: max(offered, key=lambda job: merit(job.config, valid_score(job, folders, options.selection)))
            for search, offered in tried.items()}
    return tuple(replace(search.plan, variants=(job.variant,)) for search, job in best.items())


def score_name(config: Config) -> str:
    """The metric by which settings are chosen."""
    return make_task(task_name(config)).selection


def valid_score(job: Job, folders: Mapping[Job, Path], selection: str) -> float:
    """The score, on the samples by which a rule chose its epoch, of that epoch; NaN for a run that diverged.

    Nothing else of a run is looked at. With a rule that goes by the loss it is the score, too, since the loss of one
    setting says nothing beside that of another whose weights differ.
    """
    if job not in folders:
        return math.nan
    return read_results(folders[job])["selections"][selection]["valid"][
        f"{rule(selection).split or 'valid'}_{score_name(job.config)}"]


def merit(config: Config, score: float) -> float:
    """A score such that higher is better; an undefined one is below all."""
    return make_task(task_name(config)).merit(score)
