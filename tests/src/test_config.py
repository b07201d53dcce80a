"""Flags, presets, YAML and their precedence; every error is one sentence."""

from dataclasses import fields

import pytest
import torch
import yaml

from src.config import config_from, parse_config, parse_inference
from src.registry import BACKBONES, DATASETS, METHODS
from src.structures import UsageError

PUBLISHED = """dataset data_path aligned model backbone nlevels num_heads attn_dropout attn_dropout_a attn_dropout_v
    relu_dropout embed_dropout res_dropout out_dropout batch_size clip m_lr t_lr a_lr v_lr c_t_lr c_a_lr c_v_lr optim
    num_epochs when seed name alpha beta constant fusion_mode nde_t nde_a nde_v mosei_task lonly aonly vonly""".split()


def test_every_published_flag_is_a_flag_of_ours(capsys):
    with pytest.raises(SystemExit):
        parse_config(["--dataset", "iemocap", "--help"])
    shown = capsys.readouterr().out.replace("\n", " ")
    assert [name for name in PUBLISHED if f"--{name}" not in shown.replace(",", " ").split()] == []


def test_iemocap_has_the_published_recipe():
    config = parse_config(["--dataset", "iemocap"])
    expected = dict(aligned=True, batch_size=32, num_epochs=50, clip=0.8, when=20, optim="Adam", m_lr=2e-3, t_lr=1e-6,
                    a_lr=2e-3, v_lr=2e-3, c_t_lr=2e-3, c_a_lr=2e-3, c_v_lr=2e-3, nlevels=5, num_heads=10,
                    attn_dropout=0.2, embed_dropout=0.25, out_dropout=0.1, res_dropout=0.1, relu_dropout=0.1,
                    attn_dropout_a=0.0, attn_dropout_v=0.0, alpha=0.1, beta=1.0, constant=0.0, fusion_mode="mask",
                    nde_t=1.0, text_branch="albert", text_init="pretrained", text_pretrained="albert-base-v2",
                    audio_branch="resnet18", vision_branch="resnet18", kernel_t=3, kernel_a=5, kernel_v=3, dim=40)
    assert {name: config.flat()[name] for name in expected} == expected


def test_the_command_line_wins_over_yaml_and_yaml_over_presets(tmp_path):
    path = tmp_path / "x.yaml"
    path.write_text("dataset: iemocap\nbatch_size: 7\nclip: 3\naligned: false\n")
    config = parse_config(["--config", str(path), "--clip", "0.5"])
    assert (config.run.dataset, config.training.batch_size, config.training.clip) == ("iemocap", 7, 0.5)
    assert (config.data.aligned, config.training.num_epochs) == (False, 50)


def test_every_spelling_of_a_flag_is_a_yaml_key(tmp_path):
    (tmp_path / "x.yaml").write_text("model: pmr\n")
    config = parse_config(["--config", str(tmp_path / "x.yaml")])
    assert config.run.backbone == "pmr" and isinstance(config.backbone, BACKBONES["pmr"].Options)


def test_the_small_learning_rate_belongs_to_albert_and_not_to_the_light_branch():
    assert parse_config(["--dataset", "iemocap", "--text_branch", "light"]).method.t_lr == 2e-3
    assert parse_config(["--dataset", "mosi"]).method.t_lr == 1e-6


def test_the_small_learning_rate_follows_pretrained_albert_to_any_modality_and_leaves_random_weights():
    audio = parse_config(["--dataset", "iemocap", "--audio_branch", "albert", "--text_branch", "light"]).method
    assert (audio.t_lr, audio.a_lr, audio.v_lr) == (2e-3, 1e-6, 2e-3)
    assert parse_config(["--dataset", "iemocap", "--text_init", "random"]).method.t_lr == 2e-3
    assert parse_config(["--dataset", "iemocap", "--t_lr", "0.5"]).method.t_lr == 0.5


def test_an_own_backbone_may_postpone_the_evaluation_of_its_annotations(tmp_path, monkeypatch):
    (tmp_path / "postponed.py").write_text("""from __future__ import annotations
from dataclasses import dataclass
from torch import nn
from src.structures import option

@dataclass(frozen=True)
class Options:
    \"\"\"Sizes.\"\"\"
    width: int = option(4, "width")
    deep: bool = option(False, "deep")

class Own(nn.Module):
    Options = Options
""")
    monkeypatch.syspath_prepend(tmp_path)
    options = parse_config(["--backbone", "postponed:Own", "--width", "7", "--deep"]).backbone
    assert (options.width, options.deep) == (7, True)


@pytest.mark.parametrize("dataset", DATASETS)
@pytest.mark.parametrize("backbone", BACKBONES)
def test_a_saved_configuration_comes_back_whole(dataset, backbone, tmp_path):
    config = parse_config(["--dataset", dataset, "--backbone", backbone, "--text_branch", "albert"])
    assert config_from(yaml.safe_load(yaml.safe_dump(config.flat()))) == config


@pytest.mark.parametrize("argv, message", [
    (["--seed", "9" * 26], "--seed must lie in"),
    (["--task", "classes:\u00b2"], "unknown task"),
    (["--dataset", "imocap"], "unknown dataset 'imocap'; choose from ch_sims, crema_d, iemocap, iemocap6, meld, mosei"),
    (["--task", "classes:1"], "unknown task 'classes:1'; choose from emotion4, .*classes:N"),
    (["--task", "labels:1"], "unknown task 'labels:1'; choose from .*labels:N, regression:K with N from 2"),
    (["--class_names", "a,b,a"], "takes words of at most 40 letters.*each once.*got 'a,b,a'"),
    (["--class_names", "a,b+c"], "got 'a,b.c'"), (["--class_names", "a,none"], "and not 'none', got"),
    (["--class_names", "a,\u202eb"], "takes words"), (["--class_names", "a" * 41], "takes words"),
    (["--backbone", "bert"], "unknown backbone 'bert'; choose from .*mult"),
    (["--backbone", "nowhere:Class"], "'nowhere:Class' cannot be imported .*No module named 'nowhere'"),
    (["--fusion_mode", "lm"], "invalid choice: 'lm' .*hm.*mask.*sum.*tanh"),
    (["--nlevel", "3"], "unknown argument '--nlevel'; did you mean nlevels. choose from config, dataset"),
    (["--clip", "nan"], "'nan' is not a finite number"),
    (["--num_epochs", "0"], "--num_epochs must be at least 1, got 0"),
    (["--m_lr", "-1"], "--m_lr must be above 0"),
    (["--num_heads", "7"], "--num_heads 7 does not divide --dim 40"),
    (["--name", "../x"], "cannot name a folder"),
    (["--synthetic_sizes", "3,x"], "'3,x' is not a list of numbers"),
    (["--config", "/nowhere.yaml"], "--config /nowhere.yaml cannot be read"),
])
def test_a_wrong_command_line_is_one_sentence(argv, message):
    with pytest.raises(UsageError, match=message) as error:
        parse_config(argv)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("text, message", [
    ("num_epoch: 3", "unknown YAML key 'num_epoch'; did you mean num_epochs. choose from"),
    ("config: x.yaml", "unknown YAML key 'config'; choose from dataset"),
    ("aligned: 3", "YAML key 'aligned' is 3; choose true or false"),
    ("clip: true", "'True' is not a finite number"),
    ("- 3", "holds a list; expected lines of flag: value"),
    ("a: [", "cannot be read as YAML"),
])
def test_a_wrong_yaml_file_is_one_sentence(tmp_path, text, message):
    (tmp_path / "x.yaml").write_text(text)
    with pytest.raises(UsageError, match=message):
        parse_config(["--config", str(tmp_path / "x.yaml")])


@pytest.mark.parametrize("argv, message", [
    (["--remove", "tav"], "invalid choice: 'tav'"),
    (["--predictions", "x.csv"], "--predictions needs one checkpoint; add --selection"),
    (["--selection", "last"], "invalid choice: 'last' .*best_valid_loss"),
    (["--alpha", "1"], "unknown argument '--alpha'"),
])
def test_a_wrong_inference_command_line_is_one_sentence(argv, message):
    with pytest.raises(UsageError, match=message):
        parse_inference(argv)


def test_removed_modalities_are_named_by_letters():
    assert parse_inference(["--remove", "ta"]).removed == {"text", "audio"}
    assert parse_inference([]).removed == frozenset()


def test_flag_names_are_unique_over_all_groups():
    config = parse_config(["--text_branch", "albert", "--audio_branch", "light", "--vision_branch", "resnet18"])
    groups = (config.run, config.data, config.method, config.training, config.dataset, config.backbone,
              *config.branches.values())
    names = [item.name for group in groups for item in fields(group)]
    assert len(names) == len(set(names))
    assert set(config.branches) == {"albert", "light", "resnet18"}


@pytest.mark.parametrize("key", ["backbone", "model"])
def test_no_file_alone_decides_which_code_is_run(tmp_path, key):
    (tmp_path / "x.yaml").write_text(f"{key}: antigravity:Class")
    with pytest.raises(UsageError, match="name it: --backbone 'antigravity:Class'"):
        parse_config(["--config", str(tmp_path / "x.yaml")])
    with pytest.raises(UsageError, match="name it: --backbone 'antigravity:Class'"):
        config_from({key: "antigravity:Class"})


def test_a_saved_value_that_is_a_tensor_is_refused_by_name():
    with pytest.raises(UsageError, match="'fusion_mode' is a Tensor of other things than text and numbers"):
        config_from(parse_config([]).flat() | {"fusion_mode": torch.zeros(2)})


def test_presets_of_equal_values_and_other_types_are_told_apart(monkeypatch):
    found = []
    for value in (1, 1.0, 1):
        monkeypatch.setattr(METHODS["plain"], "PRESETS", {"synthetic": {"clip": value}})
        found.append(type(parse_config(["--method", "plain"]).training.clip))
    assert found == [int, float, int]
