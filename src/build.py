"""From a configuration to its parts: data, model, optimizer."""

import inspect
import os
from pathlib import Path

import torch
from torch import Tensor, nn

from src.checkpoint import check_weights, load_weights
from src.config import Config
from src.configured import class_names, is_ours, method_class, run_strengths, task_name
from src.contracts import own_backbone, own_method
from src.datasets.base import Dataset, data_file, dataset_spec, load
from src.datasets.checks import REQUIRED
from src.eager import leave_out_compiler
from src.methods.base import Method, Parts
from src.parts import named_class
from src.precision import lower_precision
from src.registry import BACKBONES, BRANCHES, FUSIONS, METHODS
from src.runtime import sweep
from src.structures import DataInfo, InputError
from src.tasks import make_task
from src.writing import write_pickle


def build_data(config: Config, file: Path | None = None) -> Dataset:
    """Read the configured dataset, generated first if it is synthetic; or `file`, whose splits may lack labels."""
    spec = dataset_spec(config.run.dataset)
    path = file or data_file(config.data.data_path, spec, config.data.aligned, config.dataset)
    if spec.generate and not file:
        sweep(path.parent)
    if spec.generate and not file and not path.exists():
        write_pickle(path, spec.generate(config.dataset))
    task, names = task_name(config), class_names(config)
    return load(path, spec, task, make_task(task, names).outputs, () if file else REQUIRED, config.data.padding, names)


def build_model(config: Config, info: DataInfo, pretrained: bool = True) -> Method:
    """The method's model around its backbone; `pretrained` False where a checkpoint's weights follow.

    The backbone is made first, so that it starts from the same weights with every method.
    """
    method = method_class(config)
    backbone = _build_backbone(config, info) if method.uses_backbone else None
    branches = {}
    for name in filter(config.branch_name, method.own_branches(config.method)):
        kind = config.branch_name(name)
        branches[name] = BRANCHES[kind](info.widths[name], info.lengths[name], info.outputs, config.branches[kind],
                                        pretrained)
    fusion = FUSIONS[config.fusion_name] if config.fusion_name else None
    if isinstance(fusion, type):
        fusion = fusion(info, config.fusion)
    if config.training.precision == "bf16":
        if backbone is not None:
            lower_precision(backbone, large=False)
        for branch in branches.values():
            lower_precision(branch, branch.large)
    parts = Parts(backbone, branches, fusion)

    def made() -> Method:
        model, start = method(info, config.method, parts), run_strengths(config).start
        if start:  # its prediction has several paths
            model.register_buffer("strength", torch.tensor(list(start.values())))
        return model

    name = config.run.method
    return made() if name in METHODS else own_method(name, made, info)


def _build_backbone(config: Config, info: DataInfo) -> nn.Module:
    name = config.run.backbone
    cls = named_class(BACKBONES, name)
    return cls(info, config.backbone) if name in BACKBONES else own_backbone(name, cls, info, config.backbone)


def empty_model(config: Config, info: DataInfo) -> Method:
    """The model without memory for its weights: names, shapes and types only."""
    with torch.device("meta"):
        return build_model(config, info, pretrained=False)


def check_memory(config: Config, info: DataInfo) -> None:
    """Raise InputError where a model and its training take more than this machine's whole memory."""
    if not is_ours(config) or not hasattr(os, "sysconf"):
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
    if is_ours(config):  # a user's own class may compute on its weights while it is made
        check_weights(empty_model(config, info), weights, source)


def restored(config: Config, info: DataInfo, weights: dict[str, Tensor], source: Path) -> Method:
    """The model of a file's weights, on the CPU; InputError where they are not those of what the file describes."""
    check_size(config, info, weights, source)
    model = build_model(config, info, pretrained=False)
    load_weights(model, weights, source)
    return model


def build_optimizer(config: Config, model: Method) -> torch.optim.Optimizer:
    """The optimizer of the method's parameter groups, in torch's fused form where there is one (faster, same rule)."""
    leave_out_compiler()
    optimizer = getattr(torch.optim, config.training.optim)
    fused = {"fused": True} if "fused" in inspect.signature(optimizer).parameters else {}
    return optimizer([{"name": group.name, "params": group.parameters, "lr": group.rate}
                      for group in model.parameter_groups()], **fused)


def count_parameters(model: Method) -> dict[str, int]:
    """Parameters of the model and of its parts."""
    parts = {"model": model, "backbone": model.backbone, **dict(getattr(model, "branches", {}).items())}
    return {name: sum(p.numel() for p in part.parameters()) for name, part in parts.items()}
