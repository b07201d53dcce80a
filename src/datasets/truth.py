"""What the inputs of synthetic data tell of the emotion, exactly: p(y | some of the modalities) by Bayes' rule.

Given the emotion y, the digits d and shortcut values s of the three modalities differ only by the digits' rule, and the
frames of a modality depend on its d and s alone: frame = pattern_d + pattern_s + noise. So

    p(y | x) is proportional to  p(y) sum_{d_t, d_a} prod_x sum_s p(s | y) p(frames_x | d_x, s),  d_v = y - d_t - d_a,

with a factor of 1 for a modality that is not known, and p(s | y) = 1/4 for the rule without the shortcut.
"""

from collections.abc import Collection, Mapping

import numpy as np
import torch
from torch import Tensor

from src.datasets.synthetic import CLASSES, SyntheticOptions, patterns
from src.structures import MODALITIES


def log_posterior(options: SyntheticOptions, inputs: Mapping[str, Tensor], known: Collection[str],
                  shortcut: bool = True) -> Tensor:
    """log p(y | the known modalities) as train, valid and test were drawn; without the shortcut, by the rule alone.

    inputs: modality -> (N, T, D), with frames of zeros where there is nothing. -> (N, 4), float64.
    """
    frequencies = torch.tensor(options.shape[3], dtype=torch.float64)
    numbers = torch.arange(CLASSES)
    total = torch.zeros(len(inputs["text"]), *[CLASSES] * 3, dtype=torch.float64)  # sample, d_t, d_a, y
    text, audio = numbers[:, None, None], numbers[None, :, None]
    digits = {"text": text, "audio": audio, "vision": (numbers - text - audio) % CLASSES}
    strengths = dict(zip(MODALITIES, (options.shortcut_t, options.shortcut_a, options.shortcut_v), strict=True))
    for name, directions in zip(MODALITIES, patterns(options, np.random.default_rng(options.synthetic_seed)),
                                strict=True):
        if name in known:
            telling = _log_likelihood(options, inputs[name], torch.from_numpy(directions), strengths[name], shortcut)
            total += telling[:, digits[name], numbers]
    return (total.logsumexp((1, 2)) + (frequencies / frequencies.sum()).log()).log_softmax(1)


def _log_likelihood(options: SyntheticOptions, frames: Tensor, directions: Tensor, strength: float,
                    shortcut: bool) -> Tensor:
    """log p(frames | d, y) but for a constant. frames (N, T, D), directions (8, D) -> (N, d, y)."""
    shown = directions[:CLASSES, None]
    if strength:
        shown = shown + directions[CLASSES:]  # (d, s, D)
    frames = frames.double().cpu()
    there = (frames != 0).any(2)
    distance = torch.cdist(frames.flatten(0, 1), shown.flatten(0, 1)).square().reshape(*there.shape, *shown.shape[:2])
    distance = torch.where(there[..., None, None], distance, 0).sum(1)
    told = strength if shortcut else 0.0
    given = told * torch.eye(CLASSES, dtype=torch.float64) + (1 - told) / CLASSES  # p(s | y), (s, y)
    log_given = given.log() if strength else torch.zeros(1, CLASSES, dtype=torch.float64)
    return (-distance[..., None] / (2 * options.synthetic_noise ** 2) + log_given).logsumexp(2)
