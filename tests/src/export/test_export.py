"""An exported model says what the model says, its card has the numbers of its run, and a damaged folder is refused."""

import json
import shutil

import numpy as np
import pytest
import torch

import main
from src.export import __main__ as export
from src.export.card import card, subtracted
from src.export.folder import read_folder
from src.export.source import load_source
from src.fusions.evidence import EvidenceFusion
from src.options import ExportOptions
from src.structures import MODALITIES, Batch, InputError
from tests.conftest import TINY


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a run of CausalMER and one of pool."""
    folder = tmp_path_factory.mktemp("export")
    for method in ("causal", "pool"):
        assert main.main([*TINY, "--num_epochs", "1", "--data_path", str(folder / "data"), "--checkpoint_path",
                          str(folder), "--method", method]) == 0
    return folder


def source(place, method="causal"):
    return load_source(ExportOptions(checkpoint_path=place, method=method))


def batch(info, count=3):
    """Random inputs of a model."""
    random = torch.Generator().manual_seed(0)
    return Batch({name: torch.randn(count, info.lengths[name], info.widths[name], generator=random)
                  for name in MODALITIES}, None)


def exported(place, tmp_path, *words):
    return export.main(["--checkpoint_path", str(place), "--output", str(tmp_path / "made"), *words])


@pytest.fixture
def hub(place, tmp_path):
    """An exported folder that a test may spoil."""
    assert exported(place, tmp_path, "--method", "causal") == 0
    return tmp_path / "made"


def test_a_folder_reads_back_as_the_same_model(place, hub):
    config, info, model, about = read_folder(hub)
    own = source(place)
    assert (config.flat(), info, about["epoch"]) == (own.config.flat(), own.info, own.epoch)
    with torch.no_grad():
        assert torch.equal(model(batch(info)).logits, own.model(batch(info)).logits)


def test_a_safetensors_file_has_the_weights_and_what_is_known_of_them(place, tmp_path):
    from safetensors import safe_open

    assert exported(place, tmp_path, "--method", "pool", "--to", "safetensors", "--output",
                    str(tmp_path / "m.safetensors")) == 0
    with safe_open(tmp_path / "m.safetensors", "pt") as file:
        assert json.loads(file.metadata()["causalmer"])["config"]["method"] == "pool"
        assert set(file.keys()) == set(source(place, "pool").model.state_dict())
    assert (tmp_path / "m.safetensors.md").read_text() == card(source(place, "pool"))


def test_a_card_replaces_no_file(place, tmp_path, capsys):
    (tmp_path / "m.md").write_text("mine")
    assert exported(place, tmp_path, "--method", "pool", "--to", "safetensors", "--output", str(tmp_path / "m")) == 1
    assert "m.md is there already" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["m.md"] and (tmp_path / "m.md").read_text() == "mine"


def test_the_card_has_the_scores_their_number_and_the_hash_of_the_data(place):
    own = source(place)
    text, test = card(own), own.results["selections"]["best_valid_acc"]["test"]
    assert f"| test | 24 | {100 * test['accuracy_mean']:.2f} |" in text and own.info.sha256 in text
    assert "known of a shift: nothing" in text and str(place) not in text


def test_the_epochs_of_a_card_are_all_of_the_run(tmp_path):
    argv = [*TINY, "--num_epochs", "1", "--branch_epochs", "2", "--checkpoint_path", str(tmp_path), "--data_path",
            str(tmp_path)]
    assert main.main(argv) == 0
    assert "epoch 3 of 3, chosen" in card(source(tmp_path))


def test_the_card_says_what_is_subtracted(place):
    assert "prediction is 1 TE - 1 NDE_text - 1 NDE_audio - 1 NDE_vision" in subtracted(source(place))
    own = source(place)
    own.model.strength.copy_(torch.tensor([0.5, 0.0, 1.0, 0.0]))
    own.model.fusion = EvidenceFusion(own.info, None)
    assert "0.5 TE - 0.5 NDE_text + 0.5 NDE_audio - 0.5 NDE_vision + 0.5 log p(y)" in subtracted(own)
    assert subtracted(source(place, "pool")).startswith("The prediction combines several paths; their strengths: m ")


@pytest.mark.parametrize("name, text, message", [
    ("config.json", "{}", "is no configuration"), ("config.json", None, "cannot be read"),
    ("model.safetensors", "x", "is not the file that config.json beside it was written for"),
    ("model.safetensors", None, "cannot be used")])
def test_a_damaged_folder_is_refused(hub, name, text, message):
    (hub / name).unlink()
    if text is not None:
        (hub / name).write_text(text)
    with pytest.raises(InputError, match=message):
        read_folder(hub)


@pytest.mark.parametrize("part, name, value", [("info", "outputs", "8"), ("info", "widths", 3), ("config", "dim", {})])
def test_a_configuration_of_other_kinds_of_values_is_refused(hub, part, name, value):
    about = json.loads((hub / "config.json").read_text())
    about[part][name] = value
    (hub / "config.json").write_text(json.dumps(about))
    with pytest.raises(InputError, match=f"its {part} is not"):
        read_folder(hub)


@pytest.mark.parametrize("change", [{"selections": []}, {"samples": 3}, {"versions": {"torch": 2}}])
def test_damaged_results_are_refused_before_anything_is_written(place, tmp_path, capsys, change):
    shutil.copytree(place, tmp_path / "runs")
    path = next((tmp_path / "runs").glob("checkpoint(*)/*/mult-pool/results.json"))
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    assert exported(tmp_path / "runs", tmp_path, "--method", "pool", "--to", "safetensors") == 1
    assert "is not what a finished run of this code leaves" in capsys.readouterr().err
    assert [one.name for one in tmp_path.iterdir()] == ["runs"]


def test_weights_of_another_model_are_refused(hub, tmp_path):
    about = json.loads((hub / "config.json").read_text())
    about["config"]["dim"] = 4
    (hub / "config.json").write_text(json.dumps(about))
    with pytest.raises(InputError, match="model.safetensors"):
        read_folder(hub)


def test_nothing_is_overwritten_and_one_run_has_to_be_meant(place, hub, tmp_path, capsys):
    assert exported(place, tmp_path, "--method", "causal") == 1
    assert "made is there already" in capsys.readouterr().err
    shutil.rmtree(hub)
    assert exported(place, tmp_path) == 1 and not hub.exists()
    assert "choose one with --method" in capsys.readouterr().err


ALBERT = ("--text_branch", "albert", "--text_init", "random", "--albert_layers", "1", "--albert_hidden", "16",
          "--albert_heads", "2", "--albert_intermediate", "16", "--albert_embedding", "8")


@pytest.mark.parametrize("words", [("causal", "mult"), ("pool", "mult"), ("causal", "pmr"), ("causal", "dmd"),
                                   ("causal", "mult", "--mask_padding", *ALBERT, "--freeze_text"),
                                   ("causal", "mult", "--precision", "bf16", *ALBERT)])
def test_the_graph_gives_the_prediction_and_every_effect_for_any_number_of_samples(place, tmp_path, words):
    pytest.importorskip("onnxscript")
    runtime = pytest.importorskip("onnxruntime")
    method, backbone, *flags = words
    own_run = backbone != "mult" or flags
    if own_run:
        assert main.main([*TINY, "--num_epochs", "1", "--data_path", str(place / "data"), "--checkpoint_path",
                          str(tmp_path), "--method", method, "--backbone", backbone, *flags]) == 0
    folder = tmp_path if own_run else place
    assert exported(folder, tmp_path, "--method", method, "--to", "onnx", "--output", str(tmp_path / "m.onnx")) == 0
    session = runtime.InferenceSession(str(tmp_path / "m.onnx"))
    own = load_source(ExportOptions(checkpoint_path=folder, method=method))
    inputs = batch(own.info, 5)
    names = [output.name for output in session.get_outputs()]
    assert names == ["prediction", *["TE", "NDE_t", "NDE_a", "NDE_v"] * (method == "causal")]
    found = session.run(None, {name: inputs.inputs[name].numpy() for name in MODALITIES})
    with torch.no_grad():
        values = own.model(inputs).per_sample()
    keys = {"prediction": "logits", **own.model.current_effects()}
    for name, array in zip(names, found, strict=True):
        assert np.abs(array - values[keys[name]].numpy()).max() < 1e-4, name


def test_a_missing_package_is_named_with_its_requirements(place, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(__import__("sys").modules, "onnxscript", None)
    assert exported(place, tmp_path, "--method", "causal", "--to", "onnx") == 2
    assert "pip install -r requirements-export.txt" in capsys.readouterr().err
