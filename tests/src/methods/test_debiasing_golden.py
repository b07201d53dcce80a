"""The debiasing methods give the numbers of the published code: losses, gradients, predictions.

Every case runs through the method's class as it trains, with as many branches as the case has. What no class does, such
as a bias that is not normalised or that learns through a label, runs through the formula alone.
"""

import pytest
import torch
import torch.nn.functional as F

from src.methods.gge import greedy_loss, left_over
from src.methods.reweight import reweighted_loss
from src.structures import LETTER, Batch
from src.tasks import make_task
from tests.methods_golden import Inputs, cases, expected, method_around

MIXED = {"sum", "sum_normalised", "three_branches"}  # what a case calls its bias where all three branches have a part


def given(method, inputs, which, summed=False, **options):
    """A method around a set's logits, with the branches that a case names; `summed`, with one branch for all three."""
    letters = tuple(LETTER) if which in MIXED else tuple(which.split("+"))
    branches = {LETTER[letter]: inputs.logits(letter).detach() for letter in letters}
    if summed:
        branches = {"text": torch.stack(list(branches.values())).sum(0)}
    hidden = inputs.normal("hidden.m", (inputs.count, inputs.sizes["H"])).detach()
    return method_around(method, inputs.logits("m").detach(), branches, hidden=hidden, **options)


def step(model, inputs):
    """Terms and output of a training step whose gradients are there afterwards."""
    task, labels = make_task(f"classes:{inputs.classes}"), inputs.labels()
    batch = Batch(dict.fromkeys(LETTER.values()), labels)
    output = model(batch)
    terms = model.loss(output, batch, task)
    terms["loss"].backward()
    return terms, output, {name: task.loss(one, labels) for name, one in output.branch_logits.items()}


def fill(parameter, inputs, name):
    """Give a parameter its golden value."""
    parameter.data.copy_(inputs.parameter(name, tuple(parameter.shape)).detach())


@pytest.mark.parametrize("variant, name, precision", cases("reweight"))
def test_reweight(variant, name, precision):
    inputs, case = Inputs(name, precision), expected("reweight", variant, name)
    if variant == "sum":  # the sum of log-probabilities as it is, which the class normalises first
        opinion = sum(F.log_softmax(inputs.logits(letter).detach(), -1) for letter in LETTER)
        loss = reweighted_loss(inputs.logits("m"), opinion, inputs.labels())
        loss.backward()
        inputs.met({"loss": loss}, case)
        return
    model = given("reweight", inputs, variant)
    terms, *_ = step(model, inputs)
    inputs.met({"loss": terms["debiased"], "grad.logits.m": model.backbone.logits.grad}, case)


@pytest.mark.parametrize("variant, name, precision", cases("poe"))
def test_product_of_experts(variant, name, precision):
    inputs = Inputs(name, precision)
    model = given("poe", inputs, variant)
    terms, *_ = step(model, inputs)
    inputs.met({"loss": terms["debiased"], "grad.logits.m": model.backbone.logits.grad}, expected("poe", variant, name))


@pytest.mark.parametrize("variant, name, precision", cases("learned_mixin"))
def test_learned_mixin(variant, name, precision):
    inputs, (penalty, which) = Inputs(name, precision), variant.removeprefix("penalty").rsplit(".", 1)
    model = given("learned_mixin", inputs, which, mixin_entropy=float(penalty))
    for end in ("weight", "bias"):
        fill(getattr(model.gate, end), inputs, f"bias_lin.{end}")
    terms, *_ = step(model, inputs)
    inputs.met({"loss": terms["debiased"], "grad.logits.m": model.backbone.logits.grad,
                "grad.hidden.m": model.backbone.hidden.grad, "grad.parameter.bias_lin.weight": model.gate.weight.grad,
                "grad.parameter.bias_lin.bias": model.gate.bias.grad}, expected("learned_mixin", variant, name))


@pytest.mark.parametrize("variant, name, precision", cases("confidence_regularisation"))
def test_confidence_regularisation(variant, name, precision):
    inputs, (form, which) = Inputs(name, precision), variant.split(".")
    model = given("confidence", inputs, which, confidence_form=form)
    model.teacher.logits.data.copy_(inputs.logits("teacher").detach())
    terms, *_ = step(model, inputs)
    inputs.met({"loss": terms["loss"], "grad.logits.m": model.backbone.logits.grad},
               expected("confidence_regularisation", variant, name))


@pytest.mark.parametrize("variant, name, precision", cases("rubi"))
def test_rubi(variant, name, precision):
    inputs, (which, *end) = Inputs(name, precision), variant.split(".")
    model = given("rubi", inputs, which, summed=which == "sum", end_layers=bool(end))
    for part in ("weight", "bias") if end else ():
        fill(getattr(model.ends["text"], part), inputs, f"end.{part}")
    terms, output, own = step(model, inputs)
    found = {f"grad.logits.{one[0]}": branch.logits.grad for one, branch in model.branches.items()}
    found |= {f"grad.parameter.end.{part}": value.grad for one in model.ends.values()
              for part, value in one.named_parameters()}
    inputs.met({**found, "grad.bias": next(iter(found.values())), "loss": terms["loss"], "fused": output.more["fused"],
                "loss.fused": terms["debiased"], "loss.branch": sum(own.values()),
                "grad.logits.m": model.backbone.logits.grad}, expected("rubi", variant, name))


def subtracted(model, output):
    """The golden names of what a subtracting method's worlds say; decisions are given by their logits."""
    found = {f"argmax_alpha{alpha:g}": model.combined(output.per_sample(), {"alpha": alpha}) for alpha in (0.5, 1, 2)}
    return {"fused": output.more["fused"], "nde": output.more["direct"], "predict": output.logits,
            "argmax": output.logits, "grad.logits.m": model.backbone.logits.grad,
            "grad.parameter.constant": model.constant.grad, **found}


@pytest.mark.parametrize("method, variant, name, precision",
                         [pytest.param(ours, *one.values, id=f"{ours}-{one.id}")
                          for ours, theirs in (("cf_vqa", "cfvqa"), ("clue", "clue")) for one in cases(theirs)])
def test_counterfactual_worlds(method, variant, name, precision):
    inputs, case = Inputs(name, precision), expected(method.replace("_", ""), variant, name)
    fusion, which, *form = variant.split(".")
    kept = "text" if which == "sum" else LETTER[which[0]]
    options = ({"cf_fusion": fusion, "cf_constant": case["constant"], "cf_modality": kept, "end_layers": "end" in form}
               if method == "cf_vqa" else
               {"clue_fusion": fusion, "clue_constant": case["constant"], "clue_modality": kept})
    model = given(method, inputs, which, summed=which == "sum", **options)
    ends = dict(zip(("end", "end_v"), model.ends.values(), strict=False)) if "end" in form else {}
    for end, layer in ends.items():
        for part, value in layer.named_parameters():
            fill(value, inputs, f"{end}.{part}")
    terms, output, own = step(model, inputs)
    found = {f"grad.parameter.{end}.{part}": value.grad for end, layer in ends.items()
             for part, value in layer.named_parameters()}
    for number, loss, branch in zip(("", "2"), own.values(), model.branches.values(), strict=False):
        found |= {f"loss.branch{number}": loss, f"grad.bias{number}": branch.logits.grad}
    inputs.met({**found, **subtracted(model, output), "loss": terms["loss"], "loss.fused": terms["debiased"],
                "loss.kl": terms["alignment"]}, case)


@pytest.mark.parametrize("variant, name, precision", cases("muldef"))
def test_muldef(variant, name, precision):
    inputs, case = Inputs(name, precision), expected("muldef", variant, name)
    fusion, *form = variant.split(".", 2)
    base, task, align = map(float, form[-1].removeprefix("weights_").split("_")) if form else (1.0, 1.0, 1.0)
    model = given("muldef", inputs, "three_branches", muldef_fusion=fusion, muldef_constant=case["constant"],
                  muldef_base=base, muldef_task=task, muldef_alignment=align)
    layer = dict(model.layer.named_parameters()) if fusion == "fc" else {}
    for part, value in layer.items():
        fill(value, inputs, f"fc.{part}")
    terms, output, _ = step(model, inputs)
    found = subtracted(model, output) | {f"grad.logits.{one[0]}": branch.logits.grad
                                         for one, branch in model.branches.items()}
    found |= {f"grad.parameter.fc.{part}": value.grad for part, value in layer.items()}
    # The published fc never moves its constant; ours does, see the docstring of MulDef.
    inputs.met({**found, "loss": terms["loss"], "loss.ce": terms["task"], "loss.kl": terms["alignment"]}, case,
               ("grad.parameter.constant",) if fusion == "fc" else ())
    assert fusion != "fc" or case["grad.parameter.constant"] == 0 and model.constant.grad.abs() > 1e-6


@pytest.mark.parametrize("variant, name, precision", cases("gge"))
def test_greedy_gradient_ensemble(variant, name, precision):
    inputs, (form, which, *rest) = Inputs(name, precision), variant.split(".")
    case, labels = expected("gge", variant, name), F.one_hot(inputs.labels(), inputs.classes).to(precision)
    if which == "sum_probs":  # the public `joint` mode
        branches = [inputs.logits(letter).detach() for letter in LETTER]
        reference = sum(one.softmax(-1) if form == "softmax" else one.sigmoid() for one in branches)
        loss = greedy_loss(form, inputs.logits("m"), left_over(form, reference, labels))
    elif which == "q_bias":  # what the public code does: the bias learns through the reference, too
        bias = inputs.logits(rest[0])
        loss = greedy_loss(form, bias, labels) + greedy_loss(form, inputs.logits("m"), left_over(form, bias, labels))
    else:
        model = given("gge", inputs, "sum" if which == "chain" else which, gge_form=form)
        terms, *_ = step(model, inputs)
        found = {"grad.logits.m": model.backbone.logits.grad, "loss": terms["backbone"]}
        if which == "chain":
            found |= {"loss": terms["loss"], "loss.m": terms["backbone"]}
            found |= {f"loss.{name[0]}": terms[name] for name in LETTER.values()}
            found |= {f"grad.logits.{one[0]}": branch.logits.grad for one, branch in model.branches.items()}
        inputs.met(found, case)
        return
    loss.backward()
    inputs.met({"loss": loss}, case)
