"""A trained model asked from Python: arrays in, decisions, probabilities and effects out."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from src.analysis.trained import Trained, rebuilt
from src.config import Config
from src.configured import title
from src.console import prediction_columns
from src.datasets.absence import FILLS
from src.datasets.base import Dataset, from_arrays
from src.datasets.padding import PADDINGS
from src.guest import LOGGER, guest
from src.methods.base import Method
from src.runtime import resolve_device
from src.structures import LETTER, MODALITIES, DataInfo, InputError, UsageError, quoted
from src.tasks import Task, task_of

if TYPE_CHECKING:
    from pandas import DataFrame

INPUTS = "inputs"  # what messages call the arrays


@dataclass(frozen=True)
class Prediction:
    """What a model says of N samples, in the order in which they came."""

    logits: np.ndarray  # (N, C) what decides
    decision: list[str]  # N, in words; several labels are joined by +
    effects: dict[str, np.ndarray]  # name, as in tables and in --predictions -> (N, C); empty where there are none
    title: str  # of the model
    task: Task = field(repr=False)
    columns: dict[str, list[Any]] = field(repr=False)  # those of `--predictions`, name -> N

    @property
    def probabilities(self) -> np.ndarray:
        """Probability of each of `task.classes`. -> (N, K); InputError where the outputs are numbers."""
        return self.task.probabilities(torch.from_numpy(self.logits)).numpy()

    @property
    def total(self) -> np.ndarray:
        """Total effect TE. -> (N, C); InputError where the model has none."""
        return self._effect("TE")

    @property
    def direct(self) -> dict[str, np.ndarray]:
        """Natural direct effects NDE_x. -> modality -> (N, C); InputError where the model has none."""
        return {name: self._effect(f"NDE_{letter}") for letter, name in LETTER.items()}

    @property
    def TIE(self) -> np.ndarray:  # noqa: N802  (the paper's name)
        """Total indirect effect. -> (N, C); InputError where the model has none, or predicts by other strengths."""
        return self._effect("TIE")

    def _effect(self, name: str) -> np.ndarray:
        if name not in self.effects:
            raise InputError(f"{self.title} has no {name}, its effects are {', '.join(self.effects) or 'none'}; take "
                             "those from `effects`, or a model of the method causal at its published strengths")
        return self.effects[name]

    def frame(self) -> "DataFrame":
        """One row per sample: the columns of `--predictions` but for split, id and label."""
        import pandas as pd

        return pd.DataFrame(self.columns)


class Model:
    """A checkpoint's model; `load` makes one."""

    def __init__(self, path: Path, config: Config, info: DataInfo, model: Method, device: torch.device) -> None:
        self.path, self.config, self.device = path, config, device
        self.info = info  # of the training data: widths, lengths, task
        self._model, self._lengths = model.to(device), info.lengths

    def __repr__(self) -> str:
        return f"<{title(self.config)}, {self.info.task}, widths {self.info.widths}, {self.path}>"

    def predict(self, inputs: Mapping[str, np.ndarray], *, remove: str = "", fill: str = "zero",
                padding: str = "") -> Prediction:
        """What the model says of text, audio and vision. modality -> (N, T, D).

        A modality that is left out is zero throughout, as `--remove` makes it; `remove` names by their letters some of
        those given that the model is not to see, `fill` what stands in for these: zero, or shuffle, the same modality
        of another sample. `padding` is that of the training unless given: front, auto, which guesses in files to train
        on only and so moves nothing here, or back, for arrays that end in frames of zeros. Raises InputError for arrays
        that the model cannot read; what is notable about them is logged.
        """
        removed = self._removed(inputs, remove, fill, padding)
        with guest():
            resolve_device(str(self.device))
            dataset = self._dataset(inputs, padding)
            trained = Trained(self.config, dataset, self._fitting(dataset.info), self.device)
            result = trained.removal(INPUTS, removed, fill)
        effects, task = trained.model.current_effects(), task_of(self.info)
        columns = prediction_columns(task, result, effects)
        columns.pop("label")  # there are none
        return Prediction(result.values["logits"].cpu().numpy(), columns["prediction"],
                          {name: result.values[key].cpu().numpy() for name, key in effects.items()},
                          title(self.config), task, columns)

    @staticmethod
    def _removed(inputs: Mapping[str, np.ndarray], remove: str, fill: str, padding: str) -> frozenset[str]:
        """The modalities that `remove` names; UsageError for words that predict does not know."""
        unknown = sorted(map(str, inputs.keys() - set(MODALITIES)))
        if unknown or not inputs:
            raise UsageError(f"predict got {quoted(unknown[0]) if unknown else 'no array'}; give one or more of "
                             f"{', '.join(MODALITIES)} as (samples, frames, features)")
        if not set(remove) <= LETTER.keys():
            raise UsageError(f"remove is {quoted(remove)}; give letters of {', '.join(LETTER)}, such as 'av'")
        if fill not in FILLS or fill != "zero" and not remove:
            raise UsageError(f"fill is {quoted(fill)}; choose zero or shuffle for the modalities that remove names")
        if padding not in ("", *PADDINGS):
            raise UsageError(f"padding is {quoted(padding)}; choose from {', '.join(PADDINGS)}")
        return frozenset(LETTER[letter] for letter in remove)

    def _dataset(self, inputs: Mapping[str, np.ndarray], padding: str) -> Dataset:
        """Checked and cleaned arrays as a data set of one split; InputError where they cannot be used."""
        count = next((len(x) for x in inputs.values() if isinstance(x, np.ndarray) and x.ndim), 1)
        absent = {name: np.zeros((count, self.info.lengths[name], self.info.widths[name]), np.float32)
                  for name in MODALITIES if name not in inputs}
        dataset = from_arrays({INPUTS: {**inputs, **absent}}, "predict", self.info.dataset, self.info.task,
                              self.info.outputs, (), padding or self.config.data.padding, self.info.class_names)
        for name, width in self.info.widths.items():
            if dataset.info.widths[name] != width:
                raise InputError(f"predict: {name} has {dataset.info.widths[name]} features per frame, and {self.path} "
                                 f"was trained on {width}; use features of the same kind")
        for finding in dataset.findings:
            if finding.level in ("NOTE", "WARN") and not any(finding.item.endswith(f"presence {m}") for m in absent):
                LOGGER.warning("predict: %s", finding.text)
        return dataset

    def _fitting(self, found: DataInfo) -> Method:
        """The model, made for sequences of these lengths; InputError where it cannot take them."""
        if found.lengths != self._lengths:
            saved = {"model": self._model.state_dict(), "info": self.info}
            self._model = rebuilt(self.config, replace(self.info, lengths=found.lengths), saved, self.path, self.device)
            self._lengths = found.lengths
        return self._model
