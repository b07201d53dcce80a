"""The structure that design and contracts promise: import direction, fields that are read, patterns that are banned."""

import ast
import re
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from src.options import ChoiceOptions, DataOptions, InferenceOptions, RunOptions, TrainingOptions
from src.plan_options import StudyOptions, TuneOptions
from src.registry import BACKBONES, BRANCHES, DATASETS, METHODS

ROOT = Path(__file__).parent.parent
FILES = sorted([ROOT / "main.py", ROOT / "inference.py", *ROOT.glob("src/**/*.py"), *ROOT.glob("modules/*.py")])
# From the bottom up; a part imports from lower levels and from its own package only.
LEVELS = [
    {"registry", "structures", "process", "eager"},
    {"modules", "reading", "streams", "flags", "settings", "locks", "distributed"}, {"runtime"},
    {"writing", "guest"},
    {"branches", "backbones", "datasets", "metrics", "precision", "replay", "tracking"}, {"losses", "shapley", "tasks"},
    {"fusions", "causal_mer_model", "progress", "worlds"}, {"methods"},
    {"selection", "contracts"}, {"strengths"}, {"options", "parts"}, {"plan_options"}, {"config", "saved"},
    {"checkpoint"}, {"configured"}, {"build", "saving"}, {"engine"},
    {"console", "published", "results", "samples", "state"}, {"final"}, {"train"},
    {"analysis", "benchmark", "export", "list"}, {"runs", "api"},
    {"main", "inference"},
]
LEVEL = {part: level for level, parts in enumerate(LEVELS) for part in parts}


def part_of(module: str) -> str:
    """`src.datasets.base` -> `datasets`, `modules.transformer` -> `modules`."""
    words = module.split(".")
    return words[1] if words[0] == "src" and len(words) > 1 else words[0]


def imports(path: Path) -> set[str]:
    """Parts of ours that a file imports."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            names.add(node.module)
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return {part_of(name) for name in names if name.split(".")[0] in ("src", "modules")}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_one_way(path):
    own = part_of(".".join(path.relative_to(ROOT).with_suffix("").parts))
    if path == ROOT / "src" / "__init__.py":
        return
    allowed = {part for part, level in LEVEL.items() if level < LEVEL[own]} | {own}
    assert imports(path) <= allowed


def names_read() -> tuple[set[str], list[re.Pattern]]:
    """Attributes that the code reads, and patterns of those it builds with getattr and an f-string."""
    names, patterns = set(), []
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
                names.add(node.attr)
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "getattr":
                if isinstance(node.args[1], ast.JoinedStr):
                    parts = [re.escape(v.value) if isinstance(v, ast.Constant) else r"(\w|c_\w|text|audio|vision)"
                             for v in node.args[1].values]
                    patterns.append(re.compile("".join(parts)))
    return names, patterns


def test_every_option_is_read():
    groups = [RunOptions, DataOptions, TrainingOptions, ChoiceOptions, InferenceOptions, StudyOptions,
              TuneOptions,
              *(DATASETS[n].Options for n in DATASETS), *(BACKBONES[n].Options for n in BACKBONES),
              *(BRANCHES[n].Options for n in BRANCHES), *(METHODS[n].Options for n in METHODS)]
    names, patterns = names_read()
    unread = {item.name for group in groups for item in fields(group)
              if item.name not in names and not any(p.fullmatch(item.name) for p in patterns)}
    assert unread == set()


@pytest.mark.parametrize("pattern", [r"\.cuda\(", "set_default_tensor_type", r"import \*", r"\bpdb\b",
                                     r'print\("error', "weights_only=False", r"pickle\.loads?\(", r"\bexec\(",
                                     "TODO|FIXME|XXX", r"num_heads\s*=\s*10\b(?!,)"])
def test_what_must_never_come_back_is_not_there(pattern):
    found = [str(path) for path in FILES if re.search(pattern, path.read_text())]
    assert found == []


def test_no_dataset_is_named_inside_models_and_layers():
    for path in (*ROOT.glob("modules/*.py"), *ROOT.glob("src/branches/*.py"), *ROOT.glob("src/fusions/*.py"),
                 *(ROOT / "src" / f"{name}.py" for name in ("causal_mer_model", "contracts", "engine", "final", "state",
                                                            "train"))):
        strings = {n.value for n in ast.walk(ast.parse(path.read_text()))
                   if isinstance(n, ast.Constant) and isinstance(n.value, str)}
        assert not strings & set(DATASETS), path


def test_every_preset_and_backbone_field_has_a_reading(tmp_path):
    from src.config import parse_config
    for dataset in DATASETS:
        for backbone in BACKBONES:
            config = parse_config(["--dataset", dataset, "--backbone", backbone])
            assert BACKBONES[backbone].PRESETS.get(dataset, {}).items() <= config.flat().items()


def names_of(file: str) -> dict[str, str]:
    """Package -> the rest of its line, of a list of requirements."""
    lines = (ROOT / file).read_text().split("\n")
    return {re.match(r"[\w-]+", line)[0]: line for line in lines if line}


def test_environments_yaml_is_the_same_list_without_builds_or_prefix():
    import yaml
    environment = yaml.safe_load((ROOT / "environments.yaml").read_text())
    assert environment["name"] == "causalmer" and "prefix" not in environment
    assert environment["dependencies"][-1] == {"pip": ["-r requirements.txt", "-c requirements.lock"]}


def test_users_have_ranges_the_lock_has_every_package_and_tests_add_their_own():
    user, tests, lock = map(names_of, ("requirements.txt", "tests/requirements.txt", "requirements.lock"))
    optional = names_of("requirements-scale.txt")
    assert lock.keys() == user.keys() | tests.keys() and not user.keys() & tests.keys()
    assert all("==" in line for line in lock.values())
    assert all(">=" in line and "==" not in line for line in (user | tests | optional).values())


def test_every_package_that_is_imported_is_declared():
    declared = {name for path in ROOT.glob("requirements*.txt") for name in names_of(path.name)}
    named = {"sklearn": "scikit-learn", "threadpoolctl": "scikit-learn", "yaml": "pyyaml", "PIL": "matplotlib",
             "huggingface_hub": "transformers", "safetensors": "transformers"}
    imported = {(alias.name if isinstance(node, ast.Import) else node.module).split(".")[0]
                for path in FILES for node in ast.walk(ast.parse(path.read_text()))
                if isinstance(node, (ast.Import, ast.ImportFrom)) for alias in node.names}
    own = {"src", "modules"} | set(sys.stdlib_module_names)
    assert {named.get(name, name) for name in imported - own} <= declared
