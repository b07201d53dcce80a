"""From a configuration to its parts: task, data, model, optimizer."""

import contextlib
import inspect
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from src.checkpoint import check_weights, load_weights, run_name
from src.config import Config
from src.datasets.base import Dataset, chosen_task, data_file, dataset_spec, load
from src.datasets.checks import REQUIRED
from src.distributed import process_count
from src.eager import leave_out_compiler
from src.methods.base import Method, Parts
from src.parts import named_class
from src.precision import gains, lower_precision
from src.registry import BACKBONES, BRANCHES, DATASETS, FUSIONS, METHODS
from src.runtime import sweep
from src.selection import CAUTIOUS, VALID, Strengths, knowledge, strengths
from src.structures import MODALITIES, Batch, DataInfo, InputError, UsageError
from src.tasks import make_task, task_of
from src.tracking import check_tracker
from src.worlds import ENOUGH
from src.writing import write_pickle

CPU = torch.device("cpu")


def task_name(config: Config) -> str:
    """The task that --task names, or the dataset's own, as --mosei_task modifies it."""
    task = chosen_task(config.run.dataset, config.data.task)
    if config.data.mosei_task != "regression":
        return task
    if not task.startswith("sentiment"):
        raise UsageError(f"--mosei_task regression needs sentiment scores, but the task is {task}; leave it out")
    return "sentiment"


def class_names(config: Config) -> tuple[str, ...]:
    """The names that --class_names gives, or those that the dataset has for the task."""
    return config.data.class_names or dataset_spec(config.run.dataset).class_names.get(task_name(config), ())


def check(config: Config) -> None:
    """Raise UsageError, before anything is read or trained, where the parts of a configuration cannot work together."""
    method, backbone = named_class(METHODS, config.run.method), named_class(BACKBONES, config.run.backbone)
    fusion = FUSIONS[config.fusion_name] if config.fusion_name else None
    name, task = config.run.method, task_name(config)
    has_classes = make_task(task, class_names(config)).has_classes
    if not has_classes and (method.needs_classes or getattr(fusion, "needs_classes", False)):
        named = name if method.needs_classes else f"{name} with the fusion {config.fusion_name}"
        raise UsageError(f"the method {named} needs classes, and the task {task} has none; take another task (for "
                         "MOSEI and MOSI --mosei_task cls, for CH-SIMS --task sims5), or another method")
    if method.needs_split and not hasattr(backbone, "modality_parameters"):
        able = [other for other in BACKBONES if hasattr(BACKBONES[other], "modality_parameters")]
        raise UsageError(f"the method {name} has to know which parameters belong to which modality, and the backbone "
                         f"{config.run.backbone} does not say (modality_parameters); take {', '.join(able)}, or "
                         "another method")
    if method.needs_whole_steps and config.training.accumulate > 1:
        raise UsageError(f"the method {name} changes the gradient of every batch, so --accumulate must be 1, got "
                         f"{config.training.accumulate}")
    _check_processes(config, method)
    if run_strengths(config).cautious and not make_task(task_name(config)).has_classes:
        raise UsageError(f"--strength {CAUTIOUS} weighs samples by what a modality says of their classes, and the task "
                         f"{task_name(config)} has numbers; take valid, published or values")
    check_tracker(config.run.tracker)


def _check_processes(config: Config, method: type[Method]) -> None:
    """Raise UsageError where the processes of torchrun cannot share a run."""
    count, size = process_count(), config.training.batch_size
    if size % count:
        raise UsageError(f"--batch_size {size} does not divide by the {count} processes that torchrun started; choose "
                         "a multiple, or another --nproc_per_node")
    if count > 1 and (method.needs_one_process or not is_ours(config)):
        raise UsageError(f"{config.run.method} with {config.run.backbone} trains in one process only, as methods do "
                         "that differentiate inside their loss and classes of your own; start it without torchrun")


def title(config: Config) -> str:
    """What tables call a run: its backbone and its method, and which form of it where it has several."""
    name = config.run.method
    label = named_class(METHODS, name).label(name, config.method)
    return f"{run_name(config.run.backbone, name)}{'' if label == name else f' {label}'}"


def declared(config: Config) -> tuple[str, ...]:
    """The unwanted modalities, where the method makes use of that."""
    method: type[Method] = named_class(METHODS, config.run.method)
    asked = config.choice.unwanted
    return asked if asked and method.declared(config.method, asked) else ()


def known(config: Config, checkpoint: str) -> str:
    """The state of knowledge in which a run's checkpoint, and the strengths in it, were chosen."""
    return knowledge(declared(config), config.choice.unbiased, checkpoint)


def run_strengths(config: Config) -> Strengths:
    """What the strengths of a run's paths start from, and which are chosen; UsageError where it cannot have them."""
    return strengths(named_class(METHODS, config.run.method), config.method, config.choice.strength,
                     config.choice.unwanted)


def warnings(configs: Sequence[Config], device: torch.device = CPU) -> list[str]:
    """What a user should know about the configurations of a command before it runs."""
    texts = [text for config in configs for text in named_class(METHODS, config.run.method).remarks(
        make_task(task_name(config)), config.method, config.training.num_epochs)]
    if process_count() > 1:
        texts.append(f"{process_count()} processes share every batch; each draws its own dropout, so that with dropout "
                     "the scores are those of another seed, and steps are not replayed as CUDA graphs")
    if configs[0].training.precision == "bf16" and not gains(device):
        texts.append("this processor has no AVX-512, without which bf16 is far slower, so all is computed in fp32")
    unmoved = [config.run.method for config in configs
               if config.choice.strength and not named_class(METHODS, config.run.method).strengths(config.method)]
    if unmoved:
        texts.append(f"{' and '.join(unmoved)} {'predicts' if len(unmoved) == 1 else 'predict'} by one path, so "
                     "--strength changes nothing there")
    deaf = [config.run.method for config in configs if config.choice.unwanted and not declared(config)]
    if deaf:
        texts.append(f"for {' and '.join(deaf)} nothing follows from --unwanted {','.join(configs[0].choice.unwanted)}")
    name, dataset = configs[0].run.backbone, configs[0].run.dataset
    if name in BACKBONES and dataset in DATASETS and dataset not in BACKBONES[name].PRESETS:
        texts.append(f"{name} has no published settings for {dataset}; its defaults and those of the dataset are used")
    unused = sorted(frozenset.intersection(*(config.unused for config in configs)))
    if unused:
        texts.append(f"{', '.join(f'--{name}' for name in unused)} {'has' if len(unused) == 1 else 'have'} no part in "
                     f"{' and '.join(config.run.method for config in configs)} with these branches and this fusion")
    return list(dict.fromkeys(texts))


def doubts(configs: Sequence[Config], dataset: Dataset) -> list[str]:
    """What a user should know of this data before it is trained on: classes without samples, choices by too few."""
    labels, texts = dataset.splits["train"].labels, []
    if dataset.info.task.startswith("classes:") and labels is not None:
        task = task_of(dataset.info)
        seen = set(task.describe(labels))
        absent = ", ".join(name for name in task.classes if name not in seen)
        texts += [f"no training sample is of class {absent}; check --task if that is not meant"] * bool(absent)
    count = len(dataset.splits["valid"])
    if count < ENOUGH and any(run_strengths(config).cautious for config in configs):
        texts.append(f"--strength {CAUTIOUS} needs about {ENOUGH} validation samples to see which modalities agree, "
                     f"and this data has {count}; what is chosen may follow a shortcut, as by {VALID}")
    return texts


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
    backbone = _build_backbone(config, info)
    method: type[Method] = named_class(METHODS, config.run.method)
    branches = {}
    for name in filter(config.branch_name, method.own_branches(config.method)):
        kind = config.branch_name(name)
        branches[name] = BRANCHES[kind](info.widths[name], info.lengths[name], info.outputs, config.branches[kind],
                                        pretrained)
    fusion = FUSIONS[config.fusion_name] if config.fusion_name else None
    if isinstance(fusion, type):
        fusion = fusion(info, config.fusion)
    if config.training.precision == "bf16":
        lower_precision(backbone, large=False)
        for branch in branches.values():
            lower_precision(branch, branch.large)
    return _build_method(config, info, Parts(backbone, branches, fusion))


def _set_strength(model: Method, config: Config) -> None:
    """Give a model the strengths that its run starts from, where its prediction has several paths."""
    start = run_strengths(config).start
    if start:
        model.register_buffer("strength", torch.tensor(list(start.values())))


def empty_model(config: Config, info: DataInfo) -> Method:
    """The model without memory for its weights: names, shapes and types only."""
    with torch.device("meta"):
        return build_model(config, info, pretrained=False)


def is_ours(config: Config) -> bool:
    """Whether nothing of the model is a user's own class."""
    return config.run.backbone in BACKBONES and config.run.method in METHODS


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


def _build_backbone(config: Config, info: DataInfo) -> nn.Module:
    """The backbone; a user's own class is checked against the contract, so that a mistake is named at once."""
    name = config.run.backbone
    cls = named_class(BACKBONES, name)
    if name in BACKBONES:
        return cls(info, config.backbone)
    own = f"backbone {name!r}"
    if not (isinstance(cls, type) and issubclass(cls, nn.Module)):
        raise InputError(f"the {own} breaks the contract 'a torch.nn.Module class': it is {cls!r}")
    with _contract(own, "__init__(info, options)"):
        backbone = cls(info, config.backbone)
        list(backbone.parameters())  # fails where super().__init__() was not called
    with _contract(own, "forward(batch) -> BackboneOutput(logits (B, C), hidden (B, H))"):
        output = _trial(backbone, info)
        _check_shape(output, "logits", info.outputs)
        _check_shape(output, "hidden", None)
        if not output.logits.requires_grad or not hasattr(output, "per_sample"):
            raise ValueError("logits carry no gradient, or the output is no BackboneOutput")
    if hasattr(backbone, "auxiliary_loss"):
        with _contract(own, "auxiliary_loss(output, labels, task) -> scalar"):
            task = task_of(info)
            _check_scalar(backbone.auxiliary_loss(output, task.example_labels(), task))
    return backbone


def _build_method(config: Config, info: DataInfo, parts: Parts) -> Method:
    """The method around its parts; a user's own class is checked like a backbone."""
    name = config.run.method
    cls = named_class(METHODS, name)
    if name in METHODS:
        model = cls(info, config.method, parts)
        _set_strength(model, config)
        return model
    own = f"method {name!r}"
    with _contract(own, "__init__(info, options, parts)"):
        model = cls(info, config.method, parts)
        _set_strength(model, config)
        groups = model.parameter_groups()
        _check_groups(model, [parameter for group in groups for parameter in group.parameters])
    with _contract(own, "forward(batch) -> output with logits (B, C) and per_sample()"):
        output = _trial(model, info)
        _check_shape(output, "logits", info.outputs)
        missing = {"logits", "backbone", "hidden", *(one.values for one in model.predictors.values()),
                   *model.effects.values()} - output.per_sample().keys()
        if missing:
            raise ValueError(f"per_sample() lacks {', '.join(sorted(missing))}")
    with _contract(own, 'loss(output, batch, task) -> terms with "loss"'):
        task = task_of(info)
        _check_scalar(model.loss(output, _trial_batch(info, task.example_labels()), task)["loss"])
    return model


def _check_shape(output: Any, name: str, width: int | None) -> None:
    """Raise ValueError unless an output for two samples has a tensor (2, width) of this name."""
    value = getattr(output, name, None)
    shape = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
    if not (isinstance(shape, tuple) and len(shape) == 2 and shape[0] == 2 and width in (None, shape[1])):
        raise ValueError(f"{name} for 2 samples is {shape}, expected (2, {width or 'H'})")


def _check_scalar(loss: Any) -> None:
    if not isinstance(loss, Tensor) or loss.ndim:
        raise ValueError(f"it returned {tuple(loss.shape) if isinstance(loss, Tensor) else loss!r}")


def _check_groups(model: nn.Module, grouped: list[nn.Parameter]) -> None:
    """Raise ValueError unless every trainable parameter is in exactly one group."""
    names = [name for name, parameter in model.named_parameters() if parameter.requires_grad
             and sum(parameter is other for other in grouped) != 1]
    if names:
        raise ValueError(f"{', '.join(names[:3])} must be in exactly one of parameter_groups()")


@contextlib.contextmanager
def _contract(own: str, line: str) -> Iterator[None]:
    """Turn whatever a user's class does wrong into one sentence that names the broken line of the contract."""
    try:
        yield
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"the {own} breaks the contract '{line}': {reason}") from error


def _trial(model: nn.Module, info: DataInfo) -> Any:
    """A model's answer to a batch of two; random states stay as they were."""
    with torch.random.fork_rng(devices=[]):
        output = model.eval()(_trial_batch(info))
    model.train()
    return output


def _trial_batch(info: DataInfo, labels: Tensor | None = None) -> Batch:
    return Batch({m: torch.ones(2, info.lengths[m], info.widths[m]) for m in MODALITIES}, labels)


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
