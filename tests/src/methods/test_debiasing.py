"""What the debiasing methods promise beyond the golden numbers: who learns from what, when, and what predicts."""

import math

import pytest
import torch

from src.build import build_model
from src.config import parse_config
from src.configured import check
from src.methods.confidence import scaled_teacher
from src.methods.reweight import reweighted_loss
from src.structures import MODALITIES, Batch, DataInfo, UsageError
from src.tasks import make_task
from tests.methods_golden import method_around

ALONE = ("reweight", "poe", "learned_mixin", "confidence")  # the branches train by their own losses only
FUSED = ("rubi", "cf_vqa", "clue", "muldef")  # a fused loss reaches them, too, as published
SUBTRACTING = ("cf_vqa", "clue", "muldef")
DEBIASING = (*ALONE, "gge", *FUSED)
BINARY = make_task("classes:2")


def drawn(count, outputs, seed=0):
    """Logits (N, C) of the backbone and of every branch."""
    random = torch.Generator().manual_seed(seed)
    joint, *branches = (1.5 * torch.randn(count, outputs, generator=random) for _ in range(4))
    return joint, dict(zip(MODALITIES, branches, strict=True))


def said(text=(0.0, 0.0), audio=(0.0, 0.0), vision=(0.0, 0.0)):
    """Branches that say this of a single sample."""
    return {name: torch.tensor([values]) for name, values in zip(MODALITIES, (text, audio, vision), strict=True)}


def given(labels):
    """A batch for models around given logits, which look at its labels only."""
    return Batch(dict.fromkeys(MODALITIES), torch.as_tensor(labels))


def around(method, count=4, outputs=3, **options):
    """A method around drawn logits, a batch and its task."""
    model = method_around(method, *drawn(count, outputs), **options)
    return model, given(torch.arange(count) % outputs), make_task(f"classes:{outputs}")


def reached(loss, model):
    """Names of the parameters with a gradient from a loss."""
    names, parameters = zip(*model.named_parameters(), strict=True)
    gradients = torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True)
    return {name for name, gradient in zip(names, gradients, strict=True)
            if gradient is not None and gradient.abs().max() > 0}


@pytest.mark.parametrize("method", [*ALONE, *FUSED])
def test_only_a_fused_loss_reaches_the_branches(method):
    model, batch, task = around(method)
    output = model(batch)
    found = reached(model.debiased(output, batch.labels, task), model)
    own = {f"branches.{name}.logits" for name in model.branches}
    assert "backbone.logits" in found and (own & found == (own if method in FUSED else set()))


@pytest.mark.parametrize("method", SUBTRACTING)
def test_the_constant_learns_by_the_alignment_only_and_the_networks_by_the_rest_only(method):
    model, batch, task = around(method)
    output = model(batch)
    alignment = model.alignment(output, task)
    assert reached(alignment, model) == {"constant"}
    assert "constant" not in reached(model.loss(output, batch, task)["loss"] - alignment, model)


@pytest.mark.parametrize("method, options", [
    *((method, {}) for method in (*ALONE, *SUBTRACTING[1:])), ("confidence", {"confidence_form": "reweight"}),
    ("rubi", {"end_layers": False}), ("cf_vqa", {"end_layers": False}),
    *(("gge", {"gge_form": form}) for form in ("softmax", "sigmoid", "sigmoid_corrected"))])
def test_four_emotions_are_four_decisions(method, options):
    joint, branches = drawn(6, 8)
    labels = torch.eye(2)[torch.arange(24).reshape(6, 4) % 3 % 2]
    rows = {name: logits.reshape(-1, 2) for name, logits in branches.items()}
    hidden = torch.linspace(-1, 1, 6)[:, None]
    pairs = method_around(method, joint, branches, "emotion4", hidden, **options)
    single = method_around(method, joint.reshape(-1, 2), rows, hidden=hidden.repeat_interleave(4, 0), **options)
    if method == "learned_mixin":
        single.gate.load_state_dict(pairs.gate.state_dict())
    task, batch, other = make_task("emotion4"), given(labels), given(labels.argmax(-1).flatten())
    torch.testing.assert_close(pairs.loss(pairs(batch), batch, task)["loss"],
                               single.loss(single(other), other, BINARY)["loss"])


def test_a_product_of_opinions_by_hand():
    model = method_around("poe", torch.tensor([[1.0, 0.0]]), said((0.5, 0.0), (0.0, 1.0)), product_strength=0.5)
    output = model(given([0]))
    assert output.more["fused"].tolist() == [[1.25, 0.5]] and output.logits.tolist() == [[1.0, 0.0]]
    assert model.debiased(output, torch.tensor([0]), BINARY).item() == pytest.approx(math.log1p(math.exp(-0.75)))


def test_samples_that_the_bias_answers_count_less():
    three = math.log(3.0)  # the text branch gives class 0 the probability 3/4, so weights are 1/4 and 3/4
    text = torch.tensor([[three, 0.0], [three, 0.0]])
    silent = torch.zeros(2, 2)
    model = method_around("reweight", torch.tensor([[0.0, 0.0], [0.0, three]]),
                          {"text": text, "audio": silent, "vision": silent})
    loss = model.debiased(model(given([0, 1])), torch.tensor([0, 1]), BINARY)
    assert loss.item() == pytest.approx(0.25 * math.log(2) - 0.75 * math.log(0.75))


def test_a_batch_that_the_bias_answers_in_whole_is_skipped():
    rows = torch.tensor([[0.0, 1.0]], requires_grad=True)
    loss = reweighted_loss(rows, torch.tensor([[-20.0, 0.0]]), torch.tensor([1]))
    loss.backward()
    assert loss.item() == 0 and rows.grad.tolist() == [[0, 0]]


def test_the_mixture_comes_back_as_far_as_the_gate_is_open():
    model = method_around("learned_mixin", torch.zeros(1, 2), said((math.log(3.0), 0.0)))
    for parameter in model.gate.parameters():
        parameter.data.zero_()  # g = softplus 0 = log 2
    assert model(given([0])).logits.tolist() == [[0, 0]]  # as published
    model.strength.fill_(0.5)
    output = model(given([0]))
    # b = log (3/4, 1/4) and two times log (1/2, 1/2), so its classes differ by log 3.
    assert -output.logits.diff().item() == pytest.approx(0.5 * math.log(2) * math.log(3))
    assert -output.more["fused"].diff().item() == pytest.approx(math.log(2) * math.log(3))


def test_a_teacher_is_made_less_sure_where_the_bias_answers():
    teacher, bias = torch.tensor([[0.8, 0.2]]).log(), torch.tensor([[0.75, 0.25]]).log()
    sure, none = torch.tensor([[0.0, -torch.inf]]), torch.tensor([[-torch.inf, 0.0]])
    scaled = [scaled_teacher(teacher, one, torch.tensor([0])).exp()[0, 0].item() for one in (bias, sure, none)]
    assert scaled == pytest.approx([0.8**0.25 / (0.8**0.25 + 0.2**0.25), 0.5, 0.8])


INFO = DataInfo("x", "classes:3", 3, dict.fromkeys(MODALITIES, 5), dict.fromkeys(MODALITIES, 6))
SMALL = ("--dataset", "x.pkl", "--task", "classes:3", "--light_width", "4", "--dim", "8", "--num_heads", "2",
         "--nlevels", "1", *(word for name in MODALITIES for word in (f"--{name}_branch", "light")))


def test_a_teacher_and_branches_are_trained_first_then_they_rest_and_the_backbone_learns():
    model = build_model(parse_config([*SMALL, "--method", "confidence"]), INFO)
    random = torch.Generator().manual_seed(0)
    batch = Batch({name: torch.randn(4, 6, 5, generator=random) for name in MODALITIES}, torch.arange(4) % 3)
    assert all(torch.equal(one, other) and one is not other for one, other in
               zip(model.teacher.parameters(), model.backbone.parameters(), strict=True))
    optimizer, task, moved = torch.optim.Adam(model.parameters(), 0.01), make_task("classes:3"), []
    for objective in (model.ahead_loss, model.loss):
        if objective == model.loss:
            model.before_epoch(1, None, task)
        model.train()
        before = {name: value.clone() for name, value in model.state_dict().items()}
        for _ in range(2):  # at the second step Adam would still move what had a gradient in the first
            optimizer.zero_grad()
            objective(model(batch), batch, task)["loss"].backward()
            optimizer.step()
        moved.append({name.split(".")[0] for name, value in model.state_dict().items()
                      if not torch.equal(before[name], value)})
    assert moved == [{"teacher", "branches"}, {"backbone"}] and model.ahead == 8
    assert model.backbone.training and not model.teacher.training and not model.branches.training


def test_each_model_of_a_greedy_ensemble_is_fitted_to_what_those_before_it_leave():
    joint, branches = torch.zeros(1, 2), said((0.0, 0.0), (math.log(3.0), 0.0), (0.0, 0.0))
    model = method_around("gge", joint, branches)
    losses = model.losses(model(given([0])), given([0]), BINARY)
    left = {"text": 1.0, "audio": 0.5, "vision": 0.25, "backbone": 0.25}  # of the true class, 1 - softmax of all before
    own = {"text": math.log(2), "audio": -math.log(0.75), "vision": math.log(2), "backbone": math.log(2)}
    assert {name: one.item() for name, one in losses.items()} == pytest.approx({n: left[n] * own[n] for n in left})
    assert list(losses) == [*MODALITIES, "backbone"]
    assert all(reached(losses[name], model) == {f"branches.{name}.logits"} for name in MODALITIES)
    assert reached(losses["backbone"], model) == {"backbone.logits"}


@pytest.mark.parametrize("name", MODALITIES)
def test_clue_takes_any_one_modality_for_the_bias_and_leaves_the_others_out(name):
    joint, branches = drawn(4, 3)
    model = method_around("clue", joint, branches, clue_modality=name, clue_constant=0.5)
    values = model(given([0, 1, 2, 0])).per_sample()
    assert set(model.branches) == {name} and values.keys() & set(MODALITIES) == {name}
    expected = (joint + branches[name]).sigmoid().log() - (0.5 + branches[name]).sigmoid().log()
    torch.testing.assert_close(values["logits"], expected)


def test_cf_vqa_replaces_all_but_one_branch_and_muldef_none():
    joint, branches = drawn(4, 3)
    first = method_around("cf_vqa", joint, branches, cf_modality="audio", cf_constant=0.2, end_layers=False)
    second = method_around("muldef", joint, branches, muldef_fusion="sum", muldef_constant=0.2)
    direct = [model(given([0, 1, 2, 0])).more["direct"] for model in (first, second)]
    torch.testing.assert_close(direct[0], (branches["audio"] + 3 * 0.2).sigmoid().log())
    torch.testing.assert_close(direct[1], (sum(branches.values()) + 0.2).sigmoid().log())


@pytest.mark.parametrize("method", SUBTRACTING)
def test_alpha_is_how_much_of_the_counterfactual_world_is_subtracted(method):
    model, batch, _ = around(method)
    for alpha in (0.0, 1.0, 2.5):
        model.strength.fill_(alpha)
        values = model(batch).per_sample()
        torch.testing.assert_close(values["logits"], values["fused"] - alpha * values["direct"])
    (strength,) = model.strengths(model.options).values()
    assert strength.published == 1 and strength.grid == tuple(step / 4 for step in range(13))


CHANGES = [("poe", "product_strength", 0.5), ("learned_mixin", "mixin_entropy", 1.0), ("gge", "gge_form", "sigmoid"),
           ("gge", "gge_form", "sigmoid_corrected"), ("confidence", "confidence_form", "reweight"),
           ("rubi", "rubi_weight", 0.5), ("rubi", "end_layers", False), ("cf_vqa", "end_layers", False),
           ("cf_vqa", "cf_fusion", "hm"), ("cf_vqa", "cf_fusion", "rubi"), ("cf_vqa", "cf_modality", "vision"),
           ("cf_vqa", "cf_constant", 1.0), ("clue", "clue_fusion", "hm"), ("clue", "clue_fusion", "rubi"),
           ("clue", "clue_modality", "audio"), ("clue", "clue_constant", 0.0), ("clue", "clue_joint", 0.5),
           ("clue", "clue_branch", 0.5), ("muldef", "muldef_fusion", "sum"), ("muldef", "muldef_fusion", "rubi"),
           ("muldef", "muldef_fusion", "fc"), ("muldef", "muldef_constant", 0.0), ("muldef", "muldef_base", 0.5),
           ("muldef", "muldef_task", 0.5), ("muldef", "muldef_alignment", 0.5)]


@pytest.mark.parametrize("method, option, value", CHANGES)
def test_every_option_changes_the_loss(method, option, value):
    losses = []
    for options in ({}, {option: value}):
        torch.manual_seed(0)
        model, batch, task = around(method, **options)
        model.backbone.auxiliary_loss = lambda output, labels, task: output.logits.square().mean()
        losses.append(model.loss(model(batch), batch, task)["loss"].item())
    assert losses[0] != pytest.approx(losses[1], rel=1e-6)


@pytest.mark.parametrize("method", DEBIASING)
def test_the_backbones_own_loss_stands_beside_its_debiased_one(method):
    torch.manual_seed(0)
    model, batch, task = around(method)
    output = model(batch)
    without = model.loss(output, batch, task)["loss"]
    model.backbone.auxiliary_loss = lambda output, labels, task: 5 + 0 * output.logits.sum()
    assert (model.loss(output, batch, task)["loss"] - without).item() == pytest.approx(5, abs=1e-4)


@pytest.mark.parametrize("tau, rare", [(1.0, 4.0), (2.0, 10.0), (0.0, 2.0)])
def test_logit_adjustment_asks_more_of_rare_classes(tau, rare):
    model = method_around("logit_adjustment", torch.zeros(1, 2), {}, tau=tau)
    model.prior.prepare(torch.tensor([0.75, 0.25]))  # with tau 2 they are 9 : 1
    loss = model.loss(model(given([1.0])), given([1.0]), BINARY)["loss"]
    assert loss.item() == pytest.approx(math.log(rare), rel=1e-6)
    assert model(given([1.0])).logits.tolist() == [[0, 0]]


@pytest.mark.parametrize("method", [*DEBIASING, "logit_adjustment"])
def test_a_score_is_refused_before_training(method):
    with pytest.raises(UsageError, match=f"the method {method} needs classes"):
        check(parse_config(["--dataset", "mosi", "--mosei_task", "regression", "--method", method]))


@pytest.mark.parametrize("method", DEBIASING)
def test_what_every_branch_says_of_a_sample_is_kept(method):
    model, batch, _ = around(method)
    assert model.branches and set(model.branches) <= model(batch).per_sample().keys()
