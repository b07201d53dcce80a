"""Checkpoints of the published code: a pickled whole model, read without running any of it.

The file names classes (`src.causal_mer_model.CAUSALMER`, torch.nn, transformers, torchvision). None of them is
imported: each becomes an inert stand-in that only holds its state, and tensors are made from checked storages.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from src.build import empty_model, restored
from src.checkpoint import load_checkpoint, load_weights, run_folder, save_checkpoint
from src.config import Config, config_from
from src.configured import run_strengths, task_name
from src.methods.base import Method
from src.options import InferenceOptions
from src.reading.records import Damaged, Marker, Record, Refused, exact
from src.reading.tensors import NAMES, read_torch
from src.runtime import versions
from src.structures import MODALITIES, DataInfo, InputError, quoted
from src.tasks import make_task

# Modules whose classes a published checkpoint consists of.
STATEFUL = re.compile(r"(src|modules|torch\.nn|transformers|torchvision)(\.\w+)*")
# Names that stand in a state without being a class of theirs.
INERT = {("torch", "device"),
         *(("torch", name) for name in dir(torch) if isinstance(getattr(torch, name), torch.dtype))}
LETTERS = {"l": "text", "t": "text", "a": "audio", "v": "vision"}

# Published name -> ours, applied in order; see `our_name`.
RENAMES: list[tuple[str, Any]] = [  # a pattern, and a replacement as `re.sub` takes it
    (r"^constant_(\w)$", lambda m: f"constants.{LETTERS[m[1]]}"),
    (r"^tav_branch\.", "backbone."),
    (r"^t_branch\.linear_transformation", "branches.text.embed"),
    (r"^t_branch\.model", "branches.text.albert"),
    (r"^t_branch\.text_mlp", "branches.text.output"),
    (r"^([av])_branch\.[av]_branch\.fc", lambda m: f"branches.{LETTERS[m[1]]}.output"),
    (r"^([av])_branch\.[av]_branch", lambda m: f"branches.{LETTERS[m[1]]}.resnet"),
    (r"resnet\.(conv1|bn1)", r"resnet.embedder.embedder.\1"),
    (r"resnet\.layer(\d)\.(\d)\.", lambda m: f"resnet.encoder.stages.{int(m[1]) - 1}.layers.{m[2]}."),
    (r"(layers\.\d)\.(conv|bn)(\d)", lambda m: f"{m[1]}.layer.{int(m[3]) - 1}.{m[2]}"),
    (r"downsample\.0", "shortcut.convolution"),
    (r"downsample\.1", "shortcut.normalization"),
    (r"(resnet.*)\.conv1?\.", r"\1.convolution."),
    (r"(resnet.*)\.bn1?\.", r"\1.normalization."),
    (r"(^|\.)proj_([lav])\.", lambda m: f"{m[1]}projections.{LETTERS[m[2]]}."),
    (r"trans_(\w)_with_(\w)", lambda m: f"crossmodal.{LETTERS[m[1]]}_from_{LETTERS[m[2]]}"),
    (r"trans_(\w)_mem", lambda m: f"memory.{LETTERS[m[1]]}"),
    (r"self_attn\.in_proj_", "attention.in_"),
    (r"self_attn\.out_proj", "attention.out"),
    (r"layer_norms\.0", "attention_norm"),
    (r"layer_norms\.1", "feedforward_norm"),
    (r"((?:memory|crossmodal)\.\w+)\.layer_norm", r"\1.norm"),
    (r"(^|\.)(fc1|proj1)\.", r"\1expand."),
    (r"(^|\.)(fc2|proj2)\.", r"\1contract."),
    (r"(^|\.)out_layer\.", r"\1output."),
]
LEFT_OUT = re.compile(r"(version|_float_tensor|position_ids|token_type_ids)$")


def our_name(published: str) -> str | None:
    """Our name of a published parameter or buffer; None for those that hold nothing learnt."""
    if LEFT_OUT.search(published):
        return None
    for pattern, replacement in RENAMES:
        published = re.sub(pattern, replacement, published)
    return published


def import_published(options: InferenceOptions) -> Path:
    """Convert a published checkpoint into a run of ours, ready for evaluation; returns the new checkpoint.

    Layers, widths and kernels are measured on the weights; heads, fusion and masks are read from the saved object.
    """
    path = cast(Path, options.import_published)  # without it this is not asked for
    model = read_published(path)
    weights = _our_weights(model)
    try:
        config, info = _settings(options, model, weights)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path} lacks what the published model has ({error}); expected MulT beside ALBERT and two "
                         "ResNets") from error
    weights = _used(weights, empty_model(config, info)) | {"strength": torch.tensor(
        list(run_strengths(config).start.values()))}
    ours = restored(config, info, weights, path)
    selection = "best_valid_acc" if "valid_acc" in path.name else "best_valid_loss"
    target = run_folder(options, config.run.backbone, config.run.method) / f"{selection}.pt"
    if target.exists():
        raise InputError(f"{target} exists and is kept; choose another --name")
    save_checkpoint(target, ours, config.flat(), info, epoch=0, metrics={}, versions=versions(torch.device("cpu")))
    return target


def start_from(path: Path, model: Method) -> None:
    """Fill a new model with the weights of a checkpoint of ours or of the published code.

    Parts that the model lacks, such as branches where the backbone trains alone, are left out. Raises InputError where
    the file is neither, or where its weights do not fit.
    """
    if not path.is_file():
        raise InputError(f"--init {path}: there is no such file; " + (
            "it is a folder, name a file in it, such as best_valid_acc.pt" if path.is_dir() else "check the path"))
    try:
        weights = load_checkpoint(path, torch.device("cpu"))["model"]
    except InputError as ours:
        try:
            weights = _our_weights(read_published(path))
        except InputError as published:
            raise InputError(f"--init {path} is no checkpoint of ours ({ours}), and none of the published code "
                             f"({published})") from published
    there = model.state_dict().keys()
    parts = {name.partition(".")[0] for name in there}
    kept = {name: value for name, value in weights.items() if name.partition(".")[0] in parts}
    # Strengths and class priors are those of the new run; a file need not have them.
    own = {name: value for name, value in model.named_buffers()
           if name in there and not name.startswith(("backbone.", "branches."))}
    load_weights(model, _used(kept | own, model), path)


def _our_weights(model: "_Part") -> dict[str, Tensor]:
    """The weights of a published model by our names."""
    return {our: value for name, value in _tensors(model, "") if (our := our_name(name)) is not None}


def _used(weights: dict[str, Tensor], model: Method) -> dict[str, Tensor]:
    """Without what the published code builds but never uses: projections of width d, memory of what is no target."""
    used = model.state_dict().keys()
    return {name: value for name, value in weights.items()
            if name in used or not name.startswith(("backbone.projections.", "backbone.memory."))}


def _settings(options: InferenceOptions, model: "_Part", weights: dict[str, Tensor]) -> tuple[Config, DataInfo]:
    """The configuration and the data shapes that the weights were trained with."""
    state, backbone = model.state, model.state["_modules"]["tav_branch"].state
    kernels = {name: weights[f"backbone.projections.{name}.weight"] for name in MODALITIES}  # (d, D, kernel)
    layers = {int(m[1]) for name in weights if (m := re.search(r"crossmodal\.\w+\.layers\.(\d+)\.", name))}
    outputs = len(weights["backbone.output.bias"])
    flags = {"dim": len(kernels["text"]), "nlevels": len(layers), "num_heads": 10, "fusion_mode": state["fusion_mode"],
             "attn_mask": bool(backbone.get("attn_mask", True)), "mosei_task": "regression" if outputs == 1 else "cls",
             "text_branch": "albert", "audio_branch": "resnet18", "vision_branch": "resnet18",
             **{f"kernel_{name[0]}": weight.size(2) for name, weight in kernels.items()},
             **{f"{letter}only": bool(backbone.get(f"{letter}only")) for letter in "lav"}}
    if flags["lonly"] and flags["aonly"] and flags["vonly"]:
        flags |= {"lonly": False, "aonly": False, "vonly": False}  # the published way to say all targets
    config = config_from(flags | {"dataset": options.dataset, "name": options.name, "seed": options.seed,
                                  "method": "causal", "checkpoint_path": str(options.checkpoint_path)})
    expected = make_task(task_name(config)).outputs
    if outputs != expected:
        raise InputError(f"{options.import_published} has {outputs} outputs, {options.dataset} needs {expected}; give "
                         "the --dataset it was trained on")
    # Lengths are not in the file; MulT takes any, so the least that its kernels allow stands for them.
    return config, DataInfo(options.dataset, task_name(config), outputs,
                            {name: weight.size(1) for name, weight in kernels.items()},
                            {name: weight.size(2) for name, weight in kernels.items()})


def read_published(path: Path) -> "_Part":
    """The tree of a published checkpoint, its classes replaced by stand-ins; executes nothing of the file.

    Raises InputError for a file that names anything but layers and tensors, or that is no such checkpoint.
    """
    try:
        model = read_torch(path, _known)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from error
    except Refused as error:
        raise InputError(f"{path} holds {error}, which no checkpoint of the published code needs; nothing of it was "
                         "executed") from error
    except Damaged as error:
        raise InputError(f"{path} is not a checkpoint of the published code ({error}); expected a whole model saved by "
                         "torch.save") from error
    if not isinstance(model, _Part) or model.name != "CAUSALMER":
        name = model.name if isinstance(model, _Part) else type(model).__name__
        raise InputError(f"{path} holds a {name}, not the published model, the class CAUSALMER")
    return model


class _Part(Record):
    """Stands for a module of the published model, or for anything else of its libraries: a name and a state."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.state: dict[str, Any] = {}

    def build(self, state: Any) -> None:
        """The attributes of an object; raises Refused for a second state or one that is no dictionary of names."""
        if self.state or any(type(key) is not str for key in exact(state, dict)):
            raise Refused(f"a {self.name} with attributes that are none")
        self.state = state

    def parts(self) -> list[Any]:
        return [self.state]

    def finish(self, parts: list[Any]) -> "_Part":
        return self

    def tables(self, kind: str) -> Iterator[tuple[str, Any]]:
        """Names and values of `_parameters`, `_buffers` or `_modules`; raises InputError where these are none."""
        content = self.state.get(kind) or {}
        if type(content) is not dict or any(type(name) is not str for name in content):
            raise InputError(f"a {quoted(self.name)} in the file has {kind} that are no table of names; it is damaged")
        yield from content.items()


class _Class(Marker):
    """The name of a class or function of the published model's libraries."""

    def __init__(self, name: str) -> None:
        super().__init__(name, call=lambda arguments: _Part(name), new=lambda arguments: _Part(name))

    def finish(self) -> _Part:
        return _Part(self.name)


def _known(name: tuple[str, str]) -> Marker | None:
    """What a published checkpoint may name: tensors, and as inert stand-ins the classes of its libraries."""
    module, word = name
    if name in NAMES:
        return NAMES[name]
    return _Class(word) if STATEFUL.fullmatch(module) and re.fullmatch(r"\w+", word) or name in INERT else None


def _tensors(part: _Part, prefix: str) -> Iterator[tuple[str, Tensor]]:
    """Parameters and buffers of a tree of stand-ins, by their dotted names."""
    for kind in ("_parameters", "_buffers"):
        for name, tensor in part.tables(kind):
            if isinstance(tensor, Tensor):
                yield prefix + name, tensor
    for name, child in part.tables("_modules"):
        if isinstance(child, _Part):
            yield from _tensors(child, f"{prefix}{name}.")
