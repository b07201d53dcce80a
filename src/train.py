"""Training one run: epochs, selection on the validation split, checkpoints, resuming, the final test."""

import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from src.build import build_model, check_memory
from src.checkpoint import (
    LAST,
    checkpoint_content,
    clear_start,
    load_checkpoint,
    load_weights,
    never_began,
    run_folder,
    run_name,
    set_aside,
    unfinish,
)
from src.config import Config
from src.configured import is_ours, run_strengths
from src.datasets.base import Dataset
from src.datasets.loader import Loader
from src.distributed import normalise_together, process_count, process_number, wait_for_all
from src.engine import EpochResult, predict, run_epoch
from src.final import RunResult, final_test
from src.locks import FolderLock
from src.losses import Terms
from src.methods.base import Look, Output
from src.progress import on_terminal, status
from src.progress import scores as scores_of
from src.published import start_from
from src.replay import Replay
from src.runtime import seed_everything, storage_device, sweep, versions
from src.samples import write_samples
from src.saving import Saving
from src.selection import CHECKPOINTS, SHIFTED, Selecting, kept, rule, unbiased_samples
from src.state import RunState, check_same, saved_form
from src.structures import Batch
from src.tasks import Task, task_of
from src.tracking import tracker
from src.worlds import suspect_columns
from src.writing import write_csv, write_yaml


class Interrupted(KeyboardInterrupt):
    """Training was stopped by the user; the message says where it continues."""


class Trainer:
    """A run in training."""

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
        self.strengths = run_strengths(config)
        self.state = RunState(config, self.model, Selecting(self.task, bool(self.strengths.free)))
        used = [dataset.splits[name] for name in ("train", "valid")]
        storage = storage_device(config.data.data_device, device, sum(split.nbytes for split in used))
        self.train_loader, self.valid_loader = (
            Loader(split, config.training.batch_size, device, storage, generator)
            for split, generator in zip(used, (self.state.order, None), strict=True))
        asked = config.training.compile
        replayed = device.type == "cuda" and (asked == "on" or asked == "auto" and is_ours(config))
        self.replay = Replay(self.model, self.state.optimizer) if replayed and process_count() == 1 else None
        count = config.choice.unbiased
        self.granted = {SHIFTED: unbiased_samples(dataset, count)} if count else {}  # what chooses besides `valid`
        self.saving = Saving()
        self.saved_epoch = 0
        self.kept = kept(config.choice.unbiased, config.choice.unwanted)  # checkpoints

    @property
    def total(self) -> int:
        """Epochs from the first to the last, those ahead of the backbone's among them."""
        return self.model.ahead + self.config.training.num_epochs

    def start(self) -> None:
        """Open the run folder: continue the run in it, or put it aside and begin a new one."""
        run = self.config.run
        print(f"\n{run.backbone}, {run.method}, seed {run.seed}", flush=True)
        self.model.to(self.device)  # only now, so that of several runs one model at a time is there
        if self.resuming:
            self._restore()
            if not self.state.through and not process_number():
                unfinish(self.folder)
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
        self.tracker.begin(saved_form(self.config), self.state.epoch)

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
        while not self.state.through:
            self._run_epoch()

    def whole(self) -> RunResult:
        """The run from where it stands to its test scores; raises Interrupted where the user stops it."""
        try:
            self.start()
            try:
                self.run()
            finally:
                self._write()
            wait_for_all()  # until the first process has written the last checkpoint
            result = final_test(self.config, self.dataset, self.model, self.device, self.folder, self.state)
            self.tracker.finish({f"{CHECKPOINTS[name]}/{split}/{metric}": value
                                 for name, scored in result.selections.items()
                                 for split, metrics in scored.items() for metric, value in metrics.items()})
            return result
        except KeyboardInterrupt:
            raise Interrupted(f"stopped; epoch {self.saved_epoch} of {self.total} is the last one saved in "
                              f"{self.folder}, continue with the same command and --resume") from None

    def _run_epoch(self) -> None:
        """Train, validate, select, save; the checkpoint for --resume comes last."""
        began, number = time.perf_counter(), self.state.epoch + 1
        ahead = number <= self.model.ahead
        title = f"epoch {number}/{self.total}{' (ahead)' * ahead}"
        trained, checked = self._passes(number, ahead, title)
        chosen = dict.fromkeys(checked, dict(self.strengths.start)) if ahead else self._chosen(checked)
        seconds = round(time.perf_counter() - began, 3)
        measured, lost = self._measured(trained, checked, chosen)
        row = {"epoch": number, "seconds": seconds, **measured, **self._choices(checked["valid"], chosen)}
        if not ahead:
            self.state.scheduler.step(checked["valid"].terms["loss"])
        row |= {f"lr_{group['name']}": group["lr"] for group in self.state.optimizer.param_groups}
        self.state.ended(row)
        if not ahead:
            self._select(row, lost, chosen)
            if self.config.choice.log_samples:
                write_samples(self.folder, number, self._every_sample(checked["valid"], chosen["valid"]), self.task)
        write_csv(self.folder / "history.csv", self.state.history)
        self._save_last()
        self.tracker.epoch(number, row)
        if not on_terminal():
            print(f"{title}  {scores_of(row, self.task)}  {row['seconds']:.1f} s", flush=True)

    def _passes(self, number: int, ahead: bool, title: str) -> tuple[EpochResult, dict[str, EpochResult]]:
        """One pass of training, and what the model then says of every split that chooses."""
        watched = (status(self.state.history, self.task, self.total, self.device, self.model.ahead)
                   if on_terminal() else "")
        if not ahead:
            self.model.before_epoch(number - self.model.ahead, self._look, self.task)
        if self.replay and not self.model.steady:
            self.replay.forget()
        objective = self._ahead_loss if ahead else self._loss
        trained = run_epoch(self.model, self.train_loader, objective, f"{title} train{watched}", self.state.optimizer,
                            self.config.training, None if ahead else self._before_step, self.replay)
        checked = {"valid": run_epoch(self.model, self.valid_loader, objective, f"{title} valid{watched}",
                                      replay=self.replay)}
        return trained, checked | {name: predict(self.config, self.model, self.device, split, f"{title} {name}")
                                   for name, split in self.granted.items()}

    def _chosen(self, checked: Mapping[str, EpochResult]) -> dict[str, dict[str, float]]:
        """The strengths that the samples of each split choose; epochs ahead, of which none is selected, need none."""
        looks = {name: Look(result.values, result.known_labels) for name, result in checked.items()}
        regrets = self.strengths.regrets(type(self.model), looks["valid"], self.task)
        return {name: self.strengths.by(name, type(self.model), look, self.task, regrets)
                for name, look in looks.items()}

    def _measured(self, trained: EpochResult, checked: Mapping[str, EpochResult],
                  chosen: Mapping[str, Mapping[str, float]]) -> tuple[dict[str, float], dict[str, Tensor]]:
        """Columns of the history with the losses and scores of every split, and losses (N,) of samples that choose."""
        row: dict[str, float] = {}
        lost: dict[str, Tensor] = {}
        for split, result in (("train", trained), *checked.items()):
            logits = self.model.combined(result.values, chosen.get(split, chosen["valid"]))
            metrics = self.task.metrics(logits, result.known_labels)
            row |= {f"{split}_{name}": value for name, value in {**result.terms, **metrics}.items()}
            if split == SHIFTED or split in chosen and self.strengths.free:
                lost[split] = self.task.misfit(logits, result.known_labels)
            if split in lost and self.strengths.free:
                row[f"{split}_fit"] = -lost[split].mean().item()
        return row, lost

    def _choices(self, valid: EpochResult, chosen: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
        """Columns of the history that say which strengths the samples of a split chose, and who is suspected."""
        row = {f"{split}_strength_{name}": value for split, strength in chosen.items() if self.strengths.free
               for name, value in strength.items()}
        if self.strengths.cautious:
            row |= suspect_columns(valid.values, valid.known_labels, self.task)
        return row

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
        return Look(result.values, result.known_labels)

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
            if self.state.selecting.takes(name, row, lost):
                if self.strengths.start:
                    self.model.strength.copy_(torch.tensor(list(chosen[rule(name).split or "valid"].values())))
                self._save(name, epoch=self.state.epoch, metrics=row)

    def _save(self, name: str, **more: Any) -> None:
        self.saving.add(self.folder / f"{name}.pt", checkpoint_content(
            self.model, saved_form(self.config), self.dataset.info, versions=versions(self.device), **more))

    def _save_last(self) -> None:
        self._save(LAST, **self.state.content())
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
        check_same(self.config, self.dataset.info, saved, path)
        load_weights(self.model, saved["model"], path)
        self.state.restore(saved, path)
        self.saved_epoch = self.state.epoch
        print(f"continuing after epoch {self.saved_epoch} of {self.folder}" if self.saved_epoch < self.total else
              f"nothing is trained: {self.folder} has {self.saved_epoch} epochs, and {self.total} are asked for")


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

