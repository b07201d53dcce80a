"""From a configuration to its parts: task, data, model, objective, optimizer."""

import contextlib
import os
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from src.causal_mer_model import INPUTS, CausalMER, Fusion, effects
from src.checkpoint import check_weights
from src.config import Config, backbone_class
from src.datasets.base import Dataset, chosen_task, data_file, dataset_spec, load
from src.datasets.checks import REQUIRED
from src.losses import Terms, alignment_loss, causal_loss, plain_loss
from src.registry import BACKBONES, BRANCHES, FUSIONS
from src.runtime import atomic_file, sweep
from src.structures import LETTER, MODALITIES, BackboneOutput, Batch, CausalOutput, DataInfo, InputError, UsageError
from src.tasks import Task, make_task

REGRESSION_WARNING = (
    "with one output the softmax in the alignment loss is 1, so the constants never move; with the mask fusion the "
    "prediction then is the fused score itself: CausalMER debiases nothing here, prefer --mosei_task cls")
Output = BackboneOutput | CausalOutput
Objective = Callable[[Output, Batch], Terms]


def task_name(config: Config) -> str:
    """The task that --task names, or the dataset's own, as --mosei_task modifies it."""
    task = chosen_task(config.run.dataset, config.data.task)
    if config.data.mosei_task != "regression":
        return task
    if not task.startswith("sentiment"):
        raise UsageError(f"--mosei_task regression needs sentiment scores, but the task is {task}; leave it out")
    return "sentiment"


def warnings(config: Config) -> list[str]:
    """What a user should know about a configuration before it runs."""
    return [REGRESSION_WARNING] if task_name(config) == "sentiment" and config.run.method != "plain" else []


def build_data(config: Config, file: Path | None = None) -> Dataset:
    """Read the configured dataset, generated first if it is synthetic; or `file`, whose splits may lack labels."""
    spec = dataset_spec(config.run.dataset)
    path = file or data_file(config.data.data_path, spec, config.data.aligned, config.dataset)
    if spec.generate and not file:
        sweep(path.parent)
    if spec.generate and not file and not path.exists():
        with atomic_file(path) as handle:
            pickle.dump(spec.generate(config.dataset), handle, protocol=4)
    task = task_name(config)
    return load(path, spec, task, make_task(task).outputs, () if file else REQUIRED)


def build_model(config: Config, info: DataInfo, pretrained: bool = True) -> nn.Module:
    """The backbone, alone or inside CausalMER; `pretrained` False where a checkpoint's weights follow.

    The backbone is made first, so that it starts from the same weights with either method.
    """
    backbone = _build_backbone(config, info)
    if config.run.method == "plain":
        return backbone
    branches = {}
    for name in MODALITIES:
        kind = config.branch_name(name)
        branches[name] = BRANCHES[kind](info.widths[name], info.lengths[name], info.outputs, config.branches[kind],
                                        pretrained)
    weights = {name: getattr(config.causal, f"nde_{letter}") for letter, name in LETTER.items()}
    fusion = FUSIONS[config.causal.fusion_mode]
    model = CausalMER(backbone, branches, fusion, config.causal.constant, weights)
    model.constants.requires_grad_(constants_matter(fusion, info.outputs))
    return model


def empty_model(config: Config, info: DataInfo) -> nn.Module:
    """The model without memory for its weights: names, shapes and types only."""
    with torch.device("meta"):
        return build_model(config, info, pretrained=False)


def check_memory(config: Config, info: DataInfo) -> None:
    """Raise InputError where a model and its training take more than this machine's whole memory."""
    if config.run.backbone not in BACKBONES or not hasattr(os, "sysconf"):
        return
    needed = 16 * sum(weight.numel() for weight in empty_model(config, info).parameters())  # also gradients and Adam's
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if needed > memory:
        raise InputError(f"the model and its optimizer would take {needed / 2**30:.0f} GB, this machine has "
                         f"{memory / 2**30:.0f} GB; lower --dim, --nlevels or the widths of the branches")


def check_size(config: Config, info: DataInfo, weights: dict[str, Tensor], source: Path) -> None:
    """Raise InputError where a file's weights are not those of the model that it describes, before that is built.

    Otherwise a file of a few bytes could ask for a model of any size.
    """
    if config.run.backbone in BACKBONES:  # a user's own class may compute on its weights while it is made
        check_weights(empty_model(config, info), weights, source)


def constants_matter(fusion: Fusion, outputs: int) -> bool:
    """Whether the alignment loss K depends on the constants: not with an additive fusion (tanh), nor with one output.

    Its float32 gradient there is rounding noise, which Adam would scale up into a drift; float64 tells it from zero.
    """
    random = torch.Generator().manual_seed(0)
    form = {"dtype": torch.float64, "generator": random, "device": "cpu"}  # also where a model is built without memory
    logits = {name: torch.randn(4, outputs, **form) for name in INPUTS}
    constants = {name: torch.randn((), **form).requires_grad_() for name in MODALITIES}
    alignment_loss(effects(fusion, logits, constants)).backward()
    return any(constant.grad.abs() > 1e-12 for constant in constants.values())


def _build_backbone(config: Config, info: DataInfo) -> nn.Module:
    """The backbone; a user's own class is checked against the contract, so that a mistake is named at once."""
    name = config.run.backbone
    cls = backbone_class(name)
    if name in BACKBONES:
        return cls(info, config.backbone)
    if not (isinstance(cls, type) and issubclass(cls, nn.Module)):
        raise InputError(f"the backbone {name!r} breaks the contract 'a torch.nn.Module class': it is {cls!r}")
    with _contract(name, "__init__(info, options)"):
        backbone = cls(info, config.backbone)
        list(backbone.parameters())  # fails where super().__init__() was not called
    with _contract(name, "forward(batch) -> BackboneOutput(logits (B, C), hidden (B, H))"):
        output = _trial(backbone, info)
        for field, width in (("logits", info.outputs), ("hidden", None)):
            found = getattr(output, field, None)
            shape = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
            if not (isinstance(shape, tuple) and len(shape) == 2 and shape[0] == 2 and width in (None, shape[1])):
                raise ValueError(f"{field} for 2 samples is {shape}, expected (2, {width or 'H'})")
        if not output.logits.requires_grad or not hasattr(output, "per_sample"):
            raise ValueError("logits carry no gradient, or the output is no BackboneOutput")
    if hasattr(backbone, "auxiliary_loss"):
        with _contract(name, "auxiliary_loss(output, labels, task) -> scalar"):
            task = make_task(info.task)
            loss = backbone.auxiliary_loss(output, task.example_labels(), task)
            if not isinstance(loss, Tensor) or loss.ndim:
                raise ValueError(f"it returned {tuple(loss.shape) if isinstance(loss, Tensor) else loss!r}")
    return backbone


@contextlib.contextmanager
def _contract(name: str, line: str) -> Iterator[None]:
    """Turn whatever a user's class does wrong into one sentence that names the broken line of the contract."""
    try:
        yield
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"the backbone {name!r} breaks the contract '{line}': {reason}") from error


def _trial(backbone: nn.Module, info: DataInfo) -> BackboneOutput:
    """A backbone's answer to a batch of two; random states stay as they were."""
    batch = Batch({m: torch.ones(2, info.lengths[m], info.widths[m]) for m in MODALITIES}, None)
    with torch.random.fork_rng(devices=[]):
        output = backbone.eval()(batch)
    backbone.train()
    return output


def build_objective(config: Config, task: Task, model: nn.Module) -> Objective:
    """The training objective of a method as one function of output and batch."""
    causal = config.run.method == "causal"
    auxiliary_loss = getattr(model.backbone if causal else model, "auxiliary_loss", None)

    def objective(output: Output, batch: Batch) -> Terms:
        targets = task.targets(batch.labels)
        own = output.backbone if causal else output
        fuse = causal and config.causal.fuse_auxiliary
        seen = FusedTask(task, model.fusion, output.branch_logits) if fuse else task
        auxiliary = auxiliary_loss(own, batch.labels, seen) if auxiliary_loss else 0.0
        if causal:
            return causal_loss(output, targets, task.loss, auxiliary, alpha=config.causal.alpha,
                               beta=config.causal.beta)
        return plain_loss(output, targets, task.loss, auxiliary)

    return objective


class FusedTask:
    """A task whose loss is that of h(z, z_t, z_a, z_v) instead of the logits z it is given, see `--fuse_auxiliary`.

    CausalMER debiases a backbone because L(F) reaches its logits z_m through the fusion only: what the branches know of
    the label from one modality leaves no gradient in z_m, which is left with what the modalities say together. A
    backbone such as DMD has further task losses L(z_k), of logits z_k that share its layers. Published, they stand bare
    beside L(F), so they do reward the shortcut in those layers. L(h(z_k, z_t, z_a, z_v)) treats every z_k as z_m is
    treated. The branches' logits are detached: they learn from L(F) and their own losses, as they did.
    """

    def __init__(self, task: Task, fusion: Fusion, branch_logits: dict[str, Tensor]) -> None:
        self._task, self._fusion = task, fusion
        self._branches = [branch_logits[name].detach() for name in MODALITIES]

    def loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Mean loss of the fused logits. logits (B, C) -> scalar."""
        return self._task.loss(self._fusion(logits, *self._branches), targets)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._task, name)


def build_optimizer(config: Config, model: nn.Module) -> torch.optim.Optimizer:
    """One learning rate each for the backbone, every branch and every constant."""
    parts = {"m": model} if config.run.method == "plain" else {
        "m": model.backbone,
        **{letter: model.branches[name] for letter, name in LETTER.items()},
        **{f"c_{letter}": model.constants[name] for letter, name in LETTER.items()}}
    groups = [{"name": key, "params": [part] if isinstance(part, nn.Parameter) else list(part.parameters()),
               "lr": getattr(config.training, f"{key}_lr")} for key, part in parts.items()]
    return getattr(torch.optim, config.training.optim)(groups)


def count_parameters(model: nn.Module) -> dict[str, int]:
    """Parameters of the model and of its parts."""
    parts: dict[str, Tensor | nn.Module] = {"model": model}
    if isinstance(model, CausalMER):
        parts |= {"backbone": model.backbone, **model.branches}
    return {name: sum(p.numel() for p in part.parameters()) for name, part in parts.items()}
