"""What an epoch leaves to the next besides the weights, which is what --resume continues from."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from src.build import build_optimizer
from src.config import PLACES, Config, config_from
from src.configured import method_class, unsaid
from src.methods.base import Method
from src.reading.records import Damaged
from src.runtime import random_state, restore_random_state
from src.saved import check_form, optimizer_form
from src.selection import Latest, Selecting
from src.structures import DataInfo, InputError

FREE_ON_RESUME = (*PLACES, "dataset", "num_epochs")


class RunState:
    """Optimizer, learning rates, order of the samples, random numbers, choices and history of a run."""

    def __init__(self, config: Config, model: Method, selecting: Selecting) -> None:
        self.optimizer = build_optimizer(config, model)
        self.scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(
            self.optimizer, mode="min", factor=0.1, patience=config.training.when)
        self.order = torch.Generator().manual_seed(config.run.seed)
        self.selecting, self._training, self._ahead = selecting, config.training, model.ahead
        self.epoch = 0  # the last one that has ended
        self.history: list[dict[str, Any]] = []
        self.init = unsaid(config)["init"]  # of the file that it began from, which may be another by the end

    def ended(self, row: Mapping[str, Any]) -> None:
        """An epoch has ended; `row` is its line of the history, where epochs ahead have other columns than the rest."""
        columns = dict.fromkeys([*(self.history[0] if self.history else ()), *row])
        self.history = [{name: one.get(name, math.nan) for name in columns} for one in (*self.history, row)]
        self.epoch += 1

    @property
    def through(self) -> bool:
        """Whether no epoch is left, or the validation score has not become better for `--patience` epochs."""
        task, patience = self.selecting.task, self._training.patience
        own = [task.merit(row[f"valid_{task.selection}"]) for row in self.history[self._ahead:]]
        waited = bool(patience and own) and len(own) - 1 - own.index(max(own)) >= patience
        return waited or self.epoch >= self._ahead + self._training.num_epochs

    def content(self) -> dict[str, Any]:
        """The state as a checkpoint holds it."""
        return {"epoch": self.epoch, "history": self.history, "best": self.selecting.best,
                "least": self.selecting.latest.least, "optimizer": self.optimizer.state_dict(),
                "scheduler": self.scheduler.state_dict(), "random": random_state(self.order),
                "init": self.init}

    def restore(self, saved: dict[str, Any], path: Path) -> None:
        """Take over the state in a checkpoint; InputError where it holds none."""
        try:
            self._restore(saved)
        except (Damaged, KeyError, RuntimeError) as error:
            raise InputError(f"--resume: {path} cannot be continued ({error}); start anew without --resume") from error

    def _restore(self, saved: dict[str, Any]) -> None:
        check_form(saved["optimizer"], optimizer_form(self.optimizer, saved["optimizer"]), "optimizer")
        check_form(saved["scheduler"], self.scheduler.state_dict(), "scheduler")
        check_form(saved["best"], self.selecting.best, "best")
        if len(saved["history"]) != saved["epoch"]:
            raise Damaged("its history has another length than its epochs")
        self.optimizer.load_state_dict(saved["optimizer"])
        self.scheduler.load_state_dict(saved["scheduler"])
        restore_random_state(saved["random"], self.order)
        self.epoch, self.history, self.selecting.best = saved["epoch"], saved["history"], saved["best"]
        self.selecting.latest = Latest(saved.get("least", []))  # runs of an earlier version have none of these two
        self.init = saved.get("init", self.init)


def saved_form(config: Config) -> dict[str, Any]:
    """The configuration as it is saved: whether a run was resumed is no part of it."""
    return config.flat() | {"resume": False}


def check_same(config: Config, info: DataInfo, saved: Mapping[str, Any], path: Path) -> None:
    """Raise InputError where the run in a checkpoint was made with other settings or files, or for more epochs."""
    current, run = config.flat(), config.run
    before = config_from(saved["config"], (run.backbone, run.method)).flat()  # what is newer has its default
    changed = [f"{key} {before.get(key)!r} -> {value!r}" for key, value in current.items()
               if key not in FREE_ON_RESUME and before.get(key) != value]
    if changed:
        raise InputError(f"--resume: {path} was made with other settings ({'; '.join(changed)}); give those again, "
                         "or start anew without --resume")
    if saved["info"] != info:
        raise InputError(f"--resume: {path} was made with other data (sha256 {saved['info'].sha256[:12]}, now "
                         f"{info.sha256[:12]}); bring the old file back, or start anew")
    began, now = saved.get("init", ""), unsaid(config)["init"]
    if began and now and began != now:
        raise InputError(f"--resume: {path} began from another content of --init {run.init} (sha256 {began[:12]}, now "
                         f"{now[:12]}); bring the old file back, or start anew")
    done = saved["epoch"] - method_class(config).epochs_ahead(config.method)
    if done > config.training.num_epochs:
        raise InputError(f"--resume: {path} is of {done} epochs, whose scores would stand for those of "
                         f"{config.training.num_epochs}; give --num_epochs {done} or more, or another --name")
