"""What a configuration says before anything is built: task, method, title, strengths, and whether it can be run."""

from collections.abc import Sequence
from typing import Any

import torch

from src.checkpoint import run_name
from src.config import Config
from src.datasets.base import Dataset, chosen_task, dataset_spec, file_hash
from src.datasets.labels import absent_classes
from src.distributed import process_count
from src.methods.base import BranchOptions, Method
from src.parts import named_class
from src.precision import gains
from src.registry import BACKBONES, DATASETS, FUSIONS, METHODS
from src.selection import knowledge
from src.strengths import CAUTIOUS, CHOOSING, VALID, Strengths, granting, strengths
from src.structures import LETTER, UsageError
from src.tasks import make_task, task_of
from src.tracking import check_tracker
from src.worlds import ENOUGH

CPU = torch.device("cpu")


def method_class(config: Config) -> type[Method]:
    """The class of the method, ours or the user's own."""
    return named_class(METHODS, config.run.method)


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
    method, backbone = method_class(config), named_class(BACKBONES, config.run.backbone)
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
    label = method_class(config).label(name, config.method)
    return f"{run_name(config.run.backbone, name)}{'' if label == name else f' {label}'}"


def declared(config: Config) -> tuple[str, ...]:
    """The unwanted modalities, where the method makes use of that."""
    method = method_class(config)
    asked = config.choice.unwanted
    return asked if asked and method.declared(config.method, asked) else ()


def known(config: Config, checkpoint: str) -> str:
    """The state of knowledge in which a run's checkpoint, and the strengths in it, were chosen."""
    return knowledge(declared(config), config.choice.unbiased, checkpoint)


def idle(config: Config) -> frozenset[str]:
    """The flags of a run that nothing of its model reads: those of a backbone, or of branches, that it is without."""
    method, found = method_class(config), set()
    if not method.uses_backbone:
        found |= {"m_lr", *config.backbone.__dict__}
    if isinstance(config.method, BranchOptions):
        own = method.own_branches(config.method)
        found |= {flag for letter, name in LETTER.items() if name not in own
                  for flag in (f"{name}_branch", f"{letter}_lr")}
        kinds = config.branches.keys() - {config.branch_name(name) for name in own}
        found |= {flag for kind in kinds for flag in config.branches[kind].__dict__}
    return frozenset(found)


def run_strengths(config: Config) -> Strengths:
    """What the strengths of a run's paths start from, and which are chosen; UsageError where it cannot have them."""
    return strengths(method_class(config), config.method, config.choice.strength, config.choice.unwanted)


def unsaid(config: Config) -> dict[str, Any]:
    """What decides how a run ends and no configuration says, as its results keep it.

    The versions of the rules by which validation and unbiased samples choose strengths, and of the method; the sha256
    of the file to start from, empty without one.
    """
    method, init = method_class(config), config.run.init
    strength = config.choice.strength if method.strengths(config.method) else ""
    return {"choosing": CHOOSING.get(strength, 0), "granting": granting(strength), "version": method.version,
            "init": file_hash(init) if init and init.is_file() else ""}


def is_ours(config: Config) -> bool:
    """Whether nothing of the model is a user's own class."""
    return config.run.backbone in BACKBONES and config.run.method in METHODS


def warnings(configs: Sequence[Config], device: torch.device = CPU) -> list[str]:
    """What a user should know about the configurations of a command before it runs."""
    texts = [text for config in configs for text in method_class(config).remarks(
        make_task(task_name(config)), config.method, config.training.num_epochs)]
    if process_count() > 1:
        texts.append(f"{process_count()} processes share every batch; each draws its own dropout, so that with dropout "
                     "the scores are those of another seed, and steps are not replayed as CUDA graphs")
    if configs[0].training.precision == "bf16" and not gains(device):
        texts.append("this processor has no AVX-512, without which bf16 is far slower, so all is computed in fp32")
    unmoved = [config.run.method for config in configs
               if config.choice.strength and not method_class(config).strengths(config.method)]
    if unmoved:
        texts.append(f"{' and '.join(unmoved)} {'predicts' if len(unmoved) == 1 else 'predict'} by one path, so "
                     "--strength changes nothing there")
    together = [config.run.method for config in configs if getattr(config.method, "branch_epochs", 0)
                and not method_class(config).epochs_ahead(config.method)]
    if together:
        texts.append(f"for {' and '.join(together)} nothing follows from --branch_epochs, as no backbone is trained "
                     "that branches could be ahead of")
    deaf = [config.run.method for config in configs if config.choice.unwanted and not declared(config)]
    if deaf:
        texts.append(f"for {' and '.join(deaf)} nothing follows from --unwanted {','.join(configs[0].choice.unwanted)}")
    name, dataset = configs[0].run.backbone, configs[0].run.dataset
    if name in BACKBONES and dataset in DATASETS and dataset not in BACKBONES[name].PRESETS:
        texts.append(f"{name} has no published settings for {dataset}; its defaults and those of the dataset are used")
    unused = sorted(frozenset.intersection(*(config.unused | config.given & idle(config) for config in configs)))
    if unused:
        texts.append(f"{', '.join(f'--{name}' for name in unused)} {'has' if len(unused) == 1 else 'have'} no part in "
                     f"{' and '.join(config.run.method for config in configs)} with these branches and this fusion")
    return list(dict.fromkeys(texts))


def doubts(configs: Sequence[Config], dataset: Dataset) -> list[str]:
    """What a user should know of this data before it is trained on: classes without samples, choices by too few."""
    texts, task = [], task_of(dataset.info)
    for split, kind, advice in (("train", "training", "check --task if that is not meant"),
                                ("valid", "validation", "what is chosen is blind to it")):
        labels = dataset.splits[split].known_labels
        absent = ", ".join(task.classes[number] for number in absent_classes(labels.numpy(), dataset.info.task))
        texts += [f"no {kind} sample is of class {absent}; {advice}"] * bool(absent)
    count = len(dataset.splits["valid"])
    if count < ENOUGH and any(run_strengths(config).cautious for config in configs):
        texts.append(f"--strength {CAUTIOUS} needs about {ENOUGH} validation samples to see which modalities agree, "
                     f"and this data has {count}; what is chosen may follow a shortcut, as by {VALID}")
    return texts
