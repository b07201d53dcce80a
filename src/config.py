"""From defaults, presets, YAML and the command line to one frozen configuration.

Precedence: defaults < preset of the dataset < preset of the backbone for that dataset < presets of the branches <
`--config file.yaml` < command line.
"""

import argparse
import difflib
import importlib
import math
import sys
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import Field, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, NoReturn, get_args, get_origin

import yaml

from src.datasets.base import NoOptions, dataset_spec
from src.options import CausalOptions, DataOptions, InferenceOptions, RunOptions, StudyOptions, TrainingOptions
from src.registry import BACKBONES, BRANCHES
from src.structures import MODALITIES, InputError, UsageError, quoted


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
    parser = _Parser(description="Evaluate the checkpoints of a run.", allow_abbrev=False)
    _add_group(parser, InferenceOptions)
    return _make(InferenceOptions, parser.parse(argv))


def parse_study(argv: Sequence[str] | None) -> tuple[StudyOptions, list[str]]:
    """The options of a command line of the study, and the words that are left for main.py."""
    parser = _Parser(prog="python -m src.analysis.study", description="Train, evaluate and report a grid of runs.",
                     epilog="All other flags are those of main.py and reach every run.", allow_abbrev=False)
    _add_group(parser, StudyOptions)
    values, rest = parser.parse_known_args(argv)
    return _make(StudyOptions, values), rest


def config_from(flat: Mapping[str, Any], own: Collection[str] = ()) -> Config:
    """The configuration that `Config.flat` saved; raises UsageError for keys or values that are none.

    A backbone package.module:Class is imported only if it is in `own`, what the command line names: a file alone never
    decides which code is run.
    """
    backbone = flat.get("backbone")
    if isinstance(backbone, str) and ":" in backbone and backbone not in own:
        raise UsageError(f"the run was made with a backbone of your own; to import and run its code, name it: "
                         f"--backbone {quoted(backbone)}")
    return _resolve([], flat)


def backbone_class(name: str) -> type:
    """A registered backbone, or a user's own class written as package.module:Class."""
    if ":" not in name:
        if name not in BACKBONES:
            raise UsageError(f"unknown backbone {name!r}; choose from {', '.join(BACKBONES)}, or give your own class "
                             "as package.module:Class")
        return BACKBONES[name]
    module, _, attribute = name.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except Exception as error:  # a user's module can fail in any way
        reason = " ".join(str(error).split())
        raise UsageError(f"the backbone {name!r} cannot be imported ({reason}); expected package.module:Class, "
                         "importable from this folder") from error


class _Parser(argparse.ArgumentParser):
    """A parser that raises one sentence and lists the flags where one is unknown."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(message)

    def parse(self, argv: Sequence[str] | None) -> argparse.Namespace:
        """Parse a whole command line."""
        found, unknown = self.parse_known_args(argv)
        if unknown:
            self.unknown(unknown[0].partition("=")[0], "argument")
        return found

    def by_word(self) -> dict[str, argparse.Action]:
        """What a YAML file may set, under every spelling."""
        return {word.lstrip("-"): action for action in self._actions for word in action.option_strings
                if action.dest not in ("help", "config")}

    def unknown(self, name: str, kind: str) -> NoReturn:
        """Raise UsageError for a flag or key that does not exist."""
        left_out = ("help", "config") if kind == "YAML key" else ("help",)
        known = [action.dest for action in self._actions if action.dest not in left_out]
        near = difflib.get_close_matches(name.lstrip("-"), known, 1)
        guess = f"did you mean {near[0]}? " if near else ""
        raise UsageError(f"unknown {kind} {name!r}; {guess}choose from {', '.join(known)}")


def _resolve(argv: Sequence[str], flat: Mapping[str, Any] | None = None) -> Config:
    """Find the parts first, since they bring flags and presets; then parse everything once."""
    first = _Parser(add_help=False, allow_abbrev=False)
    first.add_argument("--config", type=Path)
    path = first.parse_known_args(argv)[0].config
    given = dict(flat) if flat is not None else _read_yaml(path) if path else {}
    chosen = _peek(RunOptions, ("dataset", "backbone"), given, argv, {})
    spec = dataset_spec(chosen.dataset)
    backbone_options, backbone_presets = _backbone_flags(chosen.backbone)
    presets = {**spec.preset, **backbone_presets.get(chosen.dataset, {})}
    named = _peek(CausalOptions, tuple(f"{name}_branch" for name in MODALITIES), given, argv, presets)
    in_use = {getattr(named, f"{name}_branch"): None for name in MODALITIES}
    presets |= BRANCHES[named.text_branch].PRESET

    parts = {"run": RunOptions, "data": DataOptions, "causal": CausalOptions, "training": TrainingOptions,
             "dataset": spec.Options, "backbone": backbone_options}
    branches = {name: BRANCHES[name].Options for name in in_use}
    parser = _Parser(prog="main.py", allow_abbrev=False, description="Train a backbone alone or inside CausalMER.",
                     epilog="Flags of datasets, backbones and branches appear when those are chosen.")
    parser.add_argument("--config", type=Path, help="YAML file of flag: value; the command line wins over it")
    for options in (*parts.values(), *branches.values()):
        try:
            _add_group(parser, options)
        except argparse.ArgumentError as error:
            raise UsageError(f"two flags of {chosen.backbone} have one name: {error}") from error
    for key in presets.keys() - {action.dest for action in parser._actions}:
        raise UsageError(f"a preset sets {key!r}, which is no flag of {chosen.dataset} with {chosen.backbone}")
    parser.set_defaults(**presets)
    values = parser.parse([*_arguments(given, parser), *argv])
    return Config(**{key: _make(options, values) for key, options in parts.items()},
                  branches={name: _make(options, values) for name, options in branches.items()})


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
    parser = _Parser(add_help=False, allow_abbrev=False)
    _add_group(parser, options, names)
    parser.set_defaults(**{name: presets[name] for name in names if name in presets})
    present = {key: value for key, value in given.items() if key in parser.by_word()}
    return parser.parse_known_args([*_arguments(present, parser), *argv])[0]


def _read_yaml(path: Path) -> dict[str, Any]:
    """A YAML file of flag: value."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UsageError(f"--config {path} cannot be read as YAML ({' '.join(str(error).split())})") from error
    if not isinstance(content or {}, dict):
        raise UsageError(f"--config {path} holds a {type(content).__name__}; expected lines of flag: value")
    return content or {}


def _arguments(given: Mapping[str, Any], parser: _Parser) -> list[str]:
    """YAML values as command-line words, so that one parser checks both."""
    actions = parser.by_word()
    words = []
    for key, value in given.items():
        if key not in actions:
            parser.unknown(str(key), "YAML key")
        if isinstance(actions[key], argparse.BooleanOptionalAction):
            if not isinstance(value, bool):
                raise UsageError(f"YAML key {key!r} is {value!r}; choose true or false")
            words.append(f"--{key}" if value else f"--no-{key}")
        elif value is not None:
            words.append(f"--{key}={','.join(map(str, value)) if isinstance(value, (list, tuple)) else value}")
    return words


def _add_group(parser: argparse.ArgumentParser, options: type, only: Iterable[str] | None = None) -> None:
    """One flag per field of an options class."""
    group = parser.add_argument_group((options.__doc__ or options.__name__).strip().splitlines()[0].rstrip("."))
    for item in fields(options):
        if only is not None and item.name not in only:
            continue
        names = (f"--{item.name}", *item.metadata["names"])
        text = f"{item.metadata['help']} (default: %(default)s)".replace(" (default: None)", "")
        if item.type is bool:
            group.add_argument(*names, action=argparse.BooleanOptionalAction, default=item.default, help=text)
        else:
            choices = item.metadata["choices"]
            group.add_argument(*names, type=_converter(item), default=item.default, help=text, choices=choices,
                               metavar=None if choices else "X")


def _converter(item: Field) -> Callable[[str], Any]:
    """What turns a word of the command line into a field's value."""
    if get_origin(item.type) is tuple:
        return _integers if int in get_args(item.type) else _words
    kind = next((k for k in (int, Path) if item.type in (k, k | None)), item.type)
    return _finite if kind is float else kind


def _integers(word: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in word.split(",") if part)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{word!r} is not a list of numbers such as 20,74,35") from None


def _words(word: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in word.split(",") if part.strip())


def _finite(word: str) -> float:
    try:
        value = float(word)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"{word!r} is not a finite number")
    return value


def _make(options: type, values: argparse.Namespace) -> Any:
    """An options object from parsed values, its own checks reported as a wrong use."""
    try:
        return options(**{item.name: getattr(values, item.name) for item in fields(options)})
    except InputError as error:
        raise UsageError(str(error)) from error


def _plain(value: Any) -> Any:
    """A value as YAML and checkpoints hold it."""
    if isinstance(value, tuple):
        return list(value)
    return str(value) if isinstance(value, Path) else value
