"""The trials of a search: which settings are tried, and what each of them scored on validation."""

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from src.analysis.study.drawing import Setting, ranges
from src.analysis.study.grid import Job
from src.analysis.study.runner import CUT, Runner
from src.analysis.study.tuning import Search, merit, score_name, valid_score
from src.engine import DIVERGED
from src.plan_options import TuneOptions
from src.structures import InputError

# The runs that a search tries, in their order, and those of them that were cut short.
Sampler = Callable[[Search, TuneOptions, Runner], tuple[list[Job], Collection[Job]]]


@dataclass(frozen=True)
class Trial:
    """One setting that was tried."""

    number: int
    job: Job
    folder: Path | None  # None where the training diverged or was cut short
    outcome: str  # finished, diverged, cut short
    setting: Setting  # everything that is searched, drawn or default
    score: float  # NaN where it is undefined
    merit: float  # the higher the better


@dataclass(frozen=True)
class Searched:
    """All trials of a search, in their order."""

    search: Search
    trials: list[Trial]

    @property
    def best(self) -> Trial:
        """The first of those with the best score."""
        return max(self.trials, key=lambda trial: trial.merit)

    @property
    def measure(self) -> str:
        """The metric that validation chose by."""
        return score_name(self.search.usual.config)


def random_jobs(search: Search, options: TuneOptions, runner: Runner) -> tuple[list[Job], Collection[Job]]:
    """Draws that depend on nothing that was trained."""
    return search.draws(count(search, options)), ()


def count(search: Search, options: TuneOptions) -> int:
    """How many settings a search tries: the default alone where its command leaves nothing open."""
    return options.trials if ranges(search.usual) else 1


def searched(found: Sequence[Search], options: TuneOptions, sampler: Sampler, runner: Runner) -> list[Searched]:
    """Train and score the trials of all searches; InputError where no trial of one has a score."""
    wanted = [sampler(search, options, runner) for search in found]
    folders = runner.bring([job for tried, cut in wanted for job in tried if job not in cut], DIVERGED)
    done = [Searched(search, [_trial(number, search, job, folders, options, CUT if job in cut else "diverged")
                              for number, job in enumerate(tried)])
            for search, (tried, cut) in zip(found, wanted, strict=True)]
    for one in done:
        if math.isinf(one.best.merit):
            raise InputError(f"no trial of {one.search.usual.title} has a score on validation; give a lower --m_lr, or "
                             "check the data for extreme values")
    return done


def _trial(number: int, search: Search, job: Job, folders: dict[Job, Path], options: TuneOptions,
           unfinished: str) -> Trial:
    score = valid_score(job, folders, options.selection)
    flat = job.config.flat()
    outcome = "finished" if job in folders else unfinished
    return Trial(number, job, folders.get(job), outcome, {name: flat[name] for name in ranges(search.usual)}, score,
                 merit(job.config, score))
