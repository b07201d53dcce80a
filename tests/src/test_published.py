"""Checkpoints of the published code are read without running any of it."""

import os
import pickle
import sys
import types
import zipfile
from collections import OrderedDict

import pytest
import torch
from torch import nn

import inference
from src.config import parse_inference
from src.published import import_published, our_name, read_published
from src.structures import MODALITIES, DataInfo, InputError
from tests.conftest import write
from tests.golden import golden, model_input, parameter
from tests.src.test_causal_mer_model import close

FULL = golden("full_model")
NAMES = {f"tav_branch.{n}": s for n, s in golden("mult")["iemocap_aligned"]["parameters"]
         if ".layers." not in n or int(n.split(".layers.")[1].split(".")[0]) < 3} | dict(FULL["parameters"])


@pytest.fixture
def published_classes(monkeypatch):
    """Classes under the published module names, so that a pickle names them as the published code does."""

    def make(module, name, base=nn.Module):
        cls = type(name, (base,), {"__module__": module})
        if module not in sys.modules:
            monkeypatch.setitem(sys.modules, module, types.ModuleType(module))
        monkeypatch.setattr(sys.modules[module], name, cls, raising=False)
        return cls

    return make


def grow(root, names, make):
    """Give a module tree the parameters of the given dotted names, in layers of the classes that the originals have."""
    kinds = {"tav_branch": ("src.models", "MULTModel"), "t_branch": ("src.model_t", "AlbertTextModel"),
             "a_branch": ("src.model_a", "AudioModel"), "v_branch": ("src.model_v", "VisionModel")}
    made = {}
    for name, shape in names.items():
        *path, leaf = name.split(".")
        node = root
        for depth, part in enumerate(path):
            if part not in node._modules:
                kind = kinds.get(part, ("modules.transformer", "TransformerEncoder"))
                made.setdefault(kind, None)
                made[kind] = made[kind] or make(*kind)
                node.add_module(part, made[kind]() if depth == 0 or part in ("a_branch", "v_branch") else
                                nn.ModuleList() if part == "layers" else nn.Module())
            node = node._modules[part]
        value = parameter(name, tuple(shape))
        if "running" in leaf:
            node.register_buffer(leaf, value)
            node.register_buffer("num_batches_tracked", torch.tensor(7))
        else:
            node.register_parameter(leaf, nn.Parameter(value))
    return root


@pytest.fixture(scope="module")
def kept_file(tmp_path_factory):
    """Where `published_file` is kept, since it takes a second to make."""
    return tmp_path_factory.mktemp("published") / "241101_exp_best_valid_acc_MULT.pt"


@pytest.fixture
def published_file(published_classes, kept_file):
    """A file with the object tree of the published model: MulT with 3 layers, ALBERT, two ResNets, golden weights."""
    if kept_file.exists():
        return kept_file
    model = published_classes("src.causal_mer_model", "CAUSALMER")()
    model.modality, model.fusion_mode, model.activation = "tav", "hm", nn.ReLU()
    grow(model, NAMES, published_classes)
    backbone = model.tav_branch
    backbone.lonly = backbone.aonly = backbone.vonly = True
    backbone.attn_mask, backbone.dataset = True, "iemocap"
    backbone.trans_l_mem.register_buffer("version", torch.Tensor([2]))
    backbone.trans_l_mem.config = {"hooks": OrderedDict(), "kinds": {1, 2}, "dtype": torch.float32}
    torch.save(model, kept_file)
    return kept_file


def options(tmp_path, file, *more):
    return parse_inference(["--import_published", str(file), "--dataset", "iemocap", "--name", "old",
                            "--checkpoint_path", str(tmp_path), *more])


def test_a_published_checkpoint_becomes_a_run_with_its_numbers(published_file, tmp_path):
    from src.build import build_model
    from src.checkpoint import load_checkpoint, load_weights
    from src.config import config_from
    target = import_published(options(tmp_path, published_file))
    assert target == tmp_path / "checkpoint(iemocap)" / "old_seed1111" / "mult-causal" / "best_valid_acc.pt"
    saved = load_checkpoint(target, torch.device("cpu"))
    config = config_from(saved["config"])
    assert (config.method.fusion_mode, config.backbone.nlevels, config.backbone.num_heads) == ("hm", 3, 10)
    assert saved["info"].widths == dict(text=300, audio=74, vision=35)
    model = build_model(config, saved["info"], pretrained=False).eval()
    load_weights(model, saved["model"], target)
    with torch.no_grad():
        output = model(model_input([20, 20, 20], saved["info"].widths, 3))
    for letter, name in dict(t="text", a="audio", v="vision").items():
        close(output.branch_logits[name], FULL[f"logits_{letter}"], 5e-5)


def test_an_imported_run_is_evaluated_with_the_same_four_arguments(published_file, tmp_path, capsys):
    from src.datasets.synthetic import SyntheticOptions, generate
    sizes = SyntheticOptions(synthetic_shape="iemocap", synthetic_sizes=(4, 4, 6))
    write(tmp_path / "iemocap_data.pkl", generate(sizes))
    argv = ["--dataset", "iemocap", "--name", "old", "--checkpoint_path", str(tmp_path), "--device", "cpu"]
    assert inference.main([*argv, "--import_published", str(published_file)]) == 0
    assert inference.main([*argv, "--data_path", str(tmp_path)]) == 0
    assert "valid_score: best validation score" in capsys.readouterr().out


def test_an_existing_run_is_not_overwritten(published_file, tmp_path):
    import_published(options(tmp_path, published_file))
    with pytest.raises(InputError, match="exists and is kept; choose another --name"):
        import_published(options(tmp_path, published_file))


def test_every_published_name_has_a_name_of_ours_and_no_two_share_one():
    names = [our_name(name) for name in NAMES]
    kept = [name for name in names if name is not None]
    assert len(kept) == len(set(kept)) and len(kept) > 400
    assert our_name("a_branch.a_branch.layer3.1.bn2.running_var") == (
        "branches.audio.resnet.encoder.stages.2.layers.1.layer.1.normalization.running_var")
    assert our_name("tav_branch.trans_v_with_l.layers.2.layer_norms.0.bias") == (
        "backbone.crossmodal.vision_from_text.layers.2.attention_norm.bias")
    assert our_name("constant_v") == "constants.vision"


class Evil:
    """Creates a file when it is unpickled by an ordinary unpickler."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


def test_a_malicious_checkpoint_is_refused_and_executes_nothing(published_classes, tmp_path):
    mark = tmp_path / "executed"
    model = published_classes("src.causal_mer_model", "CAUSALMER")()
    model.activation = Evil(mark)
    torch.save(model, tmp_path / "evil.pt")
    with pytest.raises(InputError, match=r"holds posix\.system, which no checkpoint .* nothing of it was executed"):
        read_published(tmp_path / "evil.pt")
    assert not mark.exists()


@pytest.mark.parametrize("module, name", [("torch.nn.functional", "eval"), ("transformers.utils", "os.system"),
                                          ("src.causal_mer_model", "CAUSALMER.__init__")])
def test_even_a_name_inside_a_trusted_package_runs_no_code(tmp_path, module, name):
    # torch.nn.functional.eval does not exist; a stand-in of that name only stores its arguments.
    data = f"c{module}\n{name}\n(S'1/0'\ntR.".encode()
    with zipfile.ZipFile(tmp_path / "x.pt", "w") as archive:
        archive.writestr("archive/data.pkl", data)
    with pytest.raises(InputError, match="not the published model|no checkpoint of the published code needs"):
        read_published(tmp_path / "x.pt")


@pytest.mark.parametrize("write, message", [
    (lambda p: p.write_bytes(b"junk"), "is not a checkpoint of the published code"),
    (lambda p: torch.save({"a": 1}, p), "holds a dict, not the published model"),
    (lambda p: torch.save(nn.Linear(1, 1), p), "holds a Linear, not the published model"),
    (lambda p: p.write_bytes(pickle.dumps([1])), "is not a checkpoint of the published code"),
])
def test_other_files_are_named(tmp_path, write, message):
    write(tmp_path / "x.pt")
    with pytest.raises(InputError, match=message):
        read_published(tmp_path / "x.pt")
    with pytest.raises(InputError, match="cannot be read"):
        read_published(tmp_path / "none.pt")


def test_the_container_of_torch_before_1_6_is_read(published_classes, tmp_path):
    model = published_classes("src.causal_mer_model", "CAUSALMER")()
    model.layer = nn.Linear(2, 3)
    torch.save(model, tmp_path / "x.pt", _use_new_zipfile_serialization=False)
    layer = read_published(tmp_path / "x.pt").state["_modules"]["layer"]
    assert torch.equal(layer.state["_parameters"]["weight"], model.layer.weight)


def test_a_model_of_another_task_is_refused(published_file, tmp_path):
    with pytest.raises(InputError, match="has 8 outputs, mosi needs 7"):
        import_published(options(tmp_path, published_file, "--dataset", "mosi"))


def test_a_model_without_its_parts_is_refused(published_classes, tmp_path):
    torch.save(published_classes("src.causal_mer_model", "CAUSALMER")(), tmp_path / "empty.pt")
    with pytest.raises(InputError, match="lacks what the published model has"):
        import_published(options(tmp_path, tmp_path / "empty.pt"))


def test_a_run_starts_from_a_published_checkpoint(published_file):
    from src.build import build_model
    from src.config import parse_config
    from src.published import start_from
    words = ("--dataset", "iemocap", "--nlevels", "3", "--fusion_mode", "hm", "--text_init", "random")
    info = DataInfo("iemocap", "emotion4", 8, {"text": 300, "audio": 74, "vision": 35}, dict.fromkeys(MODALITIES, 20))
    causal, plain = (build_model(parse_config([*words, "--method", method]), info).eval()
                     for method in ("causal", "plain"))
    for model in (causal, plain):
        start_from(published_file, model)
    with torch.no_grad():
        output = causal(model_input([20, 20, 20], info.widths, 3))
    for name in MODALITIES:
        close(output.branch_logits[name], FULL[f"logits_{name[0]}"], 5e-5)
    assert all(torch.equal(value, causal.state_dict()[name]) for name, value in plain.state_dict().items())
