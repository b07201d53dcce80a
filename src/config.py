"""From defaults, presets, YAML and the command line to one frozen configuration.

Precedence: defaults < preset of the dataset < preset of the backbone for that dataset < presets of the branches <
`--config file.yaml` < command line.
"""

import argparse
import importlib
import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any

from src.datasets.base import NoOptions, dataset_spec
from src.flags import Parser, add_group, make
from src.flags import path as file_path
from src.options import CausalOptions, DataOptions, InferenceOptions, RunOptions, StudyOptions, TrainingOptions
from src.registry import BACKBONES, BRANCHES
from src.settings import read_settings
from src.structures import MODALITIES, UsageError, quoted


@dataclass(frozen=True)
class Config:
    """The resolved configuration of a run."""

    run: RunOptions
    data: DataOptions
    causal: CausalOptions
    training: TrainingOptions
    dataset: Any  # the dataset's Options
    backbone: Any  # the backbone's Options
    branches: Mapping[str, Any] = field(default_factory=dict)  # name of a branch in use -> its Options

    def flat(self) -> dict[str, Any]:
        """Every option by its flag, as plain data."""
        groups = (self.run, self.data, self.causal, self.training, self.dataset, self.backbone, *self.branches.values())
        return {f.name: _plain(getattr(group, f.name)) for group in groups for f in fields(group)}

    def branch_name(self, modality: str) -> str:
        """The branch in use for a modality."""
        return getattr(self.causal, f"{modality}_branch")


def parse_config(argv: Sequence[str] | None) -> Config:
    """The configuration a command line of main.py asks for; raises UsageError where it cannot be had."""
    return _resolve(sys.argv[1:] if argv is None else argv)


def parse_inference(argv: Sequence[str] | None) -> InferenceOptions:
    """The options of a command line of inference.py; raises UsageError where they cannot be had."""
    parser = Parser(description="Evaluate the checkpoints of a run.", allow_abbrev=False)
    add_group(parser, InferenceOptions)
    return make(InferenceOptions, parser.parse(argv))


def parse_study(argv: Sequence[str] | None) -> tuple[StudyOptions, list[str]]:
    """The options of a command line of the study, and the words that are left for main.py."""
    parser = Parser(prog="python -m src.analysis.study", description="Train, evaluate and report a grid of runs.",
                     epilog="All other flags are those of main.py and reach every run.", allow_abbrev=False)
    add_group(parser, StudyOptions)
    values, rest = parser.parse_known_args(argv)
    return make(StudyOptions, values), rest


def config_from(flat: Mapping[str, Any], own: Collection[str] = ()) -> Config:
    """The configuration that `Config.flat` saved; raises UsageError for keys or values that are none.

    A backbone package.module:Class is imported only if it is in `own`, what the command line names: a file alone never
    decides which code is run.
    """
    return _resolve([], flat, own)


def backbone_class(name: str) -> type:
    """A registered backbone, or a user's own class written as package.module:Class."""
    if ":" not in name:
        if name not in BACKBONES:
            raise UsageError(f"unknown backbone {quoted(name)}; choose from {', '.join(BACKBONES)}, or give your own "
                             "class as package.module:Class")
        return BACKBONES[name]
    module, _, attribute = name.partition(":")
    if not (attribute.isidentifier() and all(part.isidentifier() for part in module.split("."))):
        raise UsageError(f"the backbone {quoted(name)} is no class; expected package.module:Class")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (Exception, SystemExit) as error:  # a user's module can fail in any way
        reason = " ".join(str(error).split())
        raise UsageError(f"the backbone {name!r} cannot be imported ({reason[:300]}); expected package.module:Class, "
                         "importable from this folder") from error


def _resolve(argv: Sequence[str], flat: Mapping[str, Any] | None = None, own: Collection[str] = ()) -> Config:
    """Find the parts first, since they bring flags and presets; then parse everything once."""
    first = Parser(add_help=False, allow_abbrev=False)
    first.add_argument("--config", type=file_path)
    path = first.parse_known_args(argv)[0].config
    given = dict(flat) if flat is not None else read_settings(path) if path else {}
    chosen = _peek(RunOptions, ("dataset", "backbone"), given, argv, {})
    spec = dataset_spec(chosen.dataset)
    if ":" in chosen.backbone and chosen.backbone not in (*own, *(word.rpartition("=")[2] for word in argv)):
        raise UsageError("the file was made with a backbone of your own; to import and run its code, name it: "
                         f"--backbone {quoted(chosen.backbone)}")
    backbone_options, backbone_presets = _backbone_flags(chosen.backbone)
    presets = {**spec.preset, **backbone_presets.get(chosen.dataset, {})}
    named = _peek(CausalOptions, tuple(f"{name}_branch" for name in MODALITIES), given, argv, presets)
    in_use = {getattr(named, f"{name}_branch"): None for name in MODALITIES}
    presets |= BRANCHES[named.text_branch].PRESET

    parts = {"run": RunOptions, "data": DataOptions, "causal": CausalOptions, "training": TrainingOptions,
             "dataset": spec.Options, "backbone": backbone_options}
    branches = {name: BRANCHES[name].Options for name in in_use}
    parser = Parser(prog="main.py", allow_abbrev=False, description="Train a backbone alone or inside CausalMER.",
                     epilog="Flags of datasets, backbones and branches appear when those are chosen.")
    parser.add_argument("--config", type=file_path, help="YAML file of flag: value; the command line wins over it")
    for options in (*parts.values(), *branches.values()):
        try:
            add_group(parser, options)
        except argparse.ArgumentError as error:
            raise UsageError(f"two flags of {chosen.backbone} have one name: {error}") from error
    for key in presets.keys() - {action.dest for action in parser._actions}:
        raise UsageError(f"a preset sets {key!r}, which is no flag of {chosen.dataset} with {chosen.backbone}")
    parser.set_defaults(**presets)
    values = parser.parse([*_arguments(given, parser), *argv])
    return Config(**{key: make(options, values) for key, options in parts.items()},
                  branches={name: make(options, values) for name, options in branches.items()})


def _backbone_flags(name: str) -> tuple[type, Mapping[str, Mapping[str, Any]]]:
    """A backbone's Options and PRESETS; UsageError where a user's own are of another kind."""
    cls = backbone_class(name)
    options, presets = getattr(cls, "Options", NoOptions), getattr(cls, "PRESETS", {})
    if not is_dataclass(options) or not all({"help", "choices", "names"} <= f.metadata.keys() for f in fields(options)):
        raise UsageError(f"the backbone {name!r}: Options is not a dataclass of src.structures.option fields")
    if not isinstance(presets, dict) or not all(isinstance(preset, dict) for preset in presets.values()):
        raise UsageError(f"the backbone {name!r}: PRESETS is not a dictionary of dictionaries, dataset to flags")
    return options, presets


def _peek(options: type, names: Iterable[str], given: Mapping[str, Any], argv: Sequence[str],
          presets: Mapping[str, Any]) -> argparse.Namespace:
    """The values of a few flags of a group, before the other flags are known."""
    parser = Parser(add_help=False, allow_abbrev=False)
    add_group(parser, options, names)
    parser.set_defaults(**{name: presets[name] for name in names if name in presets})
    present = {key: value for key, value in given.items() if key in parser.by_word()}
    return parser.parse_known_args([*_arguments(present, parser), *argv])[0]


def _arguments(given: Mapping[str, Any], parser: Parser) -> list[str]:
    """YAML values as command-line words, so that one parser checks both."""
    actions = parser.by_word()
    words = []
    for key, value in given.items():
        if key not in actions:
            parser.unknown(str(key)[:100], "YAML key")
        if isinstance(actions[key], argparse.BooleanOptionalAction):
            if not isinstance(value, bool):
                raise UsageError(f"YAML key {key!r} is {quoted(value)}; choose true or false")
            words.append(f"--{key}" if value else f"--no-{key}")
        elif value is not None and (value or actions[key].default != ()):  # an empty list: that flag was not given
            values = value if isinstance(value, (list, tuple)) else [value]
            if not all(isinstance(one, (str, float)) or isinstance(one, int) and one.bit_length() <= 128
                       for one in values):
                raise UsageError(f"{key!r} is {quoted(value)} of other things than text and numbers; expected what "
                                 f"--{key} takes on the command line")
            words.append(f"--{key}={','.join(map(str, values))}")
    return words


def _plain(value: Any) -> Any:
    """A value as YAML and checkpoints hold it."""
    if isinstance(value, tuple):
        return list(value)
    return str(value) if isinstance(value, Path) else value
