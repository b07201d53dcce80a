"""The losses of decoupled distilling against hand-worked numbers and a plain loop."""

import pytest
import torch

from modules.distillation import GraphDistillation, margin_loss, positive_cosine


def looped_margin_loss(vectors: torch.Tensor, distances: torch.Tensor, margin: float = 0.15) -> torch.Tensor:
    """The same loss over explicit triples."""
    count, anchors = len(vectors), []
    cosine = torch.nn.functional.cosine_similarity
    for i in range(count):
        hinges = [torch.relu(margin * distances[i, n] - cosine(vectors[i], vectors[p], 0)
                             + cosine(vectors[i], vectors[n], 0))
                  for p in range(count) if p != i and distances[i, p] == 0
                  for n in range(count) if distances[i, n] > 0]
        if hinges:
            anchors.append(torch.stack(hinges).mean())
    return torch.stack(anchors).mean() if anchors else torch.zeros(())


@pytest.mark.parametrize("seed", range(6))
def test_the_margin_loss_and_its_gradient_equal_those_of_the_loop(seed):
    generator = torch.Generator().manual_seed(seed)
    samples, width = 2 + seed, 5
    labels = torch.randint(-3, 4, (samples,), generator=generator).repeat(3) / 3
    distances = (labels.unsqueeze(1) - labels).abs()
    vectors = torch.randn(3 * samples, width, generator=generator)
    results = []
    for loss in (margin_loss, looped_margin_loss):
        found = vectors.clone().requires_grad_()
        value = loss(found, distances)
        results.append((value.detach(), torch.autograd.grad(value, found)[0] if value.requires_grad else found * 0))
    torch.testing.assert_close(results[0][0], results[1][0], atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(results[0][1], results[1][1], atol=1e-6, rtol=1e-4)


def test_the_margin_loss_of_one_pair_and_one_stranger_is_as_worked_by_hand():
    vectors = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
    distances = torch.tensor([[0.0, 0, 2], [0, 0, 2], [2, 2, 0]])
    # Anchor 0: 0.15 * 2 - 0 + 1 = 1.3; anchor 1: 0.3 - 0 + 0 = 0.3; anchor 2 has no partner.
    assert margin_loss(vectors, distances).item() == pytest.approx(0.8, abs=1e-6)


@pytest.mark.parametrize("distances", [torch.zeros(3, 3), 1 - torch.eye(3)])
def test_the_margin_loss_is_zero_where_no_anchor_has_both_kinds(distances):
    vectors = torch.randn(3, 4, requires_grad=True)
    loss = margin_loss(vectors, distances)
    assert loss.item() == 0
    assert torch.autograd.grad(loss, vectors)[0].abs().sum() == 0


def test_the_positive_cosine_lets_opposite_vectors_alone_and_survives_zeros():
    first = torch.tensor([[1.0, 0], [1, 0], [1, 1], [0, 0]], requires_grad=True)
    second = torch.tensor([[1.0, 0], [-1, 0], [1, 0], [1, 0]])
    found = positive_cosine(first, second)
    torch.testing.assert_close(found, torch.tensor([1, 0, 0.5 ** 0.5, 0]))
    assert torch.autograd.grad(found.sum(), first)[0].isfinite().all()


def graph(**options) -> GraphDistillation:
    torch.manual_seed(0)
    return GraphDistillation(2, 4, 3, 3, ((1, 0), (2, 0)), **options)


def test_the_edges_of_a_sample_sum_to_one():
    edges = graph()(torch.randn(3, 5, 2), torch.randn(3, 5, 4)).edges
    assert edges.shape == (6, 5)
    torch.testing.assert_close(edges.sum(0), torch.ones(5))


def test_the_prior_favours_the_preferred_edges():
    preferred, other = graph().prior[[2, 4]], graph().prior[[0, 1, 3, 5]]  # (1, 0) and (2, 0) of (0, 1), (0, 2), ...
    torch.testing.assert_close(preferred / other[:2], torch.full((2,), 4.0).exp())


@pytest.mark.parametrize("separate", [False, True])
def test_equal_vertices_have_nothing_to_distil_but_states_that_must_separate(separate):
    found = graph(separate_states=separate)(torch.ones(3, 5, 2), torch.ones(3, 5, 4))
    assert found.logits.item() == 0
    # Weights are edges plus prior, which sum to 1 each; the cosine is 1 everywhere; its weight is 10.
    assert found.states.item() == pytest.approx(20 if separate else 0)


def test_distances_sum_over_all_outputs():
    logits = torch.zeros(3, 5, 2)
    logits[0] = 1.0  # only vertex 0 differs, by 1 in both outputs: four of the six edges have distance 2
    layer = graph()
    torch.nn.init.zeros_(layer.edge.weight)  # all edges 1/6
    found = layer(logits, torch.zeros(3, 5, 4))
    weights = 1 / 6 + layer.prior
    assert found.logits.item() == pytest.approx(2 * weights[[0, 1, 2, 4]].sum().item(), rel=1e-5)


def test_a_teacher_learns_nothing_from_its_student():
    layer = graph()
    torch.nn.init.zeros_(layer.edge.weight)  # else gradients also flow through the edges
    layer.prior.copy_(torch.tensor([-1 / 6, -1 / 6, 1, -1 / 6, -1 / 6, -1 / 6]))  # only the edge (1, 0) counts
    logits = torch.randn(3, 5, 2, requires_grad=True)
    gradient = torch.autograd.grad(layer(logits, torch.zeros(3, 5, 4)).logits, logits)[0]
    assert [bool(row.any()) for row in gradient] == [False, True, False]
