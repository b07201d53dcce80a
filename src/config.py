"""From defaults, presets, YAML and the command line to one frozen configuration.

Precedence: defaults < preset of the dataset < presets of the method and of the backbone for that dataset < learning
rates of the branches < `--config file.yaml` < command line.
"""

import argparse
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from src.datasets.base import NoOptions, dataset_spec
from src.flags import Parser, add_group, make, word
from src.flags import path as file_path
from src.methods import PLANS
from src.methods.base import BranchOptions, MethodOptions
from src.options import ChoiceOptions, DataOptions, InferenceOptions, RunOptions, TrainingOptions
from src.parts import chosen_part
from src.plan_options import StudyOptions, TuneOptions
from src.registry import BACKBONES, BRANCHES, FUSIONS, METHODS
from src.settings import read_settings
from src.structures import LETTER, MODALITIES, PLACE, UsageError, quoted

PLACES = tuple(item.name for options in (RunOptions, DataOptions, TrainingOptions, ChoiceOptions)
               for item in fields(options) if item.metadata["scope"] == PLACE)
AXES = {"dataset": "datasets", "backbone": "backbones", "model": "backbones", "method": "methods",
        "fusion_mode": "fusions", "seed": "seeds"}  # flag of one run -> list of a study
Presets = frozenset[tuple[str, type, Any]]


@dataclass(frozen=True)
class Config:
    """The resolved configuration of a run."""

    run: RunOptions
    data: DataOptions
    training: TrainingOptions
    choice: ChoiceOptions
    method: Any  # the method's Options
    dataset: Any  # the dataset's Options
    backbone: Any  # the backbone's Options
    branches: Mapping[str, Any] = field(default_factory=dict)  # name of a branch in use -> its Options
    fusion: Any = NoOptions()  # the Options of the method's fusion
    unused: frozenset[str] = field(default=frozenset(), compare=False)  # flags given that have no part in this run
    given: frozenset[str] = field(default=frozenset(), compare=False)  # flags that the command or its file names

    @property
    def groups(self) -> tuple[Any, ...]:
        """The Options of everything that this run has."""
        return (self.run, self.data, self.training, self.choice, self.method, self.dataset, self.backbone,
                *self.branches.values(), self.fusion)

    def flat(self) -> dict[str, Any]:
        """Every option by its flag, as plain data."""
        return {f.name: _plain(getattr(group, f.name)) for group in self.groups for f in fields(group)}

    def branch_name(self, modality: str) -> str:
        """The branch in use for a modality; empty where the method has no branches."""
        return getattr(self.method, f"{modality}_branch", "")

    @property
    def fusion_name(self) -> str:
        """The fusion in use; empty where the method has none."""
        return getattr(self.method, "fusion_mode", "")


def parse_config(argv: Sequence[str] | None) -> Config:
    """The configuration of one run that a command line of main.py asks for; UsageError where it cannot be had."""
    configs = parse_configs(argv)
    if len(configs) > 1:
        raise UsageError(f"--method stands for {len(configs)} runs, {', '.join(one.run.method for one in configs)}; "
                         "choose one")
    return configs[0]


def parse_configs(argv: Sequence[str] | None) -> list[Config]:
    """The configurations of all runs that a command line of main.py asks for, in their order.

    Raises UsageError where they cannot be had.
    """
    words = sys.argv[1:] if argv is None else list(argv)
    given = _given(words)
    asked = _peek(RunOptions, ("method", "name"), given, words, {})
    if asked.method not in PLANS:
        return [_resolve(words, given)]
    return [_resolve([*words, f"--method={step.method}", *step.words, f"--name={asked.name}{step.suffix}"], given)
            for step in PLANS[asked.method]]


def parse_inference(argv: Sequence[str] | None) -> InferenceOptions:
    """The options of a command line of inference.py; raises UsageError where they cannot be had."""
    parser = Parser(description="Evaluate the checkpoints of a run.", allow_abbrev=False)
    add_group(parser, InferenceOptions)
    return make(InferenceOptions, parser.parse(argv))


def parse_study(argv: Sequence[str] | None) -> tuple[StudyOptions, list[str]]:
    """The options of a command line of the study, and the words that are left for main.py."""
    return _parse_plan("study", "Train, evaluate and report a grid of runs.", StudyOptions, argv)


def parse_tune(argv: Sequence[str] | None) -> tuple[TuneOptions, list[str]]:
    """The options of a command line of the search for settings, and the words that are left for main.py."""
    return _parse_plan("tune", "Choose the settings of methods on validation.", TuneOptions, argv)


def _parse_plan(command: str, purpose: str, options: type, argv: Sequence[str] | None) -> tuple[Any, list[str]]:
    """The options of a command of `src.analysis` that trains many runs, and the words that are left for main.py.

    Raises UsageError for a flag of one run, also one of --conditions, whose place is a list of the command.
    """
    parser = Parser(prog=f"python -m src.analysis.{command}", description=purpose,
                    epilog="All other flags are those of main.py and reach every run.", allow_abbrev=False)
    add_group(parser, options)
    values, rest = parser.parse_known_args(argv)
    made = make(options, values)
    beside = {word.removeprefix("--").partition("=")[0] for word in rest if word.startswith("--")}
    within = {word.partition("=")[0] for label in made.conditions for word in label.split("+")}
    for name in sorted(beside | within):
        if name in AXES:
            raise UsageError(f"--{name} is of one run; {command} has a list of them, --{AXES[name]}, with commas")
        if name in beside & within:
            raise UsageError(f"--{name} stands within --conditions and beside them, for every run; leave one out")
    return made, rest


def config_from(flat: Mapping[str, Any], own: Collection[str] = ()) -> Config:
    """The configuration that `Config.flat` saved; raises UsageError for keys or values that are none.

    A class package.module:Class is imported only if it is in `own`, what the command line names: a file alone never
    decides which code is run.
    """
    return _resolve([], flat, own)


def _given(argv: Sequence[str]) -> dict[str, Any]:
    """What the YAML file of a command line sets."""
    first = Parser(add_help=False, allow_abbrev=False)
    first.add_argument("--config", type=file_path)
    path = first.parse_known_args(argv)[0].config
    return read_settings(path) if path else {}


def _resolve(argv: Sequence[str], given: Mapping[str, Any], own: Collection[str] = ()) -> Config:
    """Find the parts first, since they bring flags and presets; then parse everything once."""
    chosen = _peek(RunOptions, ("dataset", "backbone", "method"), given, argv, {})
    spec = dataset_spec(chosen.dataset)
    named = {*own, *(word.rpartition("=")[2] for word in argv)}
    backbone = chosen_part(BACKBONES, chosen.backbone, named, object)
    method = chosen_part(METHODS, chosen.method, named, MethodOptions)
    presets = {**spec.preset, **method.presets.get(chosen.dataset, {}), **backbone.presets.get(chosen.dataset, {})}
    part_names = [f"{name}_branch" for name in MODALITIES] * issubclass(method.options, BranchOptions)
    part_names += ["fusion_mode"] * any(item.name == "fusion_mode" for item in fields(method.options))
    inner = vars(_peek(method.options, part_names, given, argv, presets))
    fusion = FUSIONS[inner["fusion_mode"]] if "fusion_mode" in inner else None

    parts = {"run": RunOptions, "data": DataOptions, "training": TrainingOptions, "choice": ChoiceOptions,
             "method": method.options, "dataset": spec.Options, "backbone": backbone.options,
             "fusion": getattr(fusion, "Options", NoOptions)}
    branches = {inner[name]: BRANCHES[inner[name]] for name in part_names if name.endswith("_branch")}
    rates = {name: branch.rate(_peek(branch.Options, [item.name for item in fields(branch.Options)], given, argv, {}))
             for name, branch in branches.items()}
    presets |= {f"{letter}_lr": rates[inner[f"{name}_branch"]] for letter, name in LETTER.items()
                if rates.get(inner.get(f"{name}_branch")) is not None}
    parser = _parser((*parts.values(), *(branch.Options for branch in branches.values())), chosen.backbone,
                     _hashed(presets))
    used = parser.flags()
    others = _other_flags(frozenset(used), tuple(getattr(registry[name], "Options", NoOptions) for registry in
                                                 (METHODS, BRANCHES, FUSIONS) for name in registry))
    for key in presets.keys() - used - others.flags():
        raise UsageError(f"a preset sets {key!r}, which is no flag of {chosen.dataset} with {chosen.backbone}")
    elsewhere = given.keys() & others.by_word()
    unused, rest = others.parse_known_args(
        [*_arguments({key: value for key, value in given.items() if key in elsewhere}, others), *argv])
    words = [*_arguments({key: value for key, value in given.items() if key not in elsewhere}, parser), *rest]
    values = parser.parse(words)
    made = {key: make(options, values) for key, options in parts.items()}
    made["choice"] = replace(made["choice"], strength=made["choice"].strength or method.strength(made["method"]))
    return Config(**made, branches={name: make(branch.Options, values) for name, branch in branches.items()},
                  unused=frozenset(vars(unused)), given=_named(words, parser))


def _named(words: Sequence[str], parser: Parser) -> frozenset[str]:
    """The flags among the words of a command line, each by its own name."""
    actions = parser.by_word()
    spelled = (word.removeprefix("--").partition("=")[0] for word in words if word.startswith("--"))
    return frozenset(actions[word].dest for word in spelled if word in actions)


def _hashed(presets: Mapping[str, Any]) -> Presets:
    """Presets as a key: with the types of their values, since 1, 1.0 and True are equal; a list as a tuple."""
    return frozenset((name, type(value), tuple(value) if isinstance(value, list) else value)
                     for name, value in presets.items())


@lru_cache(64)
def _parser(groups: tuple[type, ...], backbone: str, presets: Presets) -> Parser:
    """The parser of a run's parts; presets are defaults of those flags that it has."""
    parser = Parser(prog="main.py", allow_abbrev=False, description="Train a multimodal emotion recognition model.",
                    epilog="Flags of datasets, backbones, methods, branches and fusions appear when those are chosen.")
    parser.add_argument("--config", type=file_path, help="YAML file of flag: value; the command line wins over it")
    for options in groups:
        try:
            add_group(parser, options)
        except argparse.ArgumentError as error:
            raise UsageError(f"two flags of {backbone} have one name: {error}") from error
    parser.set_defaults(**{key: value for key, _, value in presets if key in parser.flags()})
    return parser


@lru_cache(64)
def _other_flags(used: frozenset[str], groups: tuple[type, ...]) -> Parser:
    """The flags of methods, branches and fusions that a run does not use: they may stand in its command all the same.

    So one command line or file can speak of several methods; `Config.unused` says what was left out.
    """
    others = Parser(add_help=False, allow_abbrev=False, argument_default=argparse.SUPPRESS)
    for options in groups:
        add_group(others, options, {item.name for item in fields(options)} - used - others.flags(), defaults=False)
    return others


@lru_cache(64)
def _few_flags(options: type, names: tuple[str, ...], presets: Presets) -> Parser:
    """The parser of a few flags of a group."""
    parser = Parser(add_help=False, allow_abbrev=False)
    add_group(parser, options, names)
    parser.set_defaults(**{key: value for key, _, value in presets})
    return parser


def _peek(options: type, names: Sequence[str], given: Mapping[str, Any], argv: Sequence[str],
          presets: Mapping[str, Any]) -> argparse.Namespace:
    """The values of a few flags of a group, before the other flags are known."""
    parser = _few_flags(options, tuple(names), _hashed({name: presets[name] for name in names if name in presets}))
    known = parser.by_word()
    present = {key: value for key, value in given.items() if key in known}
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
        elif value is not None and not (isinstance(value, (list, tuple, str)) and not value and
                                        actions[key].default == ()):  # an empty list: that flag was not given
            words.append(word(key, value))
    return words


def _plain(value: Any) -> Any:
    """A value as YAML and checkpoints hold it."""
    if isinstance(value, tuple):
        return list(value)
    return str(value) if isinstance(value, Path) else value
