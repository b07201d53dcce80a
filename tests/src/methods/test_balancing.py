"""The balancing methods change what belongs to single modalities, and nothing that they should leave alone."""

import csv

import pytest
import torch

import main
from src.build import build_model
from src.config import parse_config
from src.configured import warnings
from src.methods import cggm, gblend, mmpareto, ogm_ge, relearn
from src.methods.base import Look
from src.registry import BACKBONES
from src.shapley import shapley_values
from src.structures import MODALITIES, Batch, InputError
from src.tasks import make_task
from tests.src.methods.test_contract import INFO, batch, small

TASK = make_task("classes:3")
BALANCING = ("ogm_ge", "agm", "mmpareto", "cggm", "gblend", "relearn")
DROPOUTS = ("attn_dropout", "relu_dropout", "embed_dropout", "res_dropout", "out_dropout")


def built(method, backbone="mult", *words):
    """A small model in training, and a batch."""
    plain = [word for name in DROPOUTS for word in (f"--{name}", "0")]
    plain += ["--text_dropout", "0"] * (backbone == "dmd")
    torch.manual_seed(0)
    model = build_model(small("--backbone", backbone, "--method", method, *plain, *words), INFO).train()
    return model, batch(12)


def look_of(model, given):
    """A look at a split of one batch; in validation all labels are one."""
    def look(split):
        with torch.no_grad():
            values = model.eval()(given).per_sample()
        model.train()
        return Look(values, given.labels if split == "train" else 0 * given.labels)
    return look


def backward(model, given):
    """The output of one backward pass."""
    model.zero_grad()
    output = model(given)
    model.loss(output, given, TASK)["loss"].backward()
    return output


def of_modalities(model, gradients):
    """Copies of the tensors of every modality, or of their gradients."""
    return {name: [(one.grad if gradients else one).detach().clone() for one in weights]
            for name, weights in model.backbone.modality_parameters().items()}


@torch.no_grad()
def moved(model):
    """Move all that belongs to modalities by one."""
    for weight in (one for weights in model.backbone.modality_parameters().values() for one in weights):
        weight.add_(1)


def effect(method, model, given):
    """Tensors of the modalities, or their gradients, as they would be without the method, and with it."""
    look = look_of(model, given)
    model.before_epoch(1, look, TASK)
    if method == "relearn":
        moved(model)
        before = of_modalities(model, False)
        model.before_epoch(2, look, TASK)
        return before, of_modalities(model, False)
    if method == "agm":
        output = backward(model, given)
        after = of_modalities(model, True)
        model.zero_grad()
        output = model(given)
        own = shapley_values(output.padded | {frozenset(MODALITIES): output.logits}, MODALITIES)
        (TASK.loss(sum(own.values()), TASK.targets(given.labels))
         + model.auxiliary_loss(output.backbone, given.labels, TASK)).backward()
        return of_modalities(model, True), after
    output = backward(model, given)
    before = of_modalities(model, True)
    if method == "gblend":
        torch.optim.SGD(model.parameters(), lr=0.01).step()  # something is learnt, so that there are merits
        backward(model, given)
        before = of_modalities(model, True)
        model.before_epoch(2, lambda split: look("train"), TASK)
        backward(model, given)
        return before, of_modalities(model, True)
    if method == "cggm":
        model.before_epoch(2, look, TASK)
        output = backward(model, given)
        before = of_modalities(model, True)
    model.before_step(output, given, TASK)
    return before, of_modalities(model, True)


@pytest.mark.parametrize("backbone", BACKBONES)
@pytest.mark.parametrize("method", BALANCING)
def test_a_method_changes_tensors_of_every_modality(method, backbone):
    every = {"gblend": ["--gblend_every", "1"], "relearn": ["--relearn_every", "1"]}.get(method, [])
    before, after = effect(method, *built(method, backbone, *every))
    for name in MODALITIES:
        changed = [not torch.allclose(one, other, atol=1e-9) for one, other in
                   zip(before[name], after[name], strict=True)]
        assert any(changed), name


@pytest.mark.parametrize("backbone", BACKBONES)
def test_what_belongs_to_a_modality_is_in_one_list_only_and_reaches_its_state(backbone):
    model, given = built("mmpareto", backbone)
    own, states = model.backbone.modality_parameters(), model(given).backbone.states
    listed = [one for weights in own.values() for one in weights]
    assert len({id(one) for one in listed}) == len(listed) and {id(p) for p in model.backbone.parameters()} >= {
        id(one) for one in listed}
    names = {id(weight): name for name, weight in model.backbone.named_parameters()}
    assert {name: state.size(1) for name, state in states.items()} == model.backbone.state_widths
    for name in MODALITIES:
        found = torch.autograd.grad(states[name].square().sum(), own[name], allow_unused=True, retain_graph=True)
        unseen = [names[id(one)] for one, gradient in zip(own[name], found, strict=True) if gradient is None]
        assert all(one.startswith("gates.") for one in unseen)  # those stand behind the state


def test_what_reads_for_text_has_no_part_in_the_other_states_of_mult():
    model, given = built("mmpareto")
    states, names = model(given).backbone.states, {id(p): name for name, p in model.backbone.named_parameters()}
    own = model.backbone.modality_parameters()["text"]
    found = torch.autograd.grad(states["audio"].square().sum(), own, allow_unused=True)
    assert {names[id(one)] for one, gradient in zip(own, found, strict=True) if gradient is not None} == {
        "projections.text.weight"}  # audio reads text's frames


def test_a_single_target_leaves_no_states_to_balance():
    with pytest.raises(InputError, match="text as the only target of MulT"):
        built("ogm_ge", "mult", "--lonly")
    assert built("agm", "mult", "--lonly")


@pytest.mark.parametrize("method", ("ogm_ge", "cggm"))
def test_watching_heads_leave_no_gradient_in_the_backbone(method):
    model, given = built(method)
    sum(model.head_losses(model(given), given, TASK).values()).backward()
    assert all(one.grad is None for one in model.backbone.parameters())
    assert all(one.grad.any() for one in model.heads.parameters())


def test_ogm_slows_the_modality_that_is_ahead_and_stays_finite_at_score_zero():
    ratios = ogm_ge.score_ratios(torch.tensor([3.0, 2.0, 1.0]))
    torch.testing.assert_close(ratios, torch.tensor([(1.5 + 3) / 2, (2 / 3 + 2) / 2, (1 / 3 + 1 / 2) / 2]))
    factors = ogm_ge.slowing(ratios, 0.3)
    assert factors[2] == 1 and factors[0] == pytest.approx(1 - torch.tanh(torch.tensor(0.675)).item())
    for form in ogm_ge.FORMS:
        assert ogm_ge.slowing(ogm_ge.score_ratios(torch.tensor([2.0, 0.0, 0.0]), form), 0.3).isfinite().all()
    assert ogm_ge.noise_deviation(torch.tensor([4.0])).item() == pytest.approx(1e-8)


def test_ogm_without_noise_multiplies_gradients_and_with_it_draws_from_the_seeded_stream():
    model, given = built("ogm_ge", "mult", "--no-ogm_noise")
    output = backward(model, given)
    before = of_modalities(model, True)
    model.before_step(output, given, TASK)
    after = of_modalities(model, True)
    scores = torch.stack([ogm_ge.true_class_score(one, TASK.targets(given.labels))
                          for one in output.head_logits.values()])
    for name, factor in zip(MODALITIES, ogm_ge.slowing(ogm_ge.score_ratios(scores), 0.3), strict=True):
        torch.testing.assert_close(after[name], [factor * one for one in before[name]])
    noisy = []
    for _ in range(2):
        model, given = built("ogm_ge")
        model.before_step(backward(model, given), given, TASK)
        noisy.append(of_modalities(model, True))
    assert all(torch.equal(one, other) for name in MODALITIES for one, other in zip(*(run[name] for run in noisy),
                                                                                      strict=True))


def test_ogm_leaves_gradients_alone_after_its_epochs():
    model, given = built("ogm_ge", "mult", "--ogm_epochs", "1")
    model.before_epoch(2, look_of(model, given), TASK)
    output = backward(model, given)
    before = of_modalities(model, True)
    model.before_step(output, given, TASK)
    torch.testing.assert_close(of_modalities(model, True), before, rtol=0, atol=0)


@pytest.mark.parametrize("backbone", BACKBONES)
def test_agm_has_the_plain_loss_and_looks_at_missing_inputs_in_its_training_epochs_only(backbone):
    model, given = built("agm", backbone)
    plain, _ = built("plain", backbone)
    seen = []
    model.backbone.register_forward_hook(lambda module, inputs, output: seen.append((module.training,
                                                                                     len(output.logits))))
    output = model(given)
    torch.testing.assert_close(model.loss(output, given, TASK)["loss"], plain.loss(plain(given), given, TASK)["loss"])
    assert seen == [(True, 12), (False, 72)] and model.backbone.training and model.steps == 1
    missing = Batch(given.inputs | {"text": torch.zeros_like(given.inputs["text"])}, None)
    torch.testing.assert_close(output.padded[frozenset({"audio", "vision"})], model.eval()(missing).logits)
    model.train().before_epoch(21, look_of(model, given), TASK)
    assert not model(given).padded and model.steps == 1


def test_mmpareto_takes_the_joint_loss_and_the_own_head_for_the_two_tasks_of_a_modality():
    model, given = built("mmpareto")
    output = backward(model, given)
    own = model.backbone.modality_parameters()["audio"]
    model.before_step(output, given, TASK)
    after = [one.grad for one in own]
    output = model(given)
    joint = torch.autograd.grad(TASK.loss(output.logits, TASK.targets(given.labels)), own, retain_graph=True)
    head = torch.autograd.grad(TASK.loss(output.head_logits["audio"], TASK.targets(given.labels)), own)
    torch.testing.assert_close(after, mmpareto.combined_gradients(joint, head, 1.5), rtol=1e-4, atol=1e-6)


def test_mmpareto_keeps_a_tensor_whose_weighted_gradients_cancel_out():
    g, u = torch.tensor([1.0, 0.0]), torch.tensor([-2.0, 0.0])
    torch.testing.assert_close(mmpareto.combined_gradients([g], [u], 1.5)[0], 1.5 * (g + u))
    assert torch.equal(mmpareto.combined_gradients([0 * g], [0 * u], 1.5)[0], torch.zeros(2))


def test_cggm_bounds_what_published_explodes():
    unmoved = torch.tensor([0.5, -0.25, -0.25])
    assert cggm.balance(unmoved).abs().max() > 1e6
    torch.testing.assert_close(cggm.bounded_balance(unmoved), torch.full((3,), 2 / 3))
    torch.testing.assert_close(cggm.bounded_balance(torch.tensor([0.3, 0.1, 0.0])), torch.tensor([0.25, 0.75, 1.0]))
    torch.testing.assert_close(cggm.bounded_balance(torch.tensor([0.4, -0.3, 0.0])), torch.tensor([0.0, 2.0, 1.0]))


def test_cggm_compares_the_accuracies_of_whole_epochs():
    model, given = built("cggm")
    look = look_of(model, given)
    model.before_epoch(1, look, TASK)
    for _ in range(2):
        output = backward(model, given)
    with torch.no_grad():
        model.loss(output, given, TASK)  # validation is not counted
    assert model.seen == 24 and model.factors.tolist() == [1, 1, 1] and not model.balances.any()
    accuracies = model.correct / 24
    model.before_epoch(2, look, TASK)
    torch.testing.assert_close(model.factors, 1.3 * cggm.bounded_balance(accuracies))
    assert model.seen == 0 and torch.equal(model.accuracies, accuracies)


def test_gblend_gives_no_weight_to_what_got_worse_and_floors_what_it_divides_by():
    train = torch.tensor([[1.0, 1.0, 1.0], [0.5, 0.5, 0.5]])
    valid = torch.tensor([[1.0, 1.0, 1.0], [0.5, 0.75, 1.5]])
    merit = gblend.blending_merit("improvement", train, valid)
    torch.testing.assert_close(merit, torch.tensor([0.5 / 1e-6, 0.25 / 0.25 ** 2, 0.0]))
    before = torch.tensor([0.2, 0.3, 0.5])
    torch.testing.assert_close(gblend.blending_weights(merit, before).sum(), torch.tensor(1.0))
    assert torch.equal(gblend.blending_weights(torch.zeros(3), before), before)


def test_gblend_estimates_once_every_super_epoch():
    model, given = built("gblend", "mult", "--gblend_every", "2")
    looks, look = [], look_of(model, given)
    for number in range(1, 6):
        model.before_epoch(number, lambda split: looks.append(split) or look(split), TASK)
        assert model.weights.sum().item() == pytest.approx(1)
    assert looks == ["train", "valid"] * 3
    model.weights.copy_(torch.tensor([0.0, 0.0, 0.0, 1.0]))
    terms = model.loss(model(given), given, TASK)
    assert terms["loss"].item() == pytest.approx(terms["joint"].item())


def test_a_run_too_short_for_its_first_diagnosis_is_remarked():
    def remarks(*words):
        return warnings([parse_config(["--method", "relearn", *words])])
    assert "diagnoses first after epoch 20, so that 20 epochs are plain training" in remarks("--num_epochs", "20")[0]
    assert not remarks("--num_epochs", "21") and not remarks("--num_epochs", "4", "--relearn_every", "3")


def test_relearn_pulls_to_the_first_weights_by_the_difference_of_purities():
    model, given = built("relearn", "mult", "--relearn_every", "2", "--relearn_times", "1")
    moved(model)  # as by --init
    model.prepare(None, TASK)
    first = of_modalities(model, False)
    moved(model)
    look = look_of(model, given)
    strength = {}
    for name in MODALITIES:
        purities = [relearn.purity(relearn.cluster(look(split).values[f"state_{name}"], 3),
                                   relearn.sample_classes(look(split).labels, TASK)) for split in ("train", "valid")]
        strength[name] = relearn.relearning_strength(*purities, 3.0).item()
    assert any(strength.values())
    for number in range(1, 7):  # only before epoch 3
        model.before_epoch(number, look, TASK)
    for name, weights in of_modalities(model, False).items():
        torch.testing.assert_close(weights, [one + 1 - strength[name] for one in first[name]], rtol=0, atol=1e-5)


def test_clusters_of_separate_classes_are_pure_and_several_labels_are_one_class():
    classes = torch.arange(30) % 3
    states = torch.nn.functional.one_hot(classes, 4).float() * torch.tensor([1.0, 100.0, 1.0, 1.0])
    assert relearn.purity(relearn.cluster(states, 3), classes) == 1
    emotions = make_task("emotion4")
    pairs = torch.eye(2)[torch.tensor([[0, 0, 0, 1], [1, 0, 0, 0], [0, 0, 0, 1]])]
    assert relearn.sample_classes(pairs, emotions).tolist() == [0, 1, 0]


@pytest.mark.parametrize("method, words", [
    ("ogm_ge", ()), ("agm", ()), ("cggm", ()), ("gblend", ("--gblend_every", "1")),
    ("relearn", ("--relearn_every", "1"))])
def test_a_resumed_run_equals_one_without_a_break(tiny, tmp_path, method, words):
    def run(name, *more):
        assert main.main([*tiny, "--method", method, *words, "--relu_dropout", "0.2", "--checkpoint_path",
                          str(tmp_path / name), *more]) == 0
        return tmp_path / name / "checkpoint(synthetic)" / "demo_seed1111" / f"mult-{method}"

    whole = run("whole")
    run("cut", "--num_epochs", "1")
    cut = run("cut", "--resume")
    first, second = (torch.load(path / "last.pt", weights_only=True)["model"] for path in (whole, cut))
    assert first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)
    rows = [[{key: value for key, value in row.items() if key != "seconds"} for row in csv.DictReader(
        (path / "history.csv").open())] for path in (whole, cut)]
    assert rows[0] == rows[1] and len(rows[0]) == 2
