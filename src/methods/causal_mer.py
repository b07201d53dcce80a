"""CausalMER (Kim, Hong, Choi, Applied Sciences 2024): fused paths, of which each direct effect is subtracted."""

import copy
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

import src.fusions  # noqa: F401  (fills the registry)
from src.causal_mer_model import INPUTS, CausalMER, Fusion, effects, weighted_paths
from src.datasets.base import Split
from src.losses import Terms, alignment_loss, causal_loss
from src.methods.base import PATH_WEIGHTS, BranchOptions, Method, ParameterGroup, Parts, Predictor, Strength
from src.registry import FUSIONS, METHODS
from src.structures import LETTER, MODALITIES, RATE, Batch, CausalOutput, DataInfo, option
from src.tasks import Task, task_of
from src.tasks.pairs import Emotions

REGRESSION_WARNING = (
    "the alignment loss compares distributions over classes, which numbers are not, so the constants never move; with "
    "the mask fusion the prediction then is the fused score itself: CausalMER debiases nothing here, prefer classes "
    "(for MOSEI and MOSI --mosei_task cls)")

PAIRS_WARNING = (
    "the evidence fusion did not debias pairs in the benchmark where backbone and branches began together; with "
    "branches that are trained first (--branch_epochs 6), or with one class per sample (--task classes:4), it did")


@dataclass(frozen=True)
class CausalOptions(BranchOptions):
    """CausalMER's own settings."""

    fusion_mode: str = option("mask", "how backbone and branch logits are fused", tuple(FUSIONS))
    alpha: float = option(0.1, "weight of the task losses")
    beta: float = option(1.0, "weight of the alignment loss K")
    constant: float = option(0.0, "starting value of the three constants")
    fuse_auxiliary: bool = option(False, "a backbone's own task losses see its logits fused with the branches', as the "
                                         "main loss does, instead of bare (not in the paper)")
    nde_t: float = option(1.0, "weight of text's natural direct effect in the prediction")
    nde_a: float = option(1.0, "weight of audio's natural direct effect in the prediction")
    nde_v: float = option(1.0, "weight of vision's natural direct effect in the prediction")
    c_t_lr: float = option(1e-3, "learning rate of the text constant", bounds=RATE)
    c_a_lr: float = option(1e-3, "learning rate of the audio constant", bounds=RATE)
    c_v_lr: float = option(1e-3, "learning rate of the vision constant", bounds=RATE)
    fusion_lr: float = option(1e-3, "learning rate of a fusion's own parameters; the published ones have none",
                              bounds=RATE)


@METHODS.register("causal")
class Causal(CausalMER, Method):
    """Trains by alpha times the task losses plus beta times K, predicts by the total indirect effect."""

    Options = CausalOptions
    predictors = {"prediction": Predictor("logits", "prediction (TIE at published strengths)"),
                  "fused": Predictor("fused", "F (fused logits)"),
                  "backbone": Predictor("backbone", "z_m (backbone alone)")}
    effects = {"TE": "total", **{f"NDE_{letter}": f"direct_{name}" for letter, name in LETTER.items()}, "TIE": "logits"}

    def __init__(self, info: DataInfo, options: CausalOptions, parts: Parts) -> None:
        super().__init__(parts.backbone, parts.branches, parts.fusion, options.constant)
        self.options = options
        compared = info.outputs if task_of(info).has_classes else 1  # a softmax over numbers would mean nothing
        self.constants.requires_grad_(constants_matter(parts.fusion, compared))

    @classmethod
    def strengths(cls, options: CausalOptions) -> dict[str, Strength]:
        """m of the indirect effect TIE = TE - sum_x NDE_x, and one of each direct effect; published 1 and 1 - nde_x."""
        direct = {letter: Strength(1 - getattr(options, f"nde_{letter}"), PATH_WEIGHTS) for letter in LETTER}
        return {"m": Strength(1.0, PATH_WEIGHTS), **direct}

    @classmethod
    def declared(cls, options: CausalOptions, unwanted: Collection[str]) -> dict[str, float]:
        """The direct effects of the unwanted modalities are left out, those of the others stay in whole."""
        return {letter: float(name not in unwanted) for letter, name in LETTER.items()}

    @classmethod
    def combined(cls, values: Mapping[str, Tensor], strength: Mapping[str, Any]) -> Tensor:
        """The paths at these strengths, see `weighted_paths`, and 1 - w_m of what z_m stands for. -> (N, C)."""
        paths = weighted_paths(values["total"], {name: values[f"direct_{name}"] for name in MODALITIES}, strength["m"],
                               {name: strength[letter] for letter, name in LETTER.items()})
        return paths + (1 - strength["m"]) * values["prior"] if "prior" in values else paths

    @classmethod
    def default_strength(cls, options: CausalOptions) -> str:
        """Published, unless the fusion is none that was."""
        return getattr(FUSIONS[options.fusion_mode], "default_strength", super().default_strength(options))

    @property
    def direct_weights(self) -> Mapping[str, float]:
        """How much of each direct effect is subtracted from the total effect."""
        found = self.shown_strength()
        return {name: found["m"] - found[letter] for letter, name in LETTER.items()}

    def current_effects(self) -> Mapping[str, str]:
        """TE, NDE_x and the weighted paths, which are TIE where every direct effect is subtracted whole."""
        whole = self.shown_strength() == {"m": 1, **dict.fromkeys(LETTER, 0)}
        return self.effects if whole else {("weighted paths" if name == "TIE" else name): values
                                           for name, values in self.effects.items()}

    def forward(self, batch: Batch) -> CausalOutput:
        """Predict by the paths at their strengths; as published that is the total indirect effect."""
        output = super().forward(batch)
        prior = getattr(self.fusion, "log_prior", None)
        output = replace(output, prior=None if prior is None else prior.expand_as(output.logits))
        return replace(output, logits=self.combined(output.per_sample(), self.current_strength()))

    def loss(self, output: CausalOutput, batch: Batch, task: Task) -> Terms:
        """alpha (L(F) + L(z_t) + L(z_a) + L(z_v) + auxiliary) + beta K."""
        seen: Any = FusedTask(task, self.fusion, output.branch_logits) if self.options.fuse_auxiliary else task
        return causal_loss(output, task.targets(batch.known_labels), task.loss,
                           self.auxiliary_loss(output.backbone, batch.known_labels, seen), alpha=self.options.alpha,
                           beta=self.options.beta if task.has_classes else 0.0)

    def prepare(self, train: Split, task: Task) -> None:
        """Give a fusion that asks for it the class prior of the training split."""
        if hasattr(self.fusion, "prepare"):
            self.fusion.prepare(task.prior(train.known_labels))

    def parameter_groups(self) -> list[ParameterGroup]:
        """One group each for the backbone, every branch, every constant, and a fusion that has parameters."""
        groups = super().parameter_groups()
        groups += [ParameterGroup(f"c_{letter}", [self.constants[name]], getattr(self.options, f"c_{letter}_lr"))
                   for letter, name in LETTER.items()]
        own = list(self.fusion.parameters()) if isinstance(self.fusion, nn.Module) else []
        return groups + [ParameterGroup("fusion", own, self.options.fusion_lr)] * bool(own)

    @classmethod
    def label(cls, name: str, options: CausalOptions) -> str:
        """The fusion."""
        return options.fusion_mode

    @classmethod
    def remarks(cls, task: Task, options: CausalOptions, epochs: int) -> list[str]:
        """Regression debiases nothing, nor did evidence on pairs that began with the backbone."""
        if not task.has_classes:
            return [REGRESSION_WARNING]
        warned = options.fusion_mode == "evidence" and isinstance(task, Emotions) and not options.branch_epochs
        return [PAIRS_WARNING] * warned


def constants_matter(fusion: Fusion, outputs: int) -> bool:
    """Whether the alignment loss K depends on the constants: not with an additive fusion (tanh), nor with one output.

    Its float32 gradient there is rounding noise, which Adam would scale up into a drift; float64 tells it from zero.
    """
    if isinstance(fusion, nn.Module):
        if any(value.is_meta for value in fusion.state_dict().values()):
            return True  # a model without memory has nothing to find out, nor to train
        fusion = copy.deepcopy(fusion).double()
    random = torch.Generator().manual_seed(0)
    # On the CPU, also where a model is built without memory.
    form: dict[str, Any] = {"dtype": torch.float64, "generator": random, "device": "cpu"}
    logits = {name: torch.randn(4, outputs, **form) for name in INPUTS}
    constants = {name: torch.randn((), **form).requires_grad_() for name in MODALITIES}
    alignment_loss(effects(fusion, logits, constants)).backward()
    return any(constant.grad is not None and constant.grad.abs() > 1e-12 for constant in constants.values())


class FusedTask:
    """A task whose loss is that of h(z, z_t, z_a, z_v) instead of the logits z it is given, see `--fuse_auxiliary`.

    CausalMER debiases a backbone because L(F) reaches its logits z_m through the fusion only: what the branches know of
    the label from one modality leaves no gradient in z_m, which is left with what the modalities say together. A
    backbone such as DMD has further task losses L(z_k), of logits z_k that share its layers. Published, they stand bare
    beside L(F), so they do reward the shortcut in those layers. L(h(z_k, z_t, z_a, z_v)) treats every z_k as z_m is
    treated. The branches' logits are detached: they learn from L(F) and their own losses, as they did.
    """

    def __init__(self, task: Task, fusion: Fusion, branch_logits: Mapping[str, Tensor]) -> None:
        self._task, self._fusion = task, fusion
        self._branches = [branch_logits[name].detach() for name in MODALITIES]

    def loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Mean loss of the fused logits. logits (B, C) -> scalar."""
        return self._task.loss(self._fusion(logits, *self._branches), targets)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._task, name)
