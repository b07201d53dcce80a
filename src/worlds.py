"""Worlds in which a choice on validation has to hold: as validation is, and as if a modality suspected were silent.

Validation that is drawn as training is cannot tell a shortcut from a cue by how well either does. But cues of one
expression agree beyond the label: where the face says less clearly what is felt, the voice tends to, too. A shortcut
knows nothing of that. And what a modality says alone, its direct effect, is also what validation has to be weighted by
so that the modality has nothing to do with the labels.
"""

from collections.abc import Mapping
from itertools import combinations

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from src.structures import LETTER, MODALITIES
from src.tasks import Task

AGREED = 2.0  # standard errors of a correlation from which on two modalities are shown to agree
ENOUGH = 200  # validation samples with which modalities that agree as voice and face do are mostly shown to
MOST = 10.0  # the highest weight before the mean is made 1, its reciprocal the lowest: few would outweigh all others
SUSPECTED = "valid_suspected_"  # and the letter of a modality: a column of the history
SHARPNESS = torch.linspace(0, 3, 31)  # factors of what a branch says beyond the prior, of which the likeliest is taken


def worlds(values: Mapping[str, Tensor], labels: Tensor, task: Task) -> Tensor:
    """How often each sample counts in each world; the first is validation as it is, then one for each of `suspects`.

    values: of every path, (N, C), a branch's under the name of its modality. labels as in the file. -> (W, N), each
    row with the mean 1.
    """
    as_is = torch.ones(len(labels), dtype=torch.double, device=labels.device)
    return torch.stack([as_is, *(silent(values[name], labels, task) for name in suspects(values, labels, task))])


def suspects(values: Mapping[str, Tensor], labels: Tensor, task: Task) -> list[str]:
    """The modalities with a branch that no other one vouches for, by a correlation above `AGREED` standard errors.

    Two modalities that share a shortcut, such as a speaker who is seen and heard, vouch for each other. Of a single
    branch nothing can be told.
    """
    # A correlation of independent numbers has the standard error 1 / sqrt(N - K) where K class means are taken off.
    least = AGREED / max(1, len(labels) - _member(labels, task).size(1)) ** 0.5
    vouched = {name for pair, value in agreement(values, labels, task).items() if value > least for name in pair}
    there = [name for name in MODALITIES if name in values]
    return [name for name in there if name not in vouched] if len(there) > 1 else []


def suspected(row: Mapping[str, float]) -> str:
    """Whom `suspect_columns` of an epoch name, in words after a semicolon; empty where they name nobody."""
    names = [name for letter, name in LETTER.items() if row.get(f"{SUSPECTED}{letter}")]
    return f"; suspected of a shortcut: {', '.join(names)}" * bool(names)


def suspect_columns(values: Mapping[str, Tensor], labels: Tensor, task: Task) -> dict[str, float]:
    """Columns of the history that say who is suspected."""
    found = suspects(values, labels, task)
    return {f"{SUSPECTED}{letter}": float(name in found) for letter, name in LETTER.items()}


def agreement(values: Mapping[str, Tensor], labels: Tensor, task: Task) -> dict[tuple[str, str], float]:
    """Of every two modalities with a branch, the correlation within the classes of log p(label) by one and the other.

    0 where a branch says the same of all samples of a class. values: as in `worlds`.
    """
    member, said = _member(labels, task), {}
    for name in (name for name in MODALITIES if name in values):
        own = _at_label(values[name], labels, task)
        beyond = own - member @ (member.T @ own / member.sum(0))
        said[name] = beyond / beyond.norm().clamp(min=1e-9)
    return {(one, other): (said[one] @ said[other]).item() for one, other in combinations(said, 2)}


def silent(logits: Tensor, labels: Tensor, task: Task) -> Tensor:
    """The weight p(y) / p(y | x) of each sample, with which x and y are independent. (N, C) -> (N,) with the mean 1.

    It is exp(-NDE_x) at the label, the direct effect as the evidence fusion has it: log p(y | x) - log p(y). p(y | x)
    is what the branch says, at the sharpness that fits these samples best, so that an overconfident branch is not
    believed; p(y) is their class prior, one sample of each class added.
    """
    own, count = task.log_probabilities(logits.double()), len(labels)
    classes = task.rows(own).size(1)
    prior = ((task.prior(labels).double() * count + 1) / (count + classes)).log().expand_as(own)
    likely = torch.stack([_at_label(prior + factor * (own - prior), labels, task) for factor in SHARPNESS])
    weight = (_at_label(prior, labels, task) - likely[likely.mean(1).argmax()]).exp().clamp(1 / MOST, MOST)
    return weight / weight.mean()


def _member(labels: Tensor, task: Task) -> Tensor:
    """1 where a sample has one of the K kinds of label that there are. -> (N, K)."""
    _, kinds = task.targets(labels).view(len(labels), -1).unique(dim=0, return_inverse=True)
    return one_hot(kinds).double()


def _at_label(logits: Tensor, labels: Tensor, task: Task) -> Tensor:
    """log p(label) of each sample, all its pairs together. (N, C) -> (N,)."""
    return -task.loss(logits.double(), task.targets(labels), "none").view(len(labels), -1).sum(1)
