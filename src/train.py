"""Training one run: epochs, selection on the validation split, checkpoints, resuming, the final test."""

import contextlib
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from src.build import build_model, build_optimizer, check_memory, count_parameters, is_ours, run_strengths
from src.checkpoint import (
    FORMAT,
    LAST,
    RESULTS,
    checkpoint_content,
    clear_start,
    load_checkpoint,
    load_weights,
    never_began,
    run_folder,
    run_name,
    set_aside,
)
from src.config import PLACES, Config, config_from
from src.datasets.base import Dataset, Split
from src.datasets.loader import Loader
from src.distributed import normalise_together, process_count, process_number, wait_for_all
from src.engine import EpochResult, Scores, evaluate, predict, run_epoch, scores, trivial_scores
from src.locks import FolderLock
from src.losses import Terms
from src.methods.base import Look, Output
from src.progress import on_terminal, status
from src.progress import scores as scores_of
from src.published import start_from
from src.reading.records import Damaged
from src.replay import Replay
from src.runtime import random_state, restore_random_state, seed_everything, storage_device, sweep, versions
from src.samples import write_samples
from src.saved import check_form, optimizer_form
from src.saving import Saving
from src.selection import (
    CHECKPOINTS,
    CHOOSING,
    GRANTING,
    SHIFTED,
    Latest,
    Selecting,
    kept,
    not_published,
    rule,
    unbiased_samples,
)
from src.structures import LETTER, Batch, InputError
from src.tasks import Task, task_of
from src.tracking import tracker
from src.worlds import suspects
from src.writing import write_csv, write_json, write_yaml

FREE_ON_RESUME = (*PLACES, "dataset", "num_epochs")


class Interrupted(KeyboardInterrupt):
    """Training was stopped by the user; the message says where it continues."""


@dataclass
class RunResult:
    """What a run reports."""

    selections: dict[str, Scores]  # name of a selection -> scores of its one checkpoint
    folder: Path
    strengths: dict[str, str]  # name of a selection -> strengths of its paths in words; empty where as published


class Trainer:
    """The state of a run in training."""

    def __init__(self, config: Config, dataset: Dataset, device: torch.device, lock: FolderLock | None = None) -> None:
        self.config, self.dataset, self.device, self.lock = config, dataset, device, lock
        check_memory(config, dataset.info)
        self.task: Task = task_of(dataset.info)
        self.folder = run_folder(config.run, config.run.backbone, config.run.method)
        seed_everything(config.run.seed)
        self.empty = never_began(self.folder)
        self.resuming = config.run.resume and not self.empty and (self.folder / f"{LAST}.pt").exists()
        self.model = build_model(config, dataset.info, pretrained=not (self.resuming or config.run.init))
        normalise_together(self.model, device)
        if config.run.init and not self.resuming:
            start_from(config.run.init, self.model)
        self.optimizer = build_optimizer(config, self.model)
        self.scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(
            self.optimizer, mode="min", factor=0.1, patience=config.training.when)
        self.order = torch.Generator().manual_seed(config.run.seed)
        used = [dataset.splits[name] for name in ("train", "valid")]
        storage = storage_device(config.data.data_device, device, sum(split.nbytes for split in used))
        self.train_loader, self.valid_loader = (
            Loader(split, config.training.batch_size, device, storage, generator)
            for split, generator in zip(used, (self.order, None), strict=True))
        asked = config.training.compile
        replayed = device.type == "cuda" and (asked == "on" or asked == "auto" and is_ours(config))
        self.replay = Replay(self.model, self.optimizer) if replayed and process_count() == 1 else None
        self.strengths = run_strengths(config)
        self.checked: dict[str, Split] = {"valid": dataset.splits["valid"]}  # splits that choose
        if config.choice.unbiased:
            self.checked[SHIFTED] = unbiased_samples(dataset, config.choice.unbiased)
        self.saving = Saving()
        self.epoch = self.saved_epoch = 0
        self.history: list[dict[str, Any]] = []
        self.kept = kept(config.choice.unbiased, config.choice.unwanted)  # checkpoints
        self.selecting = Selecting(self.task, bool(self.strengths.free))

    def start(self) -> None:
        """Open the run folder: continue the run in it, or put it aside and begin a new one."""
        run = self.config.run
        print(f"\n{run.backbone}, {run.method}, seed {run.seed}", flush=True)
        self.model.to(self.device)  # only now, so that of several runs one model at a time is there
        if self.resuming:
            self._restore()
        else:
            if run.resume:
                print(f"nothing to continue in {self.folder}, so this run begins anew")
            self._clear()
            self.model.prepare(self.dataset.splits["train"], self.task)
            seed_everything(run.seed)  # dropout does not depend on what was built before
            self._save_last()
        write_yaml(self.folder / "config.yaml", saved_form(self.config))
        self.tracker = tracker("" if process_number() else run.tracker, self.folder,
                               f"{run.name} {run_name(run.backbone, run.method)} {run.seed}")
        self.tracker.begin(saved_form(self.config), self.epoch)

    def _clear(self) -> None:
        """Make room for a new run; an earlier one is kept under another name."""
        if process_number():
            return
        if self.empty:
            clear_start(self.folder)
            return
        aside = set_aside(self.folder)
        if aside:
            print(f"the earlier run of this name is kept in {aside}")
            if self.lock:
                self.lock.acquire()  # the lock went with the old folder

    def run(self) -> None:
        """All epochs that are left."""
        while self.epoch < self.model.ahead + self.config.training.num_epochs and not self._waited():
            self._run_epoch()

    def _waited(self) -> bool:
        """Whether the validation score has not become better for `--patience` epochs."""
        own = [self.task.merit(row[f"valid_{self.task.selection}"]) for row in self.history[self.model.ahead:]]
        patience = self.config.training.patience
        return bool(patience and own) and len(own) - 1 - own.index(max(own)) >= patience

    def whole(self) -> RunResult:
        """The run from where it stands to its test scores; raises Interrupted where the user stops it."""
        try:
            self.start()
            try:
                self.run()
            finally:
                self._write()
            return self.test()
        except KeyboardInterrupt:
            total = self.model.ahead + self.config.training.num_epochs
            raise Interrupted(f"stopped; epoch {self.saved_epoch} of {total} is the last one "
                              f"saved in {self.folder}, continue with the same command and --resume") from None

    def _run_epoch(self) -> None:
        """Train, validate, select, save; the checkpoint for --resume comes last."""
        began, number = time.perf_counter(), self.epoch + 1
        ahead, total = number <= self.model.ahead, self.model.ahead + self.config.training.num_epochs
        title = f"epoch {number}/{total}{' (ahead)' * ahead}"
        watched = status(self.history, self.task, total, self.device) if on_terminal() else ""
        if not ahead:
            self.model.before_epoch(number - self.model.ahead, self._look, self.task)
        if self.replay and not self.model.steady:
            self.replay.forget()
        objective = self._ahead_loss if ahead else self._loss
        trained = run_epoch(self.model, self.train_loader, objective, f"{title} train{watched}", self.optimizer,
                            self.config.training, None if ahead else self._before_step, self.replay)
        checked = {"valid": run_epoch(self.model, self.valid_loader, objective, f"{title} valid{watched}",
                                      replay=self.replay)}
        checked |= {name: predict(self.config, self.model, self.device, split, f"{title} {name}")
                    for name, split in self.checked.items() if name != "valid"}
        chosen = {name: self.strengths.by(name, type(self.model), result.values, result.labels, self.task)
                  for name, result in checked.items()}
        row = {"epoch": number, "seconds": round(time.perf_counter() - began, 3)}
        lost: dict[str, Tensor] = {}  # of the samples that choose
        for split, result in (("train", trained), *checked.items()):
            logits = self.model.combined(result.values, chosen.get(split, chosen["valid"]))
            metrics = self.task.metrics(logits, result.labels)
            row |= {f"{split}_{name}": value for name, value in (result.terms | metrics).items()}
            if split == SHIFTED or split in chosen and self.strengths.free:
                lost[split] = self.task.misfit(logits, result.labels)
            if split in lost and self.strengths.free:
                row[f"{split}_fit"] = -lost[split].mean().item()
        row |= self._choices(checked["valid"], chosen)
        if not ahead:
            self.scheduler.step(checked["valid"].terms["loss"])
        row |= {f"lr_{group['name']}": group["lr"] for group in self.optimizer.param_groups}
        columns = dict.fromkeys([*(self.history[0] if self.history else ()), *row])  # those ahead have other terms
        self.history = [{name: one.get(name, math.nan) for name in columns} for one in (*self.history, row)]
        self.epoch = number
        if not ahead:
            self._select(row, lost, chosen)
            if self.config.choice.log_samples:
                write_samples(self.folder, number, self._every_sample(checked["valid"], chosen["valid"]), self.task)
        write_csv(self.folder / "history.csv", self.history)
        self._save_last()
        self.tracker.epoch(number, row)
        if not on_terminal():
            print(f"{title}  {scores_of(row, self.task)}  {row['seconds']:.1f} s", flush=True)

    def _choices(self, valid: EpochResult, chosen: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
        """Columns of the history that say which strengths the samples of a split chose, and who is suspected."""
        row = {f"{split}_strength_{name}": value for split, strength in chosen.items() if self.strengths.free
               for name, value in strength.items()}
        if not self.strengths.cautious:
            return row
        suspected = suspects(valid.values, cast(Tensor, valid.labels), self.task)
        return row | {f"valid_suspected_{letter}": float(name in suspected) for letter, name in LETTER.items()}

    def _loss(self, output: Output, batch: Batch) -> Terms:
        return self.model.loss(output, batch, self.task)

    def _ahead_loss(self, output: Output, batch: Batch) -> Terms:
        return self.model.ahead_loss(output, batch, self.task)

    def _before_step(self, output: Output, batch: Batch) -> None:
        self.model.before_step(output, batch, self.task)

    def _look(self, name: str) -> Look:
        """What the model says now of the training or the validation split."""
        if name not in ("train", "valid"):
            raise ValueError(f"a method may look at train and valid, not at {name}")
        result = predict(self.config, self.model, self.device, self.dataset.splits[name], name)
        return Look(result.values, result.labels)

    def _every_sample(self, valid: EpochResult, strength: Mapping[str, float]) -> dict[str, EpochResult]:
        """What the model says of all samples that choose or test; it predicts by the strengths of this epoch."""
        others = [name for name in self.dataset.splits
                  if name not in ("train", "valid") and (name != SHIFTED or self.config.choice.unbiased)]
        found = {"valid": valid} | {name: predict(self.config, self.model, self.device, self.dataset.splits[name], name)
                                    for name in others}
        for result in found.values():
            result.values["logits"] = self.model.combined(result.values, strength)
        return found

    def _select(self, row: dict[str, Any], lost: Mapping[str, Tensor],
                chosen: Mapping[str, dict[str, float]]) -> None:
        """Save the checkpoint of each selection that takes this epoch, with the strengths that its samples chose."""
        for name in self.kept:
            if self.selecting.takes(name, row, lost):
                if self.strengths.start:
                    self.model.strength.copy_(torch.tensor(list(chosen[rule(name).split or "valid"].values())))
                self._save(name, epoch=self.epoch, metrics=row)

    def _save(self, name: str, **more: Any) -> None:
        self.saving.add(self.folder / f"{name}.pt", checkpoint_content(
            self.model, saved_form(self.config), self.dataset.info, versions=versions(self.device), **more))

    def _save_last(self) -> None:
        self._save(LAST, epoch=self.epoch, history=self.history, best=self.selecting.best,
                   least=self.selecting.latest.least, optimizer=self.optimizer.state_dict(),
                   scheduler=self.scheduler.state_dict(), random=random_state(self.order))
        if self.saving.due:
            self._write()

    def _write(self) -> None:
        last = self.saving.waiting.get(self.folder / f"{LAST}.pt", {})
        self.saving.flush()
        self.saved_epoch = last.get("epoch", self.saved_epoch)

    def _restore(self) -> None:
        """Load the last finished epoch; InputError where the run was made with other settings or other data."""
        path = self.folder / f"{LAST}.pt"
        saved = load_checkpoint(path, torch.device("cpu"))
        current, run = self.config.flat(), self.config.run
        before = config_from(saved["config"], (run.backbone, run.method)).flat()  # what is newer has its default
        changed = [f"{key} {before.get(key)!r} -> {value!r}" for key, value in current.items()
                   if key not in FREE_ON_RESUME and before.get(key) != value]
        if changed:
            raise InputError(f"--resume: {path} was made with other settings ({'; '.join(changed)}); give those again, "
                             "or start anew without --resume")
        if saved["info"] != self.dataset.info:
            raise InputError(f"--resume: {path} was made with other data (sha256 {saved['info'].sha256[:12]}, now "
                             f"{self.dataset.info.sha256[:12]}); bring the old file back, or start anew")
        load_weights(self.model, saved["model"], path)
        try:
            self._restore_state(saved)
        except (Damaged, KeyError, RuntimeError) as error:
            raise InputError(f"--resume: {path} cannot be continued ({error}); start anew without --resume") from error
        total = self.model.ahead + self.config.training.num_epochs
        print(f"continuing after epoch {self.epoch} of {self.folder}" if self.epoch < total else
              f"nothing is trained: {self.folder} has {self.epoch} epochs, and {total} are asked for")

    def _restore_state(self, saved: dict[str, Any]) -> None:
        """Take over everything but the weights; raises Damaged, KeyError or RuntimeError for what is no such state."""
        check_form(saved["optimizer"], optimizer_form(self.optimizer, saved["optimizer"]), "optimizer")
        check_form(saved["scheduler"], self.scheduler.state_dict(), "scheduler")
        check_form(saved["best"], self.selecting.best, "best")
        if len(saved["history"]) != saved["epoch"]:
            raise Damaged("its history has another length than its epochs")
        self.optimizer.load_state_dict(saved["optimizer"])
        self.scheduler.load_state_dict(saved["scheduler"])
        restore_random_state(saved["random"], self.order)
        self.epoch = self.saved_epoch = saved["epoch"]
        self.history, self.selecting.best = saved["history"], saved["best"]
        self.selecting.latest = Latest(saved.get("least", []))  # runs of an earlier version have none

    def test(self) -> RunResult:
        """Score the test splits once for each selected checkpoint and write results.json."""
        wait_for_all()  # until the first process has written the last checkpoint
        selections, record, chosen, words = {}, {}, {}, {}
        for name in self.kept:
            path = self.folder / f"{name}.pt"
            saved = load_checkpoint(path, self.device)
            if "metrics" not in saved:
                raise InputError(f"{path} is no selected checkpoint, it lacks the validation scores; bring back the "
                                 "right file, or train again without --resume")
            load_weights(self.model, saved["model"], path)
            results = evaluate(self.config, self.dataset, self.model, self.device)
            selections[name] = scores(self.dataset, results)
            chosen[name], words[name] = self.model.shown_strength(), not_published(self.model)
            suspected = [LETTER[letter] for letter in LETTER if saved["metrics"].get(f"valid_suspected_{letter}")]
            words[name] += f"; suspected of a shortcut: {', '.join(suspected)}" * bool(suspected)
            record[name] = {"epoch": saved["epoch"], "valid": saved["metrics"], **selections[name]}
        trivial = trivial_scores(self.dataset)
        write_json(self.folder / RESULTS, {
            "format": FORMAT, "config": saved_form(self.config), "data": self.dataset.info.__dict__,
            "parameters": count_parameters(self.model), "versions": versions(self.device),
            "samples": {name: len(self.dataset.splits[name]) for name in self.dataset.splits},
            "seconds": sum(row["seconds"] for row in self.history), "selections": record, "strengths": chosen,
            "choosing": CHOOSING.get(self.config.choice.strength, 0), "granting": GRANTING,
            "trivial": trivial})
        self.tracker.finish({f"{CHECKPOINTS[name]}/{split}/{metric}": value for name, scored in selections.items()
                             for split, metrics in scored.items() for metric, value in metrics.items()})
        return RunResult(selections, self.folder, words)


def saved_form(config: Config) -> dict[str, Any]:
    """The configuration as it is saved: whether a run was resumed is no part of it."""
    return config.flat() | {"resume": False}


def train(configs: Sequence[Config], dataset: Dataset, device: torch.device) -> Iterator[RunResult]:
    """Train the runs of these configurations, or continue them, and test their selected checkpoints.

    All models are built before the first is trained, so that nothing missing is found out late. Raises InputError
    where another process works on one of the runs.
    """
    with contextlib.ExitStack() as stack:
        folders = [run_folder(one.run, one.run.backbone, one.run.method) for one in configs]
        locks = [None if process_number() else stack.enter_context(_locked(folder)) for folder in folders]
        trainers = [Trainer(one, dataset, device, lock) for one, lock in zip(configs, locks, strict=True)]
        wait_for_all()  # until each has seen what is there
        while trainers:
            yield trainers.pop(0).whole()


def _locked(folder: Path) -> FolderLock:
    """The lock of a run folder that is rid of what killed processes left; a file of its name is put aside."""
    if folder.is_file():
        print(f"the file of that name is kept in {set_aside(folder)}")
    sweep(folder)
    return FolderLock(folder, "wait until it is through, or choose another --name")

