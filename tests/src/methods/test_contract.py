"""Every method, registered or one's own, keeps the contract that engine, study and report rely on."""

import csv
import re
from dataclasses import dataclass, replace
from itertools import product

import pytest
import torch
from torch import nn

import inference
import main
from src.analysis.study import __main__ as study
from src.analysis.study.grid import fingerprint
from src.build import build_model
from src.config import parse_config
from src.configured import check, warnings
from src.datasets.base import Split
from src.methods.base import Method, MethodOptions, Predictor
from src.methods.plain import Plain
from src.registry import BACKBONES, BRANCHES, FUSIONS, METHODS
from src.structures import MODALITIES, BackboneOutput, Batch, DataInfo, UsageError, option
from src.tasks import make_task
from tests.conftest import install
from tests.test_architecture import FILES, ROOT

INFO = DataInfo("x", "classes:3", 3, dict.fromkeys(MODALITIES, 5), dict.fromkeys(MODALITIES, 6))
SMALL = ("--dataset", "x.pkl", "--task", "classes:3", "--light_width", "4", "--text_init", "random", "--albert_layers",
         "1", "--albert_hidden", "8", "--albert_heads", "2", "--albert_intermediate", "8", "--albert_embedding", "8")
LIGHT = tuple(f"--{name}_branch=light" for name in MODALITIES)
SIZES = {"mult": ("--dim", "8", "--num_heads", "2", "--nlevels", "1"),
         "pmr": ("--dim", "8", "--num_heads", "2", "--nlevels", "1"),
         "dmd": ("--dim", "8", "--num_heads", "2", "--nlevels", "1")}


class LearnedFusion(nn.Module):
    """A fusion with a parameter and the class prior, as a user would write it."""

    def __init__(self, info, options):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(info.outputs))
        self.register_buffer("prior", torch.zeros(info.outputs))

    def prepare(self, prior):
        self.prior.copy_(prior)

    def forward(self, fused, text, audio, vision):
        return self.scale * (fused + self.prior + torch.tanh(text + audio + vision))


@pytest.fixture
def learned(monkeypatch):
    monkeypatch.setitem(FUSIONS._items, "learned", LearnedFusion)


def small(*words):
    backbone = words[words.index("--backbone") + 1] if "--backbone" in words else "mult"
    return parse_config([*SMALL, *SIZES[backbone], *words])


def batch(count=4):
    random = torch.Generator().manual_seed(0)
    return Batch({name: torch.randn(count, 6, 5, generator=random) for name in MODALITIES},
                 torch.arange(count).float() % 3)


def combinations():
    for backbone, method in product(BACKBONES, METHODS):
        yield backbone, method, "light", ""
    for branch, fusion in product(BRANCHES, [*FUSIONS, "learned"]):
        yield "mult", "causal", branch, fusion


@pytest.mark.parametrize("backbone, method, branch, fusion", combinations())
def test_every_trainable_parameter_has_one_learning_rate_and_a_gradient(learned, backbone, method, branch, fusion):
    words = [word for name in MODALITIES for word in (f"--{name}_branch", branch if name == "text" or
                                                      branch != "albert" else "light")]
    config = small("--backbone", backbone, "--method", method, *words)
    if fusion:
        object.__setattr__(config.method, "fusion_mode", fusion)
    torch.manual_seed(0)  # some first weights leave a rectifier without a gradient
    model = build_model(config, INFO)
    grouped = [parameter for group in model.parameter_groups() for parameter in group.parameters]
    assert all(sum(one is other for other in grouped) == 1 for one in model.parameters())
    model.train()
    given = batch()
    task, output = make_task("classes:3"), model(given)
    loss = model.loss(output, given, task)["loss"]
    (loss + model.ahead_loss(output, given, task)["loss"] if model.ahead else loss).backward()
    assert [name for name, parameter in model.named_parameters()
            if parameter.requires_grad and (parameter.grad is None or not parameter.grad.any())] == []


@pytest.mark.parametrize("backbone, method", [*product(["mult"], METHODS), *product(BACKBONES, ["plain", "causal"])])
@pytest.mark.parametrize("name", ["labels:2", "regression:2"])
def test_every_method_learns_sets_and_numbers_or_refuses_them_before_training(backbone, method, name):
    config, task = small("--backbone", backbone, "--method", method, "--task", name, *LIGHT), make_task(name)
    if name == "regression:2" and METHODS[method].needs_classes:
        with pytest.raises(UsageError, match=f"{method} needs classes, and the task regression:2 has none"):
            check(config)
        return
    check(config)
    model, given = build_model(config, replace(INFO, task=name, outputs=task.outputs)), batch()
    given.labels = torch.tensor([[1.0, 1], [0, 0], [0, 1], [1, 0]])
    model.prepare(Split(given.inputs, given.labels, list("abcd")), task)
    output = model(given)
    loss = model.loss(output, given, task)["loss"]
    loss.backward()
    assert loss.isfinite() and len(task.decide(output.logits)) == 4 and output.per_sample().keys() >= {"logits"}
    assert any(weight.grad is not None and weight.grad.any() for weight in model.parameters())


@pytest.mark.parametrize("fusion", FUSIONS)
def test_the_indirect_effect_of_a_fusion_decides_on_sets(fusion):
    task = make_task("labels:2")
    config = small("--task", "labels:2", "--fusion_mode", fusion, *LIGHT)
    model = build_model(config, replace(INFO, task="labels:2", outputs=4))
    values = model.eval()(batch()).per_sample()
    assert values["total"].isfinite().all() and set(task.decide(values["logits"])) <= {"0", "1", "0+1", "none"}


def test_on_numbers_causal_compares_nothing_and_says_so():
    config, task = small("--task", "regression:2", *LIGHT), make_task("regression:2")
    model, given = build_model(config, replace(INFO, task="regression:2", outputs=2)), batch()
    given.labels = torch.zeros(4, 2)
    terms = model.loss(model(given), given, task)
    assert terms["loss"].item() == pytest.approx(0.1 * terms["task"].item())
    assert not any(constant.requires_grad for constant in model.constants.values())
    assert any("debiases nothing here" in text for text in warnings([config]))


@pytest.mark.parametrize("method", METHODS)
def test_what_a_method_names_is_in_its_output(method):
    model = build_model(small("--method", method), INFO).eval()
    values = model(batch()).per_sample()
    named = {one.values for one in model.predictors.values()} | set(model.effects.values())
    assert {"logits", "backbone", "hidden"} | named <= values.keys() and "prediction" in model.predictors


def test_the_alignment_trains_the_constants_but_no_parameter_of_a_fusion(learned):
    config = small("--method", "causal", "--text_branch", "light", "--audio_branch", "light", "--vision_branch",
                   "light", "--alpha", "0")
    object.__setattr__(config.method, "fusion_mode", "learned")
    model = build_model(config, INFO)
    given = batch()
    model.loss(model(given), given, make_task("classes:3"))["loss"].backward()
    assert model.fusion.scale.grad.tolist() == [0, 0, 0] and all(c.grad.any() for c in model.constants.values())


@dataclass(frozen=True)
class ScaledOptions(MethodOptions):
    """Settings of the method below."""

    scale: float = option(2.0, "what logits are multiplied with")


class Scaled(Plain):
    """A method of one's own: the plain one with scaled logits, a second predictor, a prior and a hook."""

    Options = ScaledOptions
    predictors = {"prediction": Predictor("logits", "scaled"), "bare": Predictor("bare", "not scaled")}
    steps = 0

    def __init__(self, info, options, parts):
        super().__init__(info, options, parts)
        self.register_buffer("seen", torch.zeros(()))

    def prepare(self, train, task):
        self.seen.fill_(len(train))

    def before_step(self, output, batch, task):
        type(self).steps += 1

    def forward(self, batch):
        found = self.backbone(batch)
        output = BackboneOutput(self.options.scale * found.logits, found.hidden)
        bare = output.per_sample() | {"bare": found.logits}
        output.per_sample = lambda: bare
        return output


def test_a_method_registered_at_run_time_is_trained_saved_and_evaluated(monkeypatch, tiny, tmp_path, capsys):
    monkeypatch.setitem(METHODS._items, "scaled", Scaled)
    monkeypatch.setattr(Scaled, "steps", 0)
    argv = [*tiny, "--method", "scaled", "--scale", "3"]
    assert main.main(argv) == 0
    trained = capsys.readouterr().out.splitlines()
    assert Scaled.steps == 2 * 3  # two epochs of 48 samples in batches of 16
    saved = torch.load(tmp_path / "checkpoint(synthetic)/demo_seed1111/mult-scaled/last.pt", weights_only=True)
    assert saved["config"]["scale"] == 3 and saved["model"]["seen"].item() == 48
    assert inference.main(["--checkpoint_path", str(tmp_path), "--data_path", str(tmp_path / "data"), "--device",
                           "cpu"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "mult-scaled" in lines[1]
    printed = {tuple(line.split()) for line in lines}
    assert {tuple(line.split()) for line in trained if line.startswith("test")} <= printed


@pytest.mark.xdist_group("study")  # where what runs are forked from is there already
def test_a_method_in_a_file_of_its_own_goes_through_a_study_to_the_report(monkeypatch, tiny, tmp_path, undrawn):
    (tmp_path / "scaled_method.py").write_text("from tests.src.methods.test_contract import Scaled\n")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{ROOT}")
    monkeypatch.syspath_prepend(tmp_path)
    assert study.main([*tiny, "--methods", "plain,scaled_method:Scaled", "--seeds", "1111", "--analyses=",
                       "--num_epochs", "1", "--report", str(tmp_path / "report")]) == 0
    with (tmp_path / "report" / "results.csv").open() as file:
        assert "scaled_method:Scaled" in {row["variant"] for row in csv.DictReader(file)}
    assert "scaled_method:Scaled" in (tmp_path / "report" / "report.html").read_text()


@pytest.fixture
def own(monkeypatch, tiny):
    """Run main.py with a class as the method `own:Class`."""
    def go(cls, *more):
        install(monkeypatch, cls)
        return main.main([*tiny, "--method", "own:Class", *more])

    return go


def test_an_own_class_trains_by_its_name_and_is_evaluated_by_it(own, tmp_path, capsys):
    assert own(Scaled) == 0
    words = ["--checkpoint_path", str(tmp_path), "--data_path", str(tmp_path / "data"), "--device", "cpu"]
    capsys.readouterr()
    assert inference.main(words) == 2
    assert "name it: --method 'own:Class'" in capsys.readouterr().err
    assert inference.main([*words, "--method", "own:Class"]) == 0
    assert "mult-own.Class" in capsys.readouterr().out


def variant(name, **attributes):
    return type(name, (Scaled,), attributes)


@pytest.mark.parametrize("cls, code, message", [
    (nn.Linear, 2, "is no subclass of src.methods.base.Method"),
    (variant("A", Options=int), 2, "Options is not a dataclass"),
    (variant("B", parameter_groups=lambda self: []), 1, r"must be in exactly one of parameter_groups\(\)"),
    (variant("C", predictors={"prediction": Predictor("nothing", "x")}), 1, r"per_sample\(\) lacks nothing"),
    (variant("D", loss=lambda self, output, batch, task: {"loss": output.logits}), 1, r"it returned \(2, 8\)"),
    (variant("E", forward=lambda self, batch: None), 1, "logits for 2 samples is NoneType"),
    (type("F", (Method,), {}), 1, r"breaks the contract '__init__\(info, options, parts\)'"),
])
def test_a_broken_contract_is_one_sentence_naming_the_line(own, capsys, cls, code, message):
    assert own(cls) == code
    error = capsys.readouterr().err
    assert re.search(message, error) and error.count("\n") == 1


def test_no_file_alone_decides_which_method_is_imported(tmp_path):
    (tmp_path / "x.yaml").write_text("method: antigravity:Class")
    with pytest.raises(UsageError, match="name it: --method 'antigravity:Class'"):
        parse_config(["--config", str(tmp_path / "x.yaml")])


def test_flags_of_other_methods_are_checked_named_and_without_effect(tiny, capsys):
    assert main.main([*tiny, "--method", "plain", "--alpha", "0.7", "--num_epochs", "1"]) == 0
    assert "note: --alpha, --light_width have no part in plain" in capsys.readouterr().out
    assert parse_config(["--method", "plain", "--alpha", "0.7"]) == parse_config(["--method", "plain"])
    assert main.main([*tiny, "--method", "plain", "--alpha", "x"]) == 2
    assert "--alpha: 'x' is not a finite number" in capsys.readouterr().err


def test_a_method_without_a_backbone_builds_none_and_says_what_it_does_not_read(tiny, tmp_path, capsys):
    words = [*tiny, "--num_epochs", "1", "--method", "unimodal", "--light_width", "8", "--text_branch", "attention"]
    assert main.main([*words, "--kernel_a", "9", "--a_lr", "3"]) == 0  # longer than audio's frames
    assert ("note: --a_lr, --dim, --kernel_a, --light_width, --nlevels, --num_heads have no part in unimodal"
            in capsys.readouterr().out)
    first, other = (fingerprint(parse_config([*words, "--audio_branch", kind]), "") for kind in ("light", "resnet18"))
    assert first == other != fingerprint(parse_config([*words, "--t_lr", "3"]), "")


def test_no_method_is_asked_for_by_its_name_outside_of_the_room():
    names = "|".join(METHODS)
    tested = re.compile(rf"[!=]= *[\"']({names})[\"']|[\"']({names})[\"'] *[!=]=")
    assert [str(path) for path in FILES if ROOT / "src" / "methods" not in path.parents
            and tested.search(path.read_text())] == []
