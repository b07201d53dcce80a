"""What every training method is, and what it may be asked: the only thing that engine, study and report know of it."""

import functools
from abc import abstractmethod
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor, nn

import src.branches  # noqa: F401  (fills the registry)
from modules.concurrency import concurrently
from src.datasets.base import Split
from src.losses import Terms
from src.registry import BRANCHES
from src.structures import MODALITIES, RATE, RATES, BackboneOutput, Batch, Bounds, DataInfo, option
from src.tasks import Task


@dataclass(frozen=True)
class MethodOptions:
    """Settings that every method has."""

    m_lr: float = option(1e-3, "learning rate of the backbone", bounds=RATE, search=RATES)


@dataclass(frozen=True)
class BranchOptions(MethodOptions):
    """Settings of a method with one branch per modality."""

    text_branch: str = option("albert", "text branch", tuple(BRANCHES))
    audio_branch: str = option("resnet18", "audio branch", tuple(BRANCHES))
    vision_branch: str = option("resnet18", "vision branch", tuple(BRANCHES))
    branch_epochs: int = option(0, "epochs that the branches are trained for before those of --num_epochs begin; with "
                                   "6 the benchmark's models debias most",
                                bounds=Bounds(0, 10**6, "they stand in the history of all epochs"))
    t_lr: float = option(1e-3, "learning rate of the text branch (1e-6 with pretrained ALBERT)", bounds=RATE,
                         search=RATES)
    a_lr: float = option(1e-3, "learning rate of the audio branch", bounds=RATE, search=RATES)
    v_lr: float = option(1e-3, "learning rate of the vision branch", bounds=RATE, search=RATES)


@dataclass(frozen=True)
class Predictor:
    """Logits that a trained model can be asked to decide by."""

    values: str  # name of the logits in `per_sample` of the method's output
    words: str  # what they are, for tables and figures


@dataclass(frozen=True)
class Strength:
    """How much of one path goes into a prediction."""

    published: float  # what the paper, or a flag of the method, says
    grid: tuple[float, ...]  # what `--strength valid` chooses from; its ends are also those of a value by hand

    def __post_init__(self) -> None:
        object.__setattr__(self, "grid", tuple(sorted({*self.grid, self.published})))


PATH_WEIGHTS = (0.0, 0.25, 0.5, 1.0)  # the grid of what weighs one path of several


@dataclass(frozen=True)
class ParameterGroup:
    """Parameters with one learning rate."""

    name: str
    parameters: list[nn.Parameter]
    rate: float


@dataclass(frozen=True)
class Parts:
    """What a method is built around; branches and fusion are there where its Options ask for them."""

    backbone: Any  # a module that meets the contract of backbones; None for a method that uses none
    branches: Mapping[str, nn.Module] = field(default_factory=dict)  # modality, in order -> (B, T, D) -> (B, C)
    fusion: Any = None  # a function or module (B, C) x 4 -> (B, C)


@dataclass(frozen=True)
class Look:
    """What a model says of all samples of a split."""

    values: Mapping[str, Tensor]  # as `per_sample` gives them, (N, ...)
    labels: Tensor  # (N, ...)


class Output(Protocol):
    """What the forward pass of a method returns."""

    logits: Tensor  # (B, C) the prediction

    def per_sample(self) -> dict[str, Tensor]:
        """What an evaluation keeps of every sample: `logits`, `backbone`, `hidden`, and what `predictors` name."""


class Method(nn.Module):
    """Base of all training methods: a model around a backbone, its loss, and what it can be asked.

    A subclass is built as `cls(info, options, parts)`, keeps `self.backbone` and `self.options`, and writes `forward`
    and `loss`; the rest has defaults.
    """

    Options: ClassVar[type] = MethodOptions
    PRESETS: ClassVar[Mapping[str, Mapping[str, Any]]] = {}  # dataset -> flag -> value
    predictors: ClassVar[Mapping[str, Predictor]] = {"prediction": Predictor("logits", "prediction")}
    effects: ClassVar[Mapping[str, str]] = {}  # name of an effect -> its values in `per_sample`; explains a decision

    version: ClassVar[int] = 1  # raised where the method computes something else, so that earlier runs are told apart
    uses_backbone: ClassVar[bool] = True  # whether a backbone is built for it
    needs_classes: ClassVar[bool] = False  # whether outputs that are numbers are too little
    needs_split: ClassVar[bool] = False  # whether the backbone has to offer `modality_parameters` and `state_widths`
    needs_whole_steps: ClassVar[bool] = False  # whether `--accumulate` would spoil what `before_step` does

    needs_one_process: ClassVar[bool] = False  # whether `loss` itself differentiates, which several cannot share

    backbone: Any  # a module that meets the contract of backbones
    options: Any
    branches: nn.ModuleDict  # where it has some
    strength: Tensor  # (S,) buffer in the order of `strengths`; there where a method has some

    @property
    def direct_weights(self) -> Mapping[str, float]:
        """How much of each modality's direct effect is subtracted in the prediction; empty where none is."""
        return {}

    @abstractmethod
    def forward(self, batch: Batch) -> Output:
        """The model's answer to a batch with inputs (B, T, D)."""

    @abstractmethod
    def loss(self, output: Any, batch: Batch, task: Task) -> Terms:
        """Terms of the training objective; "loss" is what is minimised."""

    @classmethod
    def label(cls, name: str, options: Any) -> str:
        """What tables call a model of this method that is registered as `name`."""
        return name

    @classmethod
    def own_branches(cls, options: Any) -> tuple[str, ...]:
        """The modalities whose branches are built, where Options ask for branches."""
        return MODALITIES

    @classmethod
    def remarks(cls, task: Task, options: Any, epochs: int) -> list[str]:
        """What a user should know before training on a task for so many epochs."""
        return []

    @classmethod
    def strengths(cls, options: Any) -> dict[str, Strength]:
        """What scales the paths of the prediction, by name; nothing where the prediction has one path."""
        return {}

    @classmethod
    def default_strength(cls, options: Any) -> str:
        """What --strength is where it is not given: valid, or nothing, which is published."""
        return ""

    @classmethod
    def declared(cls, options: Any, unwanted: Collection[str]) -> dict[str, float]:
        """The strengths that follow from modalities whose direct effect is unwanted; the others stay published."""
        return {}

    @classmethod
    def combined(cls, values: Mapping[str, Tensor], strength: Mapping[str, Any]) -> Tensor:
        """The prediction (N, C) of these strengths from what `per_sample` gives, which stays as it is."""
        return values["logits"]

    def current_effects(self) -> Mapping[str, str]:
        """`effects`, where it depends on the strengths what they are."""
        return self.effects

    def current_strength(self) -> dict[str, Tensor]:
        """Strengths by name, as tensors () that take no part in training."""
        return dict(zip(self.strengths(self.options), self.strength, strict=True))

    def shown_strength(self) -> dict[str, float]:
        """Strengths by name, as numbers; empty where the prediction has one path."""
        names = self.strengths(self.options)
        return dict(zip(names, (round(one, 6) for one in self.strength.tolist()), strict=True)) if names else {}

    @classmethod
    def epochs_ahead(cls, options: Any) -> int:
        """Epochs before `--num_epochs` begin, in which `ahead_loss` is minimised and no checkpoint is selected."""
        return options.branch_epochs if isinstance(options, BranchOptions) else 0

    @property
    def ahead(self) -> int:
        """`epochs_ahead` of this model."""
        return self.epochs_ahead(self.options)

    def ahead_loss(self, output: Any, batch: Batch, task: Task) -> Terms:
        """Terms of the objective of the epochs ahead: each branch's own loss."""
        return {"loss": self.branch_loss(output.branch_logits, batch, task)}

    def branch_loss(self, logits: Mapping[str, Tensor], batch: Batch, task: Task) -> Tensor:
        """The sum of each branch's own loss. modality -> (B, C) -> scalar."""
        targets = task.targets(batch.known_labels)
        return torch.stack([task.loss(one, targets) for one in logits.values()]).sum()

    def prepare(self, train: Split, task: Task) -> None:
        """Learn from the training split before the first epoch; what is learnt belongs into buffers."""

    @property
    def steady(self) -> bool:
        """Whether nothing but weights changes from epoch to epoch: there is no `before_epoch` of its own."""
        return type(self).before_epoch is Method.before_epoch

    def before_epoch(self, number: int, look: Callable[[str], Look], task: Task) -> None:
        """Change weights, or what steers the training, before an epoch; `number` counts from 1 after those ahead.

        `look("train")` and `look("valid")` evaluate the model on a whole split without training; a test split cannot
        be asked for. What is remembered belongs into buffers.
        """

    def before_step(self, output: Any, batch: Batch, task: Task) -> None:
        """Change gradients between the backward pass and the optimizer's step."""

    def parameter_groups(self) -> list[ParameterGroup]:
        """Every trainable parameter, each in one group with its learning rate; here the backbone and its branches."""
        parts = {"m": self.backbone, **{name[0]: branch for name, branch in getattr(self, "branches", {}).items()}}
        return [ParameterGroup(name, list(part.parameters()), getattr(self.options, f"{name}_lr"))
                for name, part in parts.items()]

    def auxiliary_loss(self, output: BackboneOutput, labels: Tensor, task: Task,
                       backbone: nn.Module | None = None) -> Tensor | float:
        """The backbone's, or another one's, own further loss, 0 where it has none. -> scalar."""
        own = getattr(backbone or self.backbone, "auxiliary_loss", None)
        return own(output, labels, task) if own else 0.0

    def branch_logits(self, batch: Batch) -> dict[str, Tensor]:
        """What every branch says of its modality alone. -> modality -> (B, C)."""
        return concurrently({name: functools.partial(branch, batch.inputs[name])
                             for name, branch in self.branches.items()})


def hidden_width(backbone: nn.Module, info: DataInfo) -> int:
    """H of a backbone's joint state, from an answer to zeros; random states stay as they were."""
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        inputs = {name: torch.zeros(1, info.lengths[name], info.widths[name]) for name in MODALITIES}
        width = backbone.eval()(Batch(inputs, None)).hidden.size(1)
    backbone.train()
    return width

