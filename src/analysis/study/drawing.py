"""Settings of a run drawn at random from the ranges that stand beside its options."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import fields
from random import Random
from typing import Any

from src.analysis.study.grid import Job
from src.configured import idle, run_strengths
from src.datasets.base import dataset_spec
from src.structures import Range

Setting = Mapping[str, Any]  # flag -> value


def ranges(job: Job) -> dict[str, tuple | Range]:
    """What may be drawn for a run, flag by flag: options with a range that its command leaves open and its model reads.
    """
    config = job.config
    found = {item.name: item.metadata.get("search") for part in config.groups for item in fields(part)}
    if config.choice.unwanted or not run_strengths(config).start:
        del found["strength"]  # it follows from what is unwanted, or there is none
    fixed = config.given | idle(config)
    return {name: space for name, space in found.items() if space and name not in fixed}


def draw(job: Job, number: int) -> Setting:
    """The setting of a draw; that of number 0 is empty, the run's own.

    Every value has a seed of its own, made from method, backbone, data, number and flag: however many draws there
    are, and whatever else has a range, it is the same. The data goes in by name, so that no test split has a part.
    """
    usual = job.config.flat()
    return {name: _value(space, usual[name], Random(seed_of(job, number, name)))
            for name, space in ranges(job).items()} if number else {}


def seed_of(job: Job, *parts: Any) -> int:
    """A seed from what is searched and from further parts."""
    place = (job.variant.label, job.backbone, dataset_spec(job.condition.dataset).name, job.condition.label)
    return int.from_bytes(hashlib.sha256(json.dumps([*place, *parts]).encode()).digest()[:4], "big")


def _value(space: tuple | Range, usual: Any, random: Random) -> Any:
    return short(space.at(random.random(), usual)) if isinstance(space, Range) else random.choice(space)


def short(value: Any) -> Any:
    """A number with three digits, which a command line shows in full; anything else as it is."""
    return float(f"{value:.3g}") if isinstance(value, float) else value


def words(setting: Setting) -> tuple[str, ...]:
    """A setting as flags."""
    return tuple(f"--{name}={value}" for name, value in setting.items())
