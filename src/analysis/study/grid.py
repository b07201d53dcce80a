"""What a study compares: conditions of the data, backbones, variants and seeds, as plain `main.py` arguments."""

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

from src.analysis.audit import NEEDS
from src.config import PLACES, Config, parse_config
from src.configured import check, idle, method_class, task_name, unsaid
from src.datasets.base import dataset_spec
from src.methods import BASELINE
from src.parts import named_class
from src.plan_options import PlanOptions, StudyOptions
from src.registry import METHODS
from src.selection import CHECKPOINTS, SHIFTED, checkpoint, kept, rule
from src.strengths import BY_VALIDATION
from src.structures import MODALITIES, UsageError
from src.tasks import make_task

MOST = 2000  # runs of a study


@dataclass(frozen=True)
class Condition:
    """A form of the data."""

    dataset: str
    label: str
    flags: tuple[str, ...] = ()


@dataclass(frozen=True)
class Variant:
    """A way to train a backbone."""

    label: str
    flags: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """Every combination of its parts is one run."""

    conditions: tuple[Condition, ...]
    backbones: tuple[str, ...]
    variants: tuple[Variant, ...]
    seeds: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Job:
    """One run of a study."""

    condition: Condition
    backbone: str
    variant: Variant
    seed: int
    arguments: tuple[str, ...]  # of main.py, without a name and a place
    config: Config

    @property
    def title(self) -> str:
        """Short description for people."""
        words = (self.condition.dataset, self.condition.label, self.backbone, self.variant.label, f"seed {self.seed}")
        return " ".join(filter(None, words))

    def fingerprint(self, sha256: str) -> str:
        """What two runs share that would end alike; sha256 is that of the data file."""
        return fingerprint(self.config, sha256)


def fingerprint(config: Config, sha256: str, made: Mapping[str, Any] | None = None) -> str:
    """A digest of a resolved configuration, without its place, and of the data; an own file's path is a place, too.

    Strengths of a method that has none, epochs ahead of one whose branches have nobody to be ahead of, and what is
    `idle`, do not count. What is `unsaid` there, as far as it matters to the run, is read off `made`, its results;
    without them it is as it would be made now.
    """
    method, made = method_class(config), unsaid(config) if made is None else made
    apart = {*PLACES, *idle(config)}
    kept = {key: value for key, value in config.flat().items() if key not in apart}
    if not method.strengths(config.method):
        kept["strength"] = ""
    if kept.get("branch_epochs") and not method.epochs_ahead(config.method):
        kept["branch_epochs"] = 0
    if kept["strength"] in BY_VALIDATION:
        kept["choosing"] = made.get("choosing", 1)
    if kept["unbiased"]:
        kept["granting"] = made.get("granting", 1)
    if dataset_spec(kept["dataset"]).file:
        kept["dataset"] = ""
    if kept["init"]:
        kept["init"] = made.get("init", "")
    if made.get("version", 1) != 1:
        kept["version"] = made["version"]
    return hashlib.sha256(json.dumps([kept, sha256], sort_keys=True).encode()).hexdigest()


def _shortcut(label: str, **strengths: float) -> Condition:
    """The synthetic data with shortcuts of these strengths and no others."""
    given = {"shortcut_t": 0.0} | strengths
    return Condition("synthetic", label, tuple(f"--{name}={value}" for name, value in given.items()))


def _longer(condition: Condition, *flags: str, label: str = "") -> Condition:
    """A condition with more flags."""
    return replace(condition, label=label or condition.label, flags=(*condition.flags, *flags))


def _trained_for(condition: Condition, epochs: int) -> Condition:
    """A condition with another number of epochs."""
    flags = (flag for flag in condition.flags if not flag.startswith("--num_epochs="))
    return Condition(condition.dataset, f"{condition.label}, {epochs} epochs", (*flags, f"--num_epochs={epochs}"))


def causal(fusion: str, *flags: str, label: str = "") -> Variant:
    """CausalMER with a fusion."""
    return Variant(label or fusion, ("--method=causal", f"--fusion_mode={fusion}", *flags))


ALONE = Variant(BASELINE, (f"--method={BASELINE}",))
SEEDS = (1111, 1112, 1113, 1114, 1115)
TEXT = _shortcut("text 0.8", shortcut_t=0.8)
NOISY = Condition("synthetic", "text 0.8 noisy", (*TEXT.flags, "--synthetic_noise=0.3", "--num_epochs=10"))
ALL = _shortcut("all 0.6", shortcut_t=0.6, shortcut_a=0.6, shortcut_v=0.6)
PUBLISHED = tuple(causal(fusion) for fusion in ("mask", "sum", "hm", "tanh"))
FUSED_AUXILIARY = causal("tanh", "--fuse_auxiliary", label="tanh, fused auxiliary")  # only DMD has auxiliary losses
SHIFT = (
    Plan((TEXT,), ("mult", "pmr"), (ALONE, *PUBLISHED), SEEDS),
    # On noisier data MulT and PMR no longer learn the whole rule in spite of the shortcut.
    Plan((NOISY,), ("mult", "pmr"), (ALONE, causal("tanh")), SEEDS),
    # With three shortcuts the plain backbones take longer to fit their training data.
    Plan((_longer(ALL, "--num_epochs=12"),), ("mult",), (ALONE, *PUBLISHED), SEEDS),
    Plan((_longer(ALL, "--num_epochs=15"),), ("pmr",), (ALONE, *PUBLISHED), SEEDS),
)
DMD = (Plan((TEXT, ALL), ("dmd",), (ALONE, *PUBLISHED, FUSED_AUXILIARY), SEEDS),)
STRENGTH = (Plan(
    tuple(_shortcut(f"{name} {strength}", **{f"shortcut_{name[0]}": strength})
          for name in ("text", "vision") for strength in (0.0, 0.3, 0.6, 0.9)),
    ("mult",), (ALONE, causal("mask"), causal("tanh")), SEEDS[:3]),)
QUICK = (Plan((TEXT,), ("mult",), (ALONE, causal("mask"), causal("tanh")), SEEDS[:2]),)
SINGLES = tuple(Variant(name, ("--method=unimodal", f"--modality={name}")) for name in MODALITIES)
REFERENCES = (ALONE, *SINGLES, Variant("late", ("--method=late",)), Variant("pool", ("--method=pool",)))
OTHERS = tuple(Variant(name, (f"--method={name}",)) for name in METHODS
               if name not in (BASELINE, "causal", "unimodal", "late", "pool", "relearn"))
RELEARN = Variant("relearn, every 3", ("--method=relearn", "--relearn_every=3"))  # as published after epoch 20
SMALL = _longer(NOISY, "--synthetic_sizes=1500,300,500", label="text 0.8 noisy, small")
EVIDENCE = (causal("evidence"), causal("evidence", "--strength=published", label="evidence, TIE"))
CHOSEN = causal("tanh", "--strength=valid", label="tanh, chosen")
# Branches that know their shortcuts before the backbone begins: the epochs, and on DMD `--fuse_auxiliary`, that gained
# most with seeds 11 to 14, which are not reported.
FIRST = "--branch_epochs=6"
EVIDENCE_FIRST = causal("evidence", FIRST, label="evidence, branches first")
TANH_FIRST = causal("tanh", FIRST, label="tanh, branches first")
CHOSEN_FIRST = causal("tanh", "--strength=valid", FIRST, label="tanh, chosen, branches first")
CAUTIOUS_FIRST = causal("tanh", "--strength=cautious", FIRST, label="tanh, cautious, branches first")
FUSED_FIRST = (
    causal("tanh", FIRST, "--fuse_auxiliary", label="tanh, fused auxiliary, branches first"),
    causal("tanh", "--strength=cautious", FIRST, "--fuse_auxiliary",
           label="tanh, cautious, fused auxiliary, branches first"),
    causal("evidence", FIRST, "--fuse_auxiliary", label="evidence, fused auxiliary, branches first"))
BASELINES = (*REFERENCES, causal("tanh"), CHOSEN, *EVIDENCE, EVIDENCE_FIRST, CHOSEN_FIRST, CAUTIOUS_FIRST)
LIGHT = tuple(f"--{name}_branch=light" for name in MODALITIES)
BRANCH_FORMS = {"light": LIGHT, "width 256": (*LIGHT, "--light_width=256"), "4 layers": (*LIGHT, "--light_layers=4"),
                "attention": tuple(f"--{name}_branch=attention" for name in MODALITIES),
                "5 epochs ahead": (*LIGHT, "--branch_epochs=5")}
BRANCHES = (ALONE, *(causal(fusion, *flags, "--strength=published", label=f"{fusion}, {form}")
                     for form, flags in BRANCH_FORMS.items() for fusion in ("tanh", "evidence")))
# As often as the branches of an additive fusion bring the class prior.
ADJUSTED = Variant("logit_adjustment, tau 3", ("--method=logit_adjustment", "--tau=3"))
EVERY = (*REFERENCES, *PUBLISHED, CHOSEN, *EVIDENCE, *OTHERS, RELEARN, ADJUSTED)
WHOLE = (*EVERY, EVIDENCE_FIRST, TANH_FIRST, CHOSEN_FIRST, CAUTIOUS_FIRST)
EIGHT = tuple(range(1, 9))  # seeds
METHODS_QUICK = (Plan((SMALL,), ("mult",), EVERY, SEEDS[:3]),)
# For each backbone the smallest network, the fewest frames and epochs with which `tanh` learns the rule, tried with a
# seed that is not among those reported. With one frame PMR leaves the shortcut of text by itself. DMD, without its
# strong dropout (see its preset), learns the rule of one shortcut and with little noise only.
BRIEF = ("--batch_size=128", "--synthetic_sizes=3000,300,500", "--num_heads=2", "--dim=40", "--unbiased=300")
BRIEF_MULT = (*BRIEF, "--synthetic_lengths=2,2,2", "--nlevels=1", "--m_lr=0.004", "--num_epochs=10")
BRIEF_PMR = (*BRIEF, "--synthetic_lengths=1,1,1", "--nlevels=1", "--m_lr=0.003", "--num_epochs=13")
BRIEF_DMD = (*BRIEF, "--synthetic_lengths=1,1,1", "--m_lr=0.002", "--num_epochs=14", "--synthetic_noise=0.05")
WIDER = _longer(TEXT, *BRIEF_MULT, "--synthetic_noise=0.2", label="text 0.8, two frames")
THREE = _longer(ALL, *BRIEF_MULT, label="all 0.6, two frames")
THREE_PMR = _longer(ALL, *BRIEF_PMR, label="all 0.6, one frame")
ONE_DMD = _longer(TEXT, *BRIEF_DMD, label="text 0.8, one frame")
METHODS_WHOLE = (
    Plan((THREE, WIDER), ("mult",), WHOLE, EIGHT),
    Plan((THREE_PMR,), ("pmr",), WHOLE, EIGHT),
    Plan((ONE_DMD,), ("dmd",), (*WHOLE, FUSED_AUXILIARY, *FUSED_FIRST), EIGHT))
# Does plain leave a shortcut, too, if it is given the time? Twice the epochs; those of DMD are as many as `tanh, fused
# auxiliary` needs for the rule with the seed that is not reported, where plain needs 22.
METHODS_LONGER = (
    Plan((_trained_for(THREE, 20), _trained_for(WIDER, 20)), ("mult",), (ALONE, causal("tanh")), EIGHT),
    Plan((_trained_for(THREE_PMR, 26),), ("pmr",), (ALONE, causal("tanh")), EIGHT),
    Plan((_trained_for(ONE_DMD, 18),), ("dmd",),
         (ALONE, causal("tanh"), FUSED_AUXILIARY, EVIDENCE[0],
          *(one for one in OTHERS if one.label in ("ogm_ge", "poe"))), EIGHT))
COMPARED = (ALONE, REFERENCES[-1], PUBLISHED[0], causal("tanh"), EVIDENCE[0],
            *(one for one in OTHERS if one.label in ("poe", "ogm_ge", "cf_vqa")),
            EVIDENCE_FIRST, TANH_FIRST, CAUTIOUS_FIRST)
GRANTED = ("--synthetic_sizes=3000,500,500", "--unbiased=400")
KNOWLEDGE = (Plan((_longer(WIDER, *GRANTED, "--unwanted=text"),
                   _longer(THREE, *GRANTED)),  # pool has no path without all
                  ("mult",), COMPARED, SEEDS),)
# The same data with one class per sample in the place of pairs, of which each has its own class prior.
CLASSES = tuple(Plan(tuple(_longer(one, "--task=classes:4") for one in conditions), (backbone,),
                     (*COMPARED, EVIDENCE[1]), EIGHT)
                for conditions, backbone in (((THREE, WIDER), "mult"), ((THREE_PMR,), "pmr")))
GRIDS = {"quick": QUICK, "methods_quick": METHODS_QUICK, "shift": SHIFT, "dmd": DMD, "strength": STRENGTH,
         "benchmark": SHIFT + DMD + STRENGTH, "knowledge": KNOWLEDGE, "classes": CLASSES,
         "methods": METHODS_WHOLE, "methods_longer": METHODS_LONGER}
ON_DATASETS = {"baselines": BASELINES, "branches": BRANCHES, "knowledge": COMPARED}


def plans(options: StudyOptions) -> tuple[Plan, ...]:
    """The prepared grid, or the lists of the command line as one plan; some grids are of the data sets given."""
    if options.grid in GRIDS and (options.grid not in ON_DATASETS or options.datasets == PlanOptions.datasets):
        _check_lists(options, ())
        return tuple(replace(plan, seeds=options.seeds or plan.seeds) for plan in GRIDS[options.grid])
    conditions = tuple(
        Condition(dataset, label.replace("=", " ").replace("+", ", "),
                  tuple(f"--{word}" for word in label.split("+") if word))
        for dataset in options.datasets for label in options.conditions)
    if options.grid:
        _check_lists(options, ("datasets", "conditions", "backbones"))
        variants = ON_DATASETS[options.grid]
    else:
        variants = tuple(variant for method in options.methods for variant in _variants(method, options.fusions))
    return (Plan(conditions, options.backbones, variants, options.seeds or SEEDS[:3]),)


def _check_lists(options: StudyOptions, read: Collection[str]) -> None:
    """Raise UsageError where a list is given that the grid does not read, since it has its own."""
    for name in ("datasets", "conditions", "backbones", "methods", "fusions"):
        if name not in read and getattr(options, name) != getattr(PlanOptions, name):
            raise UsageError(f"--grid {options.grid} has its own {name}, so --{name} would do nothing; leave one of "
                             "them out")


def _variants(method: str, fusions: Sequence[str]) -> Iterator[Variant]:
    """A method, once for every fusion if it has one; UsageError for an unknown one."""
    if not parse_config((f"--method={method}",)).fusion_name:
        fusions = ("",)
    if not fusions:
        raise UsageError(f"--fusions needs values for the method {method}, with commas between them")
    for fusion in fusions:
        flags = (f"--method={method}", *[f"--fusion_mode={fusion}"] * bool(fusion))
        yield Variant(named_class(METHODS, method).label(method, parse_config(flags).method), flags)


def jobs(chosen: Sequence[Plan], extra: Sequence[str]) -> list[Job]:
    """All runs of the plans, seed by seed; UsageError where main.py would refuse one, before any is trained."""
    found = []
    count = sum(len(plan.conditions) * len(plan.backbones) * len(plan.variants) * len(plan.seeds) for plan in chosen)
    if count > MOST:
        raise UsageError(f"the study would have {count:,} runs, more than {MOST:,}, which no report can show; give "
                         "fewer seeds, conditions or fusions")
    for plan in chosen:
        for condition, backbone, variant, seed in product(plan.conditions, plan.backbones, plan.variants, plan.seeds):
            arguments = (f"--dataset={condition.dataset}", f"--backbone={backbone}", f"--seed={seed}", *condition.flags,
                         *extra, *variant.flags)
            config = parse_config(arguments)
            check(config)
            found.append(Job(condition, backbone, variant, seed, arguments, config))
    tasks: dict[str, set[str]] = {}
    for job in found:
        tasks.setdefault(job.condition.dataset, set()).add(task_name(job.config))
    for dataset, names in tasks.items():
        if len(names) > 1:
            raise UsageError(f"the study asks {dataset} for the tasks {' and '.join(sorted(names))}, whose scores no "
                             "table can hold together; make a study of each")
    return sorted(found, key=lambda job: job.seed)


def check_rule(selection: str, wanted: Sequence[Job], analyses: Sequence[str] = ()) -> None:
    """Raise UsageError where a run would not keep the checkpoint, or the samples, of what is asked for, or cannot be
    measured so.
    """
    if not all(checkpoint(selection) in kept(job.config.choice.unbiased, job.config.choice.unwanted) for job in wanted):
        needs = ("--unbiased N, the number of samples of valid_shifted that every run may look at"
                 if rule(selection).split == SHIFTED else
                 "--unwanted text[,audio,vision], since only runs that name unwanted modalities keep it")
        raise UsageError(f"--selection {CHECKPOINTS[checkpoint(selection)]} needs {needs}")
    if "knowledge" in analyses and not all(job.config.choice.unbiased for job in wanted):
        raise UsageError("--analyses knowledge needs --unbiased N, the most samples of valid_shifted that a choice may "
                         "look at")
    if "audit" in analyses and not all(make_task(task_name(job.config)).exclusive for job in wanted):
        raise UsageError(f"--analyses audit needs {NEEDS}")
