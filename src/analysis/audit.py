"""Do effects and predictions mean what they claim? Distances to the truth where it is known, and calibration."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor

from src.analysis.trained import Trained
from src.datasets.synthetic import SyntheticOptions
from src.datasets.truth import log_posterior
from src.engine import EpochResult
from src.structures import MODALITIES, InputError
from src.tasks import Task
from src.worlds import agreement

BINS = 15  # of the calibration error
NEEDS = "labels of which every sample has exactly one; for numbers and for sets of labels leave it out"


def log_distribution(task: Task, logits: Tensor) -> Tensor:
    """The logits' distribution over the classes of which a sample has one. (N, C) -> (N, K), float64, log, on the CPU.

    Pairs (absent, present) are independent statements; given that one of them holds, its probability is proportional
    to exp(present - absent). Raises InputError for labels of another kind.
    """
    if not task.exclusive:
        raise InputError(f"an audit needs {NEEDS}")
    return task.class_values(logits.double()).log_softmax(1).cpu()


def divergence(truth: Tensor, model: Tensor) -> float:
    """Mean Kullback-Leibler divergence from a true to a modelled distribution in nats. log (N, K) x 2 -> number."""
    return (truth.exp() * (truth.clamp_min(-1e3) - model.clamp_min(-1e3))).sum(1).mean().item()


def calibration_error(model: Tensor, right: Tensor) -> float:
    """ECE: confidence against accuracy in 15 bins of equal width, weighted by their samples (Guo et al. 2017, eq. 3).

    model: log (N, K); right: (N,) -> [0, 1].
    """
    confidence = model.max(1).values.exp()
    bins = (confidence * BINS).ceil().long().clamp(1, BINS) - 1
    gaps = torch.zeros(BINS, dtype=torch.float64).index_add(0, bins, right.double() - confidence)
    return gaps.abs().sum().item() / len(right)


def audit_rows(trained: Trained, split: str, result: EpochResult) -> Iterator[dict[str, Any]]:
    """Rows of a labelled split: calibration errors, agreement of branches, for synthetic data distances to the rule.

    There also, per modality, how far its direct effect (of methods without one, its branch) is from what it truly says
    alone, as the training data was drawn, beside the distance of an effect that says nothing, which for a placebo
    modality is 0. Nothing is known of the truth of another file. Raises InputError as `log_distribution`.
    """
    task, options, inputs = trained.task, trained.config.dataset, trained.dataset.splits[split].inputs
    labels = result.known_labels
    row: Callable[..., dict[str, Any]] = partial(dict, split=split, analysis="audit")
    models = {predictor: log_distribution(task, result.values[one.values])
              for predictor, one in trained.model.predictors.items()}
    for predictor, one in trained.model.predictors.items():
        right = task.correct(result.values[one.values], labels).cpu()
        yield row(predictor=predictor, setting="", measure="ece", value=calibration_error(models[predictor], right))
    for pair, value in agreement(result.values, labels, task).items():
        yield row(predictor="prediction", setting="".join(name[0] for name in pair), measure="agreement", value=value)
    if not isinstance(options, SyntheticOptions) or not trained.same_data:
        return
    rule, nothing = log_posterior(options, inputs, MODALITIES, shortcut=False), log_posterior(options, inputs, ())
    for predictor, model in models.items():
        same = (rule.argmax(1) == model.argmax(1)).double().mean().item()
        yield row(predictor=predictor, setting="", measure="kl_rule", value=divergence(rule, model))
        yield row(predictor=predictor, setting="", measure="decides_by_rule", value=same)
    for name in MODALITIES:
        effect = result.values.get(f"direct_{name}", result.values.get(name))
        if effect is not None:
            if f"direct_{name}" in result.values:  # of evidence, what is said beyond the prior
                effect = effect + result.values.get("prior", 0)
            told = log_posterior(options, inputs, (name,))
            for measure, said in (("kl_effect", log_distribution(task, effect)), ("kl_no_effect", nothing)):
                yield row(predictor="prediction", setting=name, measure=measure, value=divergence(told, said))
