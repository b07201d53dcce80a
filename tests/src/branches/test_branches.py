"""Every registered branch, and what is particular to ALBERT and ResNet-18."""

from dataclasses import replace

import pytest
import torch

from src.branches.albert import AlbertBranch, AlbertOptions
from src.branches.resnet import ResNetBranch, ResNetOptions
from src.registry import BRANCHES
from src.structures import InputError
from tests.conftest import nodes_of

SMALL = AlbertOptions(text_init="random", albert_layers=2, albert_hidden=16, albert_heads=2, albert_intermediate=32,
                      albert_embedding=8)


@pytest.mark.parametrize("name", BRANCHES)
def test_a_branch_turns_a_sequence_into_logits_of_its_own_row(name):
    cls = BRANCHES[name]
    branch = cls(6, 9, 5, SMALL if name == "albert" else cls.Options(), False).eval()
    sequence = torch.randn(3, 9, 6)
    logits = branch(sequence)
    assert logits.shape == (3, 5)
    torch.testing.assert_close(branch(sequence[1:2]), logits[1:2], atol=1e-5, rtol=1e-4)


def test_parameter_counts_are_the_published_ones():
    albert = AlbertBranch(300, 20, 8, AlbertOptions(text_init="random"), False)
    resnet = ResNetBranch(74, 20, 8, ResNetOptions(), False)
    assert [sum(p.numel() for p in b.parameters()) for b in (albert, resnet)] == [11_728_264, 11_174_344]


def test_pretrained_albert_is_read_from_a_folder(tmp_path):
    source = AlbertBranch(6, 9, 5, SMALL, False)
    source.albert.save_pretrained(tmp_path)
    options = AlbertOptions(**{**vars(SMALL), "text_init": "pretrained", "text_pretrained": str(tmp_path)})
    loaded = AlbertBranch(6, 9, 5, options, True).albert.state_dict()
    assert all(torch.equal(value, loaded[name]) for name, value in source.albert.state_dict().items())


def test_a_folder_with_the_published_activation_is_read(tmp_path):
    AlbertBranch(6, 9, 5, SMALL, False).albert.save_pretrained(tmp_path)
    path = tmp_path / "config.json"
    path.write_text(path.read_text().replace("gelu_pytorch_tanh", "gelu_new"))
    AlbertBranch(6, 9, 5, replace(SMALL, text_init="pretrained", text_pretrained=str(tmp_path)), True)


def test_alberts_activation_is_the_published_one_by_tanh():
    activation = AlbertBranch(6, 9, 5, SMALL, False).albert.encoder.albert_layer_groups[0].albert_layers[0].activation
    assert nodes_of(activation(torch.ones(1, requires_grad=True))) == {"GeluBackward0", "AccumulateGrad"}
    # 0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))
    expected = torch.tensor([-0.158808, 0.0, 0.841192, 1.954598])
    torch.testing.assert_close(activation(torch.tensor([-1.0, 0.0, 1.0, 2.0])), expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("frames, bfloat16, fused", [(128, True, False), (129, True, True), (128, False, True)])
def test_alberts_attention_is_by_plain_products_where_those_are_faster(frames, bfloat16, fused):
    branch = AlbertBranch(6, frames, 5, SMALL, False).train()
    with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
        nodes = nodes_of(branch(torch.randn(2, frames, 6)))
    assert any(name.startswith("ScaledDotProduct") for name in nodes) == fused


def test_pretrained_weights_of_other_sizes_name_the_flags_to_pass(tmp_path):
    AlbertBranch(6, 9, 5, SMALL, False).albert.save_pretrained(tmp_path)
    with pytest.raises(InputError, match="pass --albert_layers 2 --albert_hidden 16"):
        AlbertBranch(6, 9, 5, AlbertOptions(text_pretrained=str(tmp_path)), True)


def test_without_network_one_sentence_says_what_to_do(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(InputError, match="--text_pretrained PATH, or start without them with --text_init random"):
        AlbertBranch(6, 9, 5, AlbertOptions(text_pretrained="nobody/such-weights"), True)


def test_a_text_longer_than_alberts_positions_is_refused():
    with pytest.raises(InputError, match="513 frames, more than the 512 positions"):
        AlbertBranch(6, 513, 5, SMALL, False)


def test_heads_that_do_not_divide_alberts_width_are_refused():
    with pytest.raises(InputError, match="--albert_heads 5 does not divide --albert_hidden 768"):
        AlbertOptions(albert_heads=5)


def test_the_first_convolution_of_resnet_starts_as_published():
    torch.manual_seed(0)
    weight = ResNetBranch(74, 20, 8, ResNetOptions(), False).resnet.embedder.embedder.convolution.weight
    # Uniform in +-1/sqrt(7 * 7): deviation 1 / (7 sqrt 3).
    assert weight.abs().max() <= 1 / 7 and weight.std().item() == pytest.approx(0.0825, abs=0.003)


def test_weights_with_another_activation_or_dropout_name_the_flags_to_pass(tmp_path):
    other = AlbertOptions(**{**vars(SMALL), "albert_activation": "relu", "albert_dropout": 0.25})
    AlbertBranch(6, 9, 5, other, False).albert.save_pretrained(tmp_path)
    with pytest.raises(InputError, match="pass --albert_activation relu --albert_dropout 0.25"):
        AlbertBranch(6, 9, 5, AlbertOptions(**{**vars(SMALL), "text_init": "pretrained",
                                               "text_pretrained": str(tmp_path)}), True)


def frozen_branch():
    """A small frozen ALBERT in training whose encoder counts the samples that it sees."""
    torch.manual_seed(0)
    branch = AlbertBranch(6, 9, 5, replace(SMALL, freeze_text=True, albert_dropout=0.5), False).train()
    seen = []
    branch.albert.encoder.register_forward_pre_hook(lambda module, inputs: seen.append(len(inputs[0])))
    return branch, seen


def test_a_frozen_albert_gets_no_gradient_and_has_no_dropout():
    branch, _ = frozen_branch()
    sequence = torch.randn(3, 9, 6)
    first = branch(sequence)
    first.sum().backward()
    assert {name for name, weight in branch.named_parameters() if weight.grad is not None} == {"output.weight",
                                                                                              "output.bias"}
    assert torch.equal(first, branch.eval()(sequence))


def test_a_frozen_albert_computes_a_sample_once_and_gives_its_bits_in_any_company():
    branch, seen = frozen_branch()
    sequence = torch.randn(4, 9, 6)
    whole = branch(sequence)
    assert torch.equal(branch(sequence[2:]), whole[2:]) and seen == [1, 1, 1, 1]
    torch.testing.assert_close(whole, branch.output(branch._encoded(sequence)))


def test_other_weights_make_a_frozen_albert_forget():
    branch, _ = frozen_branch()
    sequence = torch.randn(2, 9, 6)
    before = branch(sequence)
    branch.load_state_dict({name: weight + 0.1 for name, weight in branch.state_dict().items()})
    torch.testing.assert_close(branch(sequence), branch.output(branch._encoded(sequence)))
    assert not torch.allclose(branch(sequence), before)
