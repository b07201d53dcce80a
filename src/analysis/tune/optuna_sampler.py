"""Settings that look best after the earlier ones, by Optuna's TPE; many processes may share a search.

What they share is a journal in `--checkpoint_path`: each asks for a setting, trains it as an ordinary run, and tells
the score. Trials that a stopped process left open are brought to their end by the next one. No trial is cut short: a
run that ends early would have no results, so nothing could find it by its fingerprint.
"""

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from src.analysis.study.drawing import Setting, ranges, seed_of, short
from src.analysis.study.grid import Job
from src.analysis.study.runner import Runner
from src.analysis.study.tuning import Search, merit, valid_score
from src.analysis.tune.trials import count
from src.datasets.base import dataset_spec
from src.engine import DIVERGED
from src.options import TuneOptions
from src.structures import InputError, Range, reason

if TYPE_CHECKING:  # an optional package
    from optuna import Study, Trial
    from optuna.trial import FrozenTrial

JOURNAL = "optuna.journal"


def check_installed() -> None:
    """Raise InputError where Optuna is missing."""
    try:
        import optuna
    except ImportError as error:
        raise InputError("--sampler optuna needs a package that is not installed; give pip install -r "
                         "requirements-scale.txt, or pip install optuna, or leave --sampler out") from error
    optuna.logging.set_verbosity(optuna.logging.ERROR)


def optuna_jobs(search: Search, options: TuneOptions, runner: Runner) -> list[Job]:
    """The runs of a study of Optuna, trained until there are as many as asked for."""
    from optuna.samplers import TPESampler

    study, wanted = _study(search, options, runner), count(search, options)
    distributions = _distributions(search)

    def run(trials: "Sequence[Trial | FrozenTrial]") -> None:
        if not trials:
            return
        tried = {trial.number: search.job(_setting(trial)) for trial in trials}
        folders = runner.bring(list(tried.values()), DIVERGED)
        for number, job in tried.items():
            study.tell(number, merit(job.config, valid_score(job, folders, options.selection)), skip_if_finished=True)

    run([trial for trial in study.trials if not trial.state.is_finished()])
    while (made := len(study.trials)) < wanted:
        asked = []
        for number in range(made, min(made + options.jobs, wanted)):
            study.sampler = TPESampler(seed=seed_of(search.usual, number), constant_liar=True)
            asked.append(study.ask(distributions if number else {}))  # the first is the default
        run(asked)
    return [search.job(_setting(trial)) for trial in study.trials[:wanted]]


def _study(search: Search, options: TuneOptions, runner: Runner) -> "Study":
    """The study of a search: named by method, backbone and data, and by what else decides its scores."""
    from optuna import create_study
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
                            study_name=" ".join(filter(None, name)), load_if_exists=True)
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
