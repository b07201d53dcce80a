"""DMD against the numbers of the published implementation, and what its backbone contract promises."""

import dataclasses
import functools
import re

import pytest
import torch

from main import main
from src.backbones.dmd import DMD, ORDER, DmdOptions, label_distances
from src.config import parse_config
from src.structures import BackboneOutput, Batch, DataInfo, InputError
from src.tasks import make_task
from tests.golden import data_info, golden, model_input, parameter

CASES = golden("dmd")
NO_DROPOUT = dict.fromkeys(("attn_dropout", "text_dropout", "out_dropout"), 0.0)
TINY = dict(dim=8, num_heads=2, nlevels=1, kernel_t=3, kernel_a=1, kernel_v=3, **NO_DROPOUT)
LETTERS = {"l": "text", "a": "audio", "v": "vision"}
# Published name -> ours, applied in order.
RENAMES = [
    (r"^proj_(\w)\.", r"projections.\1."),
    (r"^encoder_s_(\w)\.", r"decoupling.private.\1."),
    (r"^encoder_c\.", "decoupling.common."),
    (r"^decoder_(\w)\.", r"decoupling.decoders.\1."),
    (r"^proj_cosine_(\w)\.", r"private_align.\1."),
    (r"^align_c_(\w)\.", r"common_align.\1."),
    (r"^self_attentions_c_(\w)\.", r"common_encoders.\1."),
    (r"^trans_(\w)_mem\.", r"memory.\1."),
    (r"^(\w+)_(\w)_low\.", r"homogeneous_blocks.\2.\1."),
    (r"^(\w+)_(\w)_high\.", r"heterogeneous_blocks.\2.\1."),
    (r"^(proj1|proj2|out_layer)_c\.", r"common_block.\1."),
    (r"^(proj1|proj2|out_layer)\.", r"block.\1."),
    (r"^weight_c\.", "gates.common."),
    (r"^weight_(\w)\.", r"gates.\1."),
    (r"\.([lav])\.", lambda m: f".{LETTERS[m[1]]}."),
    (r"^trans_(\w)_with_(\w)\.", lambda m: f"crossmodal.{LETTERS[m[1]]}_from_{LETTERS[m[2]]}."),
    (r"\.(proj1|fc1)\.", ".expand."),
    (r"\.(proj2|fc2)\.", ".contract."),
    (r"\.out_layer\.", ".output."),
    (r"self_attn\.in_proj_", "attention.in_"),
    (r"self_attn\.out_proj", "attention.out"),
    (r"layer_norms\.0", "attention_norm"),
    (r"layer_norms\.1", "feedforward_norm"),
    (r"\.layer_norm\.", ".norm."),
]
GRAPHS = {"homogeneous_graph": "distill_homo", "heterogeneous_graph": "distill_hetero"}
KERNEL = {"logit_embedding": "W_logit", "state_embedding": "W_repr", "edge": "W_edge"}


def our_name(name: str) -> str:
    for pattern, replacement in RENAMES:
        name = re.sub(pattern, replacement, name)
    return name


def fill(model: DMD, parameters: list) -> None:
    """Give every parameter its golden value."""
    state = model.state_dict()
    published = {our_name(name): (name, shape) for name, shape in parameters}
    for graph, prefix in GRAPHS.items():
        for layer, theirs in KERNEL.items():
            for kind in ("weight", "bias"):
                if f"{graph}.{layer}.{kind}" in state:
                    ours = f"{graph}.{layer}.{kind}"
                    published[ours] = f"{prefix}.{theirs}.{kind}", state[ours].shape
    assert published.keys() == state.keys()
    # A convolution over one frame is published with a third axis of size 1.
    model.load_state_dict({ours: parameter(name, tuple(shape)).reshape(state[ours].shape)
                           for ours, (name, shape) in published.items()})


@functools.cache
def solved(name: str) -> tuple[DMD, BackboneOutput, torch.Tensor]:
    """The model of a golden case, its output, and the labels."""
    case = CASES[name]
    config, kernels = case["config"], case["config"]["kernels"]
    widths = dict(zip(("text", "audio", "vision"), config["dims"], strict=True))
    info = dataclasses.replace(data_info({"dataset": name, "output_dim": 1}, case["lengths"]), widths=widths)
    kernels = dict(zip(("kernel_t", "kernel_a", "kernel_v"), kernels, strict=True))
    model = DMD(info, DmdOptions(dim=config["d"], num_heads=config["heads"], nlevels=config["nlevels"], **kernels))
    fill(model, case["parameters"])
    with torch.no_grad():
        output = model.eval()(model_input(case["lengths"], widths, case["batch"]))
    return model, output, torch.tensor(case["labels"]).unsqueeze(1)


def assert_close(found: torch.Tensor, published: object) -> None:
    torch.testing.assert_close(found, torch.tensor(published), atol=5e-5, rtol=0)


@pytest.mark.parametrize("name", CASES)
def test_dmd_has_the_published_number_of_parameters_and_the_two_graphs(name):
    model, _, _ = solved(name)
    graphs = sum(p.numel() for part in GRAPHS for p in getattr(model, part).parameters())
    published = sum(torch.Size(shape).numel() for _, shape in CASES[name]["parameters"])
    assert sum(p.numel() for p in model.parameters()) == published + graphs


@pytest.mark.parametrize("name", CASES)
def test_dmd_gives_the_published_logits(name):
    _, output, _ = solved(name)
    published = CASES[name]["outputs"]
    assert_close(output.logits, published["output_logit"])
    assert_close(output.aux["common_logits"], published["logits_c"])
    for i, letter in enumerate("lva"):
        assert_close(output.aux["homogeneous_logits"][i], published[f"logits_{letter}_homo"])
        assert_close(output.aux["heterogeneous_logits"][i], published[f"logits_{letter}_hetero"])


@pytest.mark.parametrize("name", CASES)
def test_dmd_gives_the_published_alignment_vectors(name):
    _, output, _ = solved(name)
    for i, letter in enumerate("lva"):
        assert_close(output.aux["common_vectors"][i], CASES[name]["outputs"][f"c_{letter}_sim"])
    assert_close(output.aux["private_vectors"][0], CASES[name]["outputs"]["proj_s_l"])


@pytest.mark.parametrize("name", CASES)
def test_dmd_gives_the_published_losses(name):
    model, output, labels = solved(name)
    task = make_task("sentiment")
    terms, published = model.auxiliary_terms(output, labels, task), CASES[name]["losses"]
    assert_close(terms["task"] + task.loss(output.logits, task.targets(labels)), published["task"])
    assert_close(terms["reconstruction"], published["recon"])
    assert_close(terms["cycle"], published["cycle"])
    assert_close(terms["margin"], published["margin"])
    assert_close(terms["orthogonality"], published["orthogonality_flattened"])


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("side, short", [("homogeneous", "homo"), ("heterogeneous", "hetero")])
def test_dmd_gives_the_published_distillation(name, side, short):
    model, output, _ = solved(name)
    graph, published = getattr(model, f"{side}_graph"), CASES[name]["distillation"][short]
    found = graph(output.aux[f"{side}_logits"], output.aux[f"{side}_states"])
    assert graph.logit_embedding.out_features == published["gd_size"]
    assert_close(graph.prior, published["prior"])
    assert_close(found.edges, published["edges"])
    assert_close(found.regularization, published["loss_reg"])
    assert_close(found.logits, published["loss_logit"])
    assert_close(found.states, published["loss_repr"])


@pytest.mark.parametrize("name", CASES)
def test_the_auxiliary_loss_weighs_its_terms_as_published(name):
    model, output, labels = solved(name)
    task, losses, graphs = make_task("sentiment"), CASES[name]["losses"], CASES[name]["distillation"]
    homo, hetero = graphs["homo"], graphs["hetero"]
    expected = (losses["task"] + 0.05 * (homo["loss_logit"] + homo["loss_reg"])
                + 0.05 * (hetero["loss_logit"] + hetero["loss_repr"] + hetero["loss_reg"])
                + 0.1 * (losses["recon"] + losses["cycle"]
                         + 0.1 * (losses["margin"] + losses["orthogonality_flattened"])))
    own = task.loss(output.logits, task.targets(labels))
    assert_close(own + model.auxiliary_loss(output, labels, task), expected)


def tiny(outputs: int = 7, lengths: tuple[int, int, int] = (7, 7, 7), **options) -> tuple[DMD, Batch]:
    """A small model in training mode, without dropout, and a batch of three."""
    torch.manual_seed(0)
    widths = dict(text=6, audio=5, vision=4)
    info = DataInfo("own", "", outputs, widths, dict(zip(widths, lengths, strict=True)))
    return DMD(info, DmdOptions(**{**TINY, **options})), model_input(list(lengths), widths, 3)


SCORES = torch.tensor([-1.0, 0.3, -1.0]).reshape(3, 1, 1)
EMOTIONS = torch.nn.functional.one_hot(torch.eye(4)[:3].long(), 2)


@pytest.mark.parametrize("lengths", [(7, 7, 7), (4, 30, 20)])
@pytest.mark.parametrize("task, labels", [("sentiment7", SCORES), ("sentiment", SCORES), ("emotion4", EMOTIONS),
                                          ("classes:3", torch.tensor([0, 2, 0]))])
def test_every_parameter_but_the_private_vectors_is_trained_with_any_task_and_lengths(task, labels, lengths):
    task = make_task(task)
    model, batch = tiny(task.outputs, lengths)
    output = model(batch)
    (task.loss(output.logits, task.targets(labels)) + model.auxiliary_loss(output, labels, task)).backward()
    assert output.logits.shape == (3, task.outputs)
    assert all(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None)
    still = {name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum()}
    assert still == {f"private_align.{name}.{kind}" for name in ORDER for kind in ("weight", "bias")}


def test_gradients_are_finite_where_a_modality_is_removed():
    model, batch = tiny()
    batch.inputs["audio"].zero_()
    model.auxiliary_loss(model(batch), SCORES, make_task("sentiment7")).backward()
    assert all(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None)


def test_a_batch_of_one_equals_its_row_of_a_batch():
    model, batch = tiny()
    alone = Batch({name: x[1:2] for name, x in batch.inputs.items()}, None)
    torch.testing.assert_close(model(alone).logits, model(batch).logits[1:2])
    assert model.auxiliary_loss(model(alone), SCORES[1:2], make_task("sentiment7")).isfinite()


def test_a_modality_that_has_width_d_is_not_projected_and_keeps_its_length():
    model, batch = tiny(dim=6)
    assert [name for name in ORDER if f"projections.{name}.weight" in model.state_dict()] == ["vision", "audio"]
    assert model(batch).logits.shape == (3, 7)


@pytest.mark.parametrize("mask_padding", [True, False])
def test_padding_changes_the_logits_only_without_mask_padding(mask_padding):
    model, batch = tiny(mask_padding=mask_padding)
    longer, _ = tiny(lengths=(12, 12, 12), mask_padding=mask_padding)
    sizes = {name: value.shape for name, value in longer.state_dict().items()}
    shared = {name: value for name, value in model.state_dict().items() if value.shape == sizes[name]}
    longer.load_state_dict(shared, strict=False)  # all but the layers over all frames, which enter losses only
    padded = Batch({name: torch.nn.functional.pad(x, (0, 0, 5, 0)) for name, x in batch.inputs.items()}, None)
    difference = (longer(padded).logits - model(batch).logits).abs().max()
    assert difference < 1e-5 if mask_padding else difference > 1e-3


def test_label_distances_are_of_scores_or_count_what_differs():
    assert label_distances(SCORES, True)[0].tolist() == pytest.approx([0, 1.3, 0])
    assert label_distances(EMOTIONS, False)[0].tolist() == [0, 2, 2]
    assert label_distances(torch.eye(3), False)[0].tolist() == [0, 1, 1]
    assert label_distances(torch.tensor([0, 1, 5]), False)[0].tolist() == [0, 1, 1]


def test_a_sequence_shorter_than_its_kernel_is_refused():
    with pytest.raises(InputError, match="text has 7 frames, shorter than its kernel of 9; lower --kernel_t"):
        tiny(kernel_t=9)


def test_a_sequence_of_another_length_is_refused():
    model, batch = tiny()
    batch.inputs["vision"] = batch.inputs["vision"][:, 1:]
    with pytest.raises(InputError, match="vision has 6 frames, but this DMD was built for 7"):
        model(batch)


@pytest.mark.parametrize("options, message", [
    (dict(num_heads=7), "--num_heads 7 does not divide --dim 30"),
    (dict(dim=3), "--dim must be at least 4"),
    (dict(kernel_a=0), "--kernel_a must be at least 1"),
    (dict(margin_weight=-1.0), "--margin_weight must be at least 0"),
    (dict(out_dropout=1.0), r"--out_dropout must lie in \[0, 1\)"),
])
def test_options_that_cannot_work_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        DmdOptions(**options)


@pytest.mark.parametrize("dataset, sizes", [("mosei_senti", (30, 6, 5, 1, 3)), ("mosi", (50, 10, 5, 5, 5))])
def test_the_presets_are_the_published_settings(dataset, sizes):
    config = parse_config(["--backbone", "dmd", "--dataset", dataset])
    names = ("dim", "num_heads", "kernel_t", "kernel_a", "kernel_v")
    assert tuple(getattr(config.backbone, name) for name in names) == sizes
    assert (config.backbone.nlevels, config.training.batch_size, config.method.m_lr) == (4, 16, 1e-4)


@pytest.mark.parametrize("method", ["plain", "causal"])
def test_dmd_trains_through_the_command(tmp_path, method, capsys):
    places = ["--data_path", str(tmp_path), "--checkpoint_path", str(tmp_path), "--device", "cpu"]
    assert main(["--backbone", "dmd", "--method", method, "--num_epochs", "1", "--synthetic_sizes", "64,32,32",
                 *places]) == 0
    assert "trivial" in capsys.readouterr().out
