import pytest
import torch
from torch.nn.functional import multi_head_attention_forward, scaled_dot_product_attention

from modules import multihead_attention
from modules.multihead_attention import MultiheadAttention


def test_attention_equals_torchs_reference_with_a_mask():
    torch.manual_seed(0)
    layer = MultiheadAttention(12, 3).eval()
    query, key, value = torch.randn(2, 4, 12), torch.randn(2, 5, 12), torch.randn(2, 5, 12)
    allowed = torch.rand(4, 5) > 0.4
    allowed[:, 0] = True
    expected, _ = multi_head_attention_forward(
        *(x.transpose(0, 1) for x in (query, key, value)), 12, 3, layer.in_weight, layer.in_bias, None, None, False,
        0.0, layer.out.weight, layer.out.bias, attn_mask=~allowed)
    torch.testing.assert_close(layer(query, key, value, allowed), expected.transpose(0, 1))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(20, 20), (3, 20, 20), (4, 1, 20, 20), (4, 1, 1, 20)])
def test_short_sequences_get_the_numbers_of_the_fused_kernel(shape, dtype, monkeypatch):
    torch.manual_seed(0)
    layer, x = MultiheadAttention(12, 3).eval().to(dtype), torch.randn(4, 20, 12, dtype=dtype)
    allowed = torch.rand(shape) > 0.4
    allowed[..., 0] = True
    assert 20 * 20 in multihead_attention.SHORT
    found = layer(x, x, x, allowed)
    monkeypatch.setattr(multihead_attention, "SHORT", ())
    torch.testing.assert_close(found, layer(x, x, x, allowed))


@pytest.mark.parametrize("queries, dropout", [(1, 0.0), (3, 0.0), (3, 0.5)])
def test_a_single_key_gives_its_value_with_the_gradients_and_draws_of_the_fused_kernel(queries, dropout):
    torch.manual_seed(0)
    layer, query, key = MultiheadAttention(12, 3, dropout), torch.randn(4, queries, 12), torch.randn(4, 1, 12)
    torch.manual_seed(1)
    found = layer(query, key, key)
    torch.manual_seed(1)
    q, k, v = layer._project(query, key, key)
    mixed = scaled_dot_product_attention(q, k, v, dropout_p=dropout)
    expected = layer.out(mixed.transpose(1, 2).flatten(2))
    torch.testing.assert_close(found, expected)
    weights = list(layer.parameters())
    torch.testing.assert_close(torch.autograd.grad(found.square().sum(), weights),
                               torch.autograd.grad(expected.square().sum(), weights))


def test_shared_inputs_give_what_separate_copies_give():
    torch.manual_seed(0)
    layer, x, source = MultiheadAttention(8, 2).eval(), torch.randn(2, 3, 8), torch.randn(2, 4, 8)
    torch.testing.assert_close(layer(x, x, x), layer(x, x.clone(), x.clone()))
    torch.testing.assert_close(layer(x, source, source), layer(x, source, source.clone()))


def test_heads_that_do_not_divide_the_width_are_refused():
    with pytest.raises(ValueError, match="width 10 is not divisible by 4 heads"):
        MultiheadAttention(10, 4)


def gradient(large, monkeypatch, batch, dropout, allowed=None):
    """Input gradient of a layer in training that keeps at most `large` weights."""
    monkeypatch.setattr(multihead_attention, "LARGE", large)
    torch.manual_seed(0)
    layer, x = MultiheadAttention(8, 2, dropout).train(), torch.randn(batch, 5, 8, requires_grad=True)
    layer(x, x, x, allowed).square().sum().backward()
    return x.grad


def test_weights_that_are_not_kept_give_the_same_bits(monkeypatch):
    assert torch.equal(gradient(0, monkeypatch, 1, 0.5), gradient(10**9, monkeypatch, 1, 0.5))


def test_samples_attended_a_few_at_a_time_have_their_own_masks(monkeypatch):
    allowed = torch.rand(5, 1, 5, 5) > 0.5
    allowed[..., 0] = True
    # A dropout this small leaves every weight, so that the parts' other random numbers do not show.
    few, all_at_once = (gradient(large, monkeypatch, 5, 1e-9, allowed) for large in (2 * 2 * 5 * 5, 10**9))
    torch.testing.assert_close(few, all_at_once)


def test_head_widths_padded_to_a_multiple_give_the_same_numbers(monkeypatch):
    torch.manual_seed(0)
    layer, x = MultiheadAttention(10, 2).eval(), torch.randn(2, 4, 10)
    expected = layer(x, x, x)
    monkeypatch.setitem(multihead_attention.HEAD_WIDTH_STEP, "cpu", 4)
    torch.testing.assert_close(layer(x, x, x), expected)
