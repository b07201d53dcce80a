"""The network of two layers inside transformers."""

import torch
from torch import nn

from modules.feed_forward import feed_forward
from tests.conftest import nodes_of


def test_every_frame_passes_both_layers_by_itself():
    expand, contract = nn.Linear(2, 3), nn.Linear(3, 2)
    with torch.no_grad():
        expand.weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, -1.0]]))
        contract.weight.copy_(torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 10.0]]))
        expand.bias.zero_()
        contract.bias.copy_(torch.tensor([0.5, 0.0]))
    x = torch.tensor([[[1.0, 2.0], [-3.0, 4.0]], [[-1.0, -1.0], [0.0, 0.0]]])
    found = feed_forward(x, expand, contract, 0.0, True)
    assert found.tolist() == [[[1.5, 2.0], [0.5, 4.0]], [[0.5, 20.0], [0.5, 0.0]]]


def test_dropout_leaves_its_multiples_between_the_layers():
    torch.manual_seed(0)
    layer = nn.Linear(4, 4, bias=False)
    nn.init.eye_(layer.weight)
    found = feed_forward(torch.ones(3, 5, 4), layer, layer, 0.5, True)
    assert set(found.flatten().tolist()) == {0.0, 2.0}


def test_no_gradient_is_copied_for_relu_in_its_place():
    x = torch.randn(2, 3, 4, requires_grad=True)
    nodes = nodes_of(feed_forward(x, nn.Linear(4, 8), nn.Linear(8, 4), 0.0, True))
    assert "ReluBackward0" in nodes and "CopySlices" not in nodes
