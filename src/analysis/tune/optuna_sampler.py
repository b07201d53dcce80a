"""Settings that look best after the earlier ones, by Optuna's TPE; many processes may share a search.

What they share is a journal in `--checkpoint_path`: each asks for a setting, trains it as an ordinary run, and tells
the score. Trials that a stopped process left open are brought to their end by the next one. With `--prune` a trial is
cut short where its validation score falls below the median of the others at the same epoch; its run is then one that
was interrupted, which whoever asks for it later continues.
"""

import hashlib
import math
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from src.analysis.study.drawing import Setting, ranges, seed_of, short
from src.analysis.study.grid import Job
from src.analysis.study.runner import Runner
from src.analysis.study.tuning import MOST_REFUSED, Search, merit, score_name, valid_score
from src.analysis.tune.trials import count
from src.configured import method_class
from src.datasets.base import dataset_spec
from src.engine import DIVERGED
from src.plan_options import TuneOptions
from src.results import history
from src.structures import InputError, Range, UsageError, reason

if TYPE_CHECKING:  # an optional package
    from optuna import Study, Trial
    from optuna.trial import FrozenTrial

JOURNAL = "optuna.journal"
OBSERVED = 4  # trials that are finished before the first is cut short


def check_installed() -> None:
    """Raise InputError where Optuna is missing."""
    try:
        import optuna
    except ImportError as error:
        raise InputError("--sampler optuna needs a package that is not installed; give pip install -r "
                         "requirements-scale.txt, or pip install optuna, or leave --sampler out") from error
    optuna.logging.set_verbosity(optuna.logging.ERROR)


def optuna_jobs(search: Search, options: TuneOptions, runner: Runner) -> tuple[list[Job], Collection[Job]]:
    """The runs of a study of Optuna, trained until there are as many as asked for, and those cut short."""
    from optuna.samplers import TPESampler
    from optuna.trial import Trial, TrialState

    study, wanted = _study(search, options, runner), count(search, options)
    distributions = _distributions(search)

    def run(trials: "Sequence[Trial]") -> None:
        tried = _taken(study, search, trials)
        if not tried:
            return
        watch = _Watch(tried) if options.prune else None
        folders = runner.bring(list(tried), DIVERGED, watch)
        for job, trial in tried.items():
            told: dict[str, Any] = {"values": merit(job.config, valid_score(job, folders, options.selection))}
            if watch and job in watch.cut and job not in folders:
                told = {"state": TrialState.PRUNED}
            study.tell(trial.number, **told, skip_if_finished=True)

    run([Trial(study, trial._trial_id) for trial in study.trials if not trial.state.is_finished()])
    while (left := wanted - len(_kept(study))) > 0:
        asked, made = [], len(study.trials)
        for number in range(made, made + min(options.jobs, left)):
            study.sampler = TPESampler(seed=seed_of(search.usual, number), constant_liar=True)
            asked.append(study.ask(distributions if number else {}))  # the first is the default
        run(asked)
    done = [(search.job(_setting(trial)), trial.state) for trial in _kept(study)[:wanted]]
    return [job for job, _ in done], {job for job, state in done if state == TrialState.PRUNED}


def _taken(study: "Study", search: Search, trials: "Sequence[Trial]") -> "dict[Job, Trial]":
    """The runs of those trials that main.py takes; the others have failed, and are no trials of the search."""
    from optuna.trial import TrialState

    found = {}
    for trial in trials:
        try:
            found[search.job(_setting(trial))] = trial
        except UsageError:  # such as a width that the heads of the command line do not divide
            study.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)
            if len(study.trials) >= MOST_REFUSED * (len(_kept(study)) + 1):
                raise
    return found


def _kept(study: "Study") -> "list[FrozenTrial]":
    """The trials that count."""
    from optuna.trial import TrialState

    return [trial for trial in study.trials if trial.state != TrialState.FAIL]


class _Watch:
    """Tells Optuna the validation score of every epoch of trials in training, and asks which of them to end."""

    def __init__(self, trials: "Mapping[Job, Trial]") -> None:
        self.trials, self.told = trials, dict.fromkeys(trials, 0)
        self.cut: set[Job] = set()

    def __call__(self, job: Job, folder: Path) -> bool:
        """Whether the trial of a run is below the median; epochs ahead of the training do not count."""
        method = method_class(job.config)
        ahead = method.epochs_ahead(job.config.method)
        try:
            rows = history(folder)[ahead + self.told[job]:]
        except InputError:
            return False  # before the first epoch
        for row in rows:
            self.told[job] += 1
            score = merit(job.config, row[f"valid_{score_name(job.config)}"])
            if math.isfinite(score):
                self.trials[job].report(score, self.told[job])
        if rows and self.told[job] < job.config.training.num_epochs and self.trials[job].should_prune():
            self.cut.add(job)
        return job in self.cut


def _study(search: Search, options: TuneOptions, runner: Runner) -> "Study":
    """The study of a search: named by method, backbone and data, and by what else decides its scores."""
    from optuna import create_study
    from optuna.pruners import MedianPruner
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    usual = search.usual
    scored = f"{usual.fingerprint(runner.sha256(usual))} {options.selection} {ranges(usual)}"
    name = (usual.variant.label, usual.backbone, dataset_spec(usual.condition.dataset).name, usual.condition.label,
            hashlib.sha256(scored.encode()).hexdigest()[:8])
    path = options.checkpoint_path / JOURNAL
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        return create_study(storage=JournalStorage(JournalFileBackend(str(path))), direction="maximize",
                            study_name=" ".join(filter(None, name)), load_if_exists=True,
                            pruner=MedianPruner(n_startup_trials=OBSERVED))
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(f"{path} is no journal of Optuna ({reason(error)}); move it away, finished runs are kept and "
                         "found") from error


def _distributions(search: Search) -> dict[str, Any]:
    """The ranges of a search in Optuna's words."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution

    usual = search.usual.config.flat()
    return {name: FloatDistribution(*space.ends(usual[name]), log=space.log) if isinstance(space, Range)
            else CategoricalDistribution(space) for name, space in ranges(search.usual).items()}


def _setting(trial: "Trial | FrozenTrial") -> Setting:
    return {name: short(value) for name, value in trial.params.items()}
