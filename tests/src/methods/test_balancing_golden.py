"""The balancing rules give the numbers of the published code: coefficients, gradients, weights."""

from itertools import combinations

import pytest
import torch
import torch.nn.functional as F

from src.methods import agm, cggm, gblend, mmpareto, ogm_ge, relearn
from src.shapley import shapley_values
from src.structures import LETTER
from tests.golden import normal
from tests.methods_golden import CONTENT, Inputs, cases, close, expected


@pytest.mark.parametrize("variant, name, precision", cases("ogm"))
def test_ogm(variant, name, precision):
    inputs, (names, *rest) = Inputs(name, precision), variant.split(".", 1)
    strength, _, form = rest[0].replace("alpha0.", "alpha0_").partition(".")
    alpha = float(strength.removeprefix("alpha").replace("_", "."))
    letters, labels = names.split("+"), inputs.labels()
    towers = {letter: torch.eye(inputs.classes, dtype=precision, requires_grad=True) for letter in letters}
    shown = {letter: inputs.logits(letter).detach() @ towers[letter].T for letter in letters}
    loss = F.cross_entropy(sum(shown.values()), labels)
    loss.backward()
    scores = torch.stack([ogm_ge.true_class_score(rows.detach(), labels) for rows in shown.values()])
    ratios = ogm_ge.score_ratios(scores, form or "mean_of_ratios")
    factors = ogm_ge.slowing(ratios, alpha)
    found = {"loss": loss}
    for number, letter in enumerate(letters):
        gradient = towers[letter].grad
        found |= {f"score.{letter}": scores[number], f"ratio.{letter}": ratios[number],
                  f"coefficient.{letter}": factors[number], f"grad.tower.{letter}": factors[number] * gradient,
                  f"noise_std.{letter}": ogm_ge.noise_deviation(gradient)}
    inputs.met(found, expected("ogm", variant, name))


@pytest.mark.parametrize("variant, name, precision", cases("agm"))
def test_agm(variant, name, precision):
    inputs, case = Inputs(name, precision), expected("agm", variant, name)
    names, strength, cap = variant.replace("alpha0.", "alpha0_").split(".")
    letters, labels = tuple(names.split("+")), inputs.labels()
    alpha = float(strength.removeprefix("alpha").replace("_", "."))
    cap = float("inf") if cap == "nocap" else float(cap.removeprefix("cap"))
    logits = {frozenset(group): inputs.logits("m" if len(group) == len(letters) else "".join(group))
              for size in range(1, len(letters) + 1) for group in combinations(letters, size)}
    own = shapley_values(logits, letters)
    before = torch.tensor([1.2 + 0.4 * normal(f"running.{letter}", ()) for letter in letters]).float().to(precision)
    floor = agm.FLOOR if len(letters) == 2 else -float("inf")  # the public script for three has none
    scores = torch.stack([agm.share_score(share.detach(), labels, floor) for share in own.values()])
    ratios, references = agm.exceeding(scores), agm.exceeding(before)
    factors, after = agm.adaptive_factors(ratios, references, alpha, cap), agm.running_mean(before, scores, 2)
    for share, factor in zip(own.values(), factors, strict=True):
        share.register_hook(lambda gradient, factor=factor: factor * gradient)
    loss = F.cross_entropy(sum(own.values()), labels)
    loss.backward()
    found = {"loss": loss, **{f"unimodal.{letter}": share for letter, share in own.items()}}
    for key, values in (("score", scores), ("ratio", ratios), ("running_ratio", references), ("coefficient", factors),
                        ("running_before", before), ("running_after", after)):
        found |= {f"{key}.{letter}": value for letter, value in zip(letters, values, strict=True)}
    inputs.met(found, case)


@pytest.mark.parametrize("variant, name, precision", cases("mmpareto"))
def test_mmpareto(variant, name, precision):
    inputs, (kind, names) = Inputs(name, precision), variant.split(".")
    found = {}
    for letter in names.split("+"):
        joint, own = ([inputs.normal(f"grad.{letter}.{which}.{tensor}", shape).detach()
                       for tensor, shape in (("weight", (3, 4)), ("bias", (3,)))] for which in ("mm", "uni"))
        factor, share = {"free": (1, 0), "agree": (1, 1), "conflict": (1, -1), "large_conflict": (20, -10)}[kind]
        own = [factor * u + share * g for g, u in zip(joint, own, strict=True)]
        flat = [torch.cat([one.flatten() for one in gradients]) for gradients in (joint, own)]
        weight, bias = mmpareto.combined_gradients(joint, own, 1.5)
        found |= {f"cosine.{letter}": F.cosine_similarity(*flat, dim=0), f"grad.{letter}.weight": weight,
                  f"weights.{letter}": mmpareto.pareto_weights(*flat), f"grad.{letter}.bias": bias}
    inputs.met(found, expected("mmpareto", variant, name))


@pytest.mark.parametrize("variant, name, precision", cases("min_norm"))
def test_shortest_combination(variant, name, precision):
    inputs, case = Inputs(name, precision), expected("min_norm", variant, name)
    gradients = torch.stack([float(term[:-1] or 1) * inputs.normal(f"grad.{term[-1]}", (6,)).detach()
                             for term in variant.split("+")])
    weights = mmpareto.shortest_weights(gradients)
    close(weights, case["exact_weights"], precision, "exact_weights")
    close(weights, case["weights"], torch.float32, "weights") if len(weights) == 2 and weights.min() > 0 else None
    # The public solver is iterative and keeps its weights in [0.001, 0.999], so it may find a longer combination.
    assert (weights @ gradients).square().sum().item() <= case["squared_norm"] * (1 + 1e-6)


@pytest.mark.parametrize("variant, name, precision", cases("cggm"))
def test_cggm(variant, name, precision):
    inputs, case = Inputs(name, precision), expected("cggm", variant, name)
    rho, weight = (float(word.strip("abcdefghijklmnopqrstuvwxyz")) for word in
                   variant.replace(".lamda", " lamda").split(" "))
    width, hidden = CONTENT["cggm_D"][variant], inputs.sizes["H"]
    encoders = {letter: inputs.parameter(f"encoder.{letter}.weight", (hidden, width)) for letter in LETTER}
    classifiers = {letter: inputs.parameter(f"classifier.{letter}.weight", (inputs.classes, hidden)).detach()
                   for letter in LETTER}
    out = inputs.parameter("out_layer.weight", (inputs.classes, hidden))
    accuracies, direction, found = torch.zeros(3, dtype=precision), 0, {}
    for step in range(3):
        labels = inputs.labels(f"labels.{step}")
        states = {letter: inputs.normal(f"input.{letter}.{step}", (inputs.count, width)).detach() @ encoders[letter].T
                  for letter in LETTER}
        loss = F.cross_entropy(sum(states.values()) @ out.T, labels) + weight * direction
        *gradients, outer = torch.autograd.grad(loss, [*encoders.values(), out])
        correct = torch.stack([cggm.correct_count(states[letter] @ classifiers[letter].T, labels) for letter in LETTER])
        latest = correct.to(precision) / inputs.count
        balances = cggm.balance(latest - accuracies)
        accuracies, direction = latest, cggm.direction_loss(balances, classifiers, out)
        found |= {f"{step}.loss": loss, f"{step}.accuracy": latest, f"{step}.coefficient": balances,
                  f"{step}.l_gm": direction, f"{step}.grad.out_layer": outer,
                  f"{step}.cosine": torch.stack([F.cosine_similarity(one.flatten(), out.flatten(), dim=0)
                                                 for one in classifiers.values()]),
                  **{f"{step}.grad.encoder.{letter}": rho * balance * gradient
                     for letter, balance, gradient in zip(LETTER, balances, gradients, strict=True)}}
    inputs.met(found, case)


@pytest.mark.parametrize("variant, name, precision", cases("gblend"))
def test_gblend(variant, name, precision):
    inputs, case = Inputs(name, precision), expected("gblend", variant, name)
    names = ("t", "a", "v", "m")
    losses = torch.tensor([case[f"losses.{letter}"] for letter in names], dtype=precision).T
    merit = gblend.blending_merit(variant, losses[[0, 2]], losses[[1, 3]])
    weights = gblend.blending_weights(merit, torch.full_like(merit, 0.25))
    inputs.met({f"{key}.{letter}": value for key, values in (("raw", merit), ("weight", weights), ("losses", losses.T))
                for letter, value in zip(names, values, strict=True)}, case)


@pytest.mark.parametrize("variant, name, precision", cases("relearn"))
def test_relearn(variant, name, precision):
    inputs, case = Inputs(name, precision), expected("relearn", variant, name)
    names, scale = variant.split(".lambda")
    found = {}
    for letter in names.split("+"):
        purities = [relearn.purity(inputs.labels(f"clusters.{split}.{letter}"), inputs.labels(labels))
                    for split, labels in (("train", "labels"), ("val", "labels.val"))]
        strength = relearn.relearning_strength(*purities, float(scale))
        now, first = (inputs.parameter(f"{when}.{letter}", (2, 3)).detach() for when in ("now", "init"))
        found |= {f"purity.train.{letter}": purities[0], f"purity.val.{letter}": purities[1],
                  f"strength.{letter}": strength, f"weight_after.{letter}": relearn.pulled(now, first, strength)}
    inputs.met(found, case)
