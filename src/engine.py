"""One pass over a split: training with an optimizer, evaluation without."""

import functools
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from tqdm import tqdm

from src.config import Config
from src.datasets.base import Dataset, Split
from src.datasets.loader import Loader
from src.distributed import average_gradients, shared
from src.losses import Terms
from src.methods.base import Output
from src.metrics import Metrics
from src.options import TrainingOptions
from src.replay import Replay
from src.runtime import storage_device
from src.structures import Batch, InputError, Labelled
from src.tasks import task_of

tqdm.set_lock(threading.RLock())  # enough within one process; tqdm's own asks the system for semaphores
Objective = Callable[[Output, Batch], Terms]
DIVERGED = "is not finite"  # a search for settings recognises the message of such a run by these words
Hook = Callable[[Output, Batch], None]
WIDE, FRAMES = 512, 2**14  # samples and frames of all modalities that one step of predicting takes easily
Scores = dict[str, Metrics]  # test split -> its metrics


@dataclass
class EpochResult(Labelled):
    """What one pass leaves: mean terms of the loss, and what was computed for every sample, in the order seen."""

    terms: dict[str, float]  # name -> mean per sample; empty without labels
    values: dict[str, Tensor]  # name -> (N, C), see `per_sample` of the outputs
    labels: Tensor | None  # (N, ...)


def run_epoch(model: nn.Module, loader: Loader, objective: Objective, title: str,
              optimizer: torch.optim.Optimizer | None = None, options: TrainingOptions | None = None,
              before_step: Hook | None = None, replay: Replay | None = None) -> EpochResult:
    """Pass over a split once; the model changes only if an optimizer and its options are given.

    `before_step` sees the gradients of every step before they are clipped and used. `replay` runs the steps on a GPU.

    Every `options.accumulate` batches make one step, the last ones fewer; weighted by their samples they give the
    gradient of one large batch, for losses that are means over samples. Raises InputError where a loss is not finite;
    the check comes after the pass, so that a GPU never waits for it.
    """
    training, own = optimizer is not None, cast(TrainingOptions, options)  # which come with an optimizer
    model.train(training)
    answer, weights = shared(model), list(model.parameters()) if training else []

    def step(batch: Batch, place: tuple[float, bool, bool]) -> dict[str, dict[str, Tensor]]:
        share, first, last = place
        output = answer(batch)
        losses = {} if batch.labels is None else objective(output, batch)
        if optimizer is not None:
            if first:  # gradients that several captured batches add to stay where they are
                optimizer.zero_grad(set_to_none=own.accumulate == 1 or not replay)
            (losses["loss"] * share).backward()
            if last:
                average_gradients(model)
                if before_step:
                    before_step(output, batch)
                _clip(weights, own)
                optimizer.step()
        return {"terms": {name: term.detach() for name, term in losses.items()},
                "values": {name: value.detach() for name, value in output.per_sample().items()}}

    done, labels = [], []
    with torch.set_grad_enabled(training):
        for number, batch in enumerate(tqdm(loader, desc=title, leave=False, disable=not sys.stderr.isatty())):
            place = _place(number, loader.sizes, own.accumulate) if training else (1.0, True, True)
            done.append(replay((objective, place), batch, functools.partial(step, place=place)) if replay
                        else step(batch, place))
            labels.append(batch.labels)
    return EpochResult(_mean_terms([one["terms"] for one in done], loader.sizes, title),
                       {name: torch.cat([one["values"][name] for one in done]) for name in done[0]["values"]},
                       None if labels[0] is None else torch.cat(labels))


def _place(number: int, sizes: Sequence[int], accumulate: int) -> tuple[float, bool, bool]:
    """A batch's share of the samples of its step, and whether it is the first or the last of them."""
    first = number - number % accumulate
    together = sizes[first:first + accumulate]
    return sizes[number] / sum(together), number == first, number + 1 == first + len(together)


def predict(config: Config, model: nn.Module, device: torch.device, split: Split, title: str) -> EpochResult:
    """Pass over a split without training and without losses, which can take longer than the predictions (DMD)."""
    storage = storage_device(config.data.data_device, device, split.nbytes)
    size = config.training.evaluation_batch_size or max(config.training.batch_size, min(WIDE, FRAMES // split.frames))
    return run_epoch(model, Loader(split, size, device, storage), lambda *_: {}, title)


def evaluate(config: Config, dataset: Dataset, model: nn.Module, device: torch.device) -> dict[str, EpochResult]:
    """Pass over every test split."""
    return {name: predict(config, model, device, dataset.splits[name], name) for name in dataset.test_splits}


def scores(dataset: Dataset, results: dict[str, EpochResult]) -> Scores:
    """Metrics of the splits that have labels."""
    task = task_of(dataset.info)
    return {name: task.metrics(result.values["logits"], result.labels)
            for name, result in results.items() if result.labels is not None}


def trivial_scores(dataset: Dataset) -> Scores:
    """Metrics of the predictor that looks at no input."""
    task = task_of(dataset.info)
    logits = task.trivial_logits(dataset.splits["train"].known_labels)
    splits = {name: dataset.splits[name].labels for name in dataset.test_splits}
    return {name: task.metrics(logits.repeat(len(labels), 1), labels) for name, labels in splits.items()
            if labels is not None}


def _clip(weights: Sequence[nn.Parameter], options: TrainingOptions) -> None:
    """Limit the gradients as asked for."""
    if options.clip_value:
        nn.utils.clip_grad_value_(weights, options.clip_value)
    if options.clip:
        nn.utils.clip_grad_norm_(weights, options.clip)


def _mean_terms(terms: list[dict[str, Tensor]], sizes: list[int], title: str) -> dict[str, float]:
    """Means over samples; raises InputError that names the first batch whose loss is not finite."""
    if not terms[0]:
        return {}
    weights = torch.tensor(sizes, dtype=torch.float64) / sum(sizes)
    columns = {name: torch.stack([term[name] for term in terms]).double().cpu() for name in terms[0]}
    broken = (~columns["loss"].isfinite()).nonzero().flatten().tolist()
    if broken:
        shown = ", ".join(f"{name} {column[broken[0]].item():g}" for name, column in columns.items())
        raise InputError(f"{title}: the loss of batch {broken[0] + 1} of {len(sizes)} {DIVERGED} ({shown}); lower "
                         "the learning rates or --clip, and check the data for extreme values; the last finished "
                         "epoch is kept")
    return {name: (column @ weights).item() for name, column in columns.items()}
