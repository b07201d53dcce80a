"""Words of a command line that no flag takes, and bounds of those that it takes."""

import os
import re
from dataclasses import fields

import pytest

from src.config import parse_config, parse_inference, parse_study
from src.options import InferenceOptions
from src.plan_options import StudyOptions
from src.structures import ANY, UsageError


def refused(argv, parse=parse_config):
    """The message of a command line that is wrong."""
    with pytest.raises(UsageError) as error:
        parse(argv)
    assert len(str(error.value)) <= 1000
    return str(error.value)


@pytest.mark.parametrize("word, message", [
    ("--name=a\0b", "holds a null byte"), ("--name=" + os.fsdecode(b"\xff"), "no UTF-8 text"),
    ("--data_path=a\0b", "cannot be a path"), ("--data_path=\ud800", "cannot be a path"),
    ("--seed=--", "'--' is no value"),
    ("--seed=" + "9" * 5000, "invalid int value: '9999"), ("--config=a\0b", "cannot be a path"),
    ("--name=" + "x" * 300, "more than 255 bytes"),
    ("--backbone=os:", "is no class"), ("--backbone=.x:Y", "is no class"),
    ("--resume=" + "x" * 5000, "ignored explicit argument"),
    ("--" + "x" * 5000, "unknown argument '--xxx"),
    ("--synthetic_seed=-1", "--synthetic_seed must be at least 0"), ("--method=" + "x" * 5000, "unknown method 'xxx"),
    ("--synthetic_sizes=" + ",".join("1" * 5000), "needs three numbers"), ("--m_lr=1e39", "must be at most"),
    ("--synthetic_sizes=,", "is not a list of numbers"),
    ("--constant=-1e308", "must be at least -3e\\+38"), ("--synthetic_sizes=9999999,1,1", "would hold")])
def test_a_hostile_word_is_one_short_sentence(word, message):
    assert re.search(message, refused([word]))


def test_a_path_may_have_any_bytes():
    assert parse_config(["--data_path", os.fsdecode(b"\xff")]).data.data_path.name == "\udcff"


def sizes():
    """Every flag of whole numbers of main.py."""
    config = parse_config(["--text_branch", "albert", "--audio_branch", "light"])
    groups = (config.run, config.training, config.dataset, config.backbone, *config.branches.values())
    return {item.name: item for group in groups for item in fields(group)
            if item.type in (int, int | None, tuple[int, ...])}


@pytest.mark.parametrize("name", sizes())
def test_every_size_has_an_upper_bound_with_a_reason(name):
    word = ",".join(["9" * 20] * (3 if "tuple" in str(sizes()[name].type) else 1))
    message = refused([f"--{name}={word}", "--text_branch=albert", "--audio_branch=light"])
    assert message.startswith(f"--{name} must ") and (":" in message or name == "seed")


@pytest.mark.parametrize("options, parse", [(StudyOptions, parse_study), (InferenceOptions, parse_inference)])
def test_sizes_of_the_other_commands_are_bounded(options, parse):
    for item in fields(options):
        if item.type in (int, int | None):
            assert f"--{item.name} must" in refused([f"--{item.name}={'9' * 20}"], parse)


def test_no_default_or_preset_is_out_of_bounds():
    for dataset in ("iemocap", "mosi", "mosei_senti", "synthetic"):
        for backbone in ("mult", "pmr", "dmd"):
            parse_config(["--dataset", dataset, "--backbone", backbone])
    assert ANY[float].most < 3.4e38
