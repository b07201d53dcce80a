"""From a configuration to its parts: task, data, model, objective, optimizer."""

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from src.causal_mer_model import CausalMER
from src.config import Config, backbone_class
from src.datasets.base import REQUIRED, Dataset, data_file, dataset_spec, load
from src.losses import Terms, causal_loss, plain_loss
from src.registry import BACKBONES, BRANCHES, FUSIONS
from src.structures import LETTER, MODALITIES, BackboneOutput, Batch, CausalOutput, DataInfo, InputError, UsageError
from src.tasks import Task, make_task

REGRESSION_WARNING = (
    "with one output the softmax in the alignment loss is 1, so the constants never move; with the mask fusion the "
    "prediction then is the fused score itself: CausalMER debiases nothing here, prefer --mosei_task cls")
Output = BackboneOutput | CausalOutput
Objective = Callable[[Output, Batch], Terms]


def task_name(config: Config) -> str:
    """The task that --task names, or the dataset's own, as --mosei_task modifies it."""
    task = config.data.task or dataset_spec(config.run.dataset).task
    if not task:
        raise UsageError(f"--dataset {config.run.dataset} is a file of your own, so --task has to say what its labels "
                         "are; choose from emotion4, sentiment7, sentiment, classes:N")
    return "sentiment" if task == "sentiment7" and config.data.mosei_task == "regression" else task


def warnings(config: Config) -> list[str]:
    """What a user should know about a configuration before it runs."""
    return [REGRESSION_WARNING] if task_name(config) == "sentiment" and config.run.method == "causal" else []


def build_data(config: Config, file: Path | None = None) -> Dataset:
    """Read the configured dataset, generated first if it is synthetic; or `file`, whose splits may lack labels."""
    spec = dataset_spec(config.run.dataset)
    path = file or data_file(config.data.data_path, spec, config.data.aligned, config.dataset)
    if spec.generate and not file and not path.exists():
        spec.generate(path, config.dataset)
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
    return CausalMER(backbone, branches, FUSIONS[config.causal.fusion_mode], config.causal.constant, weights)


def _build_backbone(config: Config, info: DataInfo) -> nn.Module:
    """The backbone; a user's own class is checked against the contract, so that a mistake is named at once."""
    name = config.run.backbone
    cls = backbone_class(name)
    if name in BACKBONES:
        return cls(info, config.backbone)
    if not (isinstance(cls, type) and issubclass(cls, nn.Module)):
        raise InputError(f"the backbone {name!r} breaks the contract 'a torch.nn.Module class': it is {cls!r}")
    try:
        backbone = cls(info, config.backbone)
    except TypeError as error:
        raise InputError(f"the backbone {name!r} breaks the contract '__init__(info, options)': {error}") from error
    problem = _contract_problem(backbone, info)
    if problem:
        raise InputError(f"the backbone {name!r} breaks the contract 'forward(batch) -> BackboneOutput(logits (B, C), "
                         f"hidden (B, H))': {problem}")
    return backbone


def _contract_problem(backbone: nn.Module, info: DataInfo) -> str | None:
    """What a backbone's answer to a batch of two lacks, or None; random states and the module stay as they were."""
    batch = Batch({m: torch.ones(2, info.lengths[m], info.widths[m]) for m in MODALITIES}, None)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        output = backbone.eval()(batch)
    backbone.train()
    for attribute in ("logits", "hidden", "aux", "per_sample"):
        if not hasattr(output, attribute):
            return f"it returned a {type(output).__name__} without {attribute!r}"
    if output.logits.shape != (2, info.outputs):
        return f"logits have the shape {tuple(output.logits.shape)} for 2 samples, expected (2, {info.outputs})"
    if output.hidden.ndim != 2 or len(output.hidden) != 2:
        return f"hidden has the shape {tuple(output.hidden.shape)} for 2 samples, expected (2, H)"
    return None


def build_objective(config: Config, task: Task, model: nn.Module) -> Objective:
    """The training objective of a method as one function of output and batch."""
    causal = config.run.method == "causal"
    auxiliary_loss = getattr(model.backbone if causal else model, "auxiliary_loss", None)

    def objective(output: Output, batch: Batch) -> Terms:
        targets = task.targets(batch.labels)
        own = output.backbone if causal else output
        auxiliary = auxiliary_loss(own, batch.labels, task) if auxiliary_loss else 0.0
        if causal:
            return causal_loss(output, targets, task.loss, auxiliary, alpha=config.causal.alpha,
                               beta=config.causal.beta)
        return plain_loss(output, targets, task.loss, auxiliary)

    return objective


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
