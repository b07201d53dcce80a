"""PMR against what its equations promise."""

import dataclasses

import pytest
import torch

from modules.transformer import Dropouts
from src.backbones.pmr import PMR, MessageUpdate, PmrOptions, ReinforcementUnit
from src.structures import MODALITIES, DataInfo, InputError
from tests.golden import model_input

SMALL = DataInfo("own", "emotion4", 8, dict(text=6, audio=5, vision=4), dict(text=7, audio=7, vision=7))
TINY = PmrOptions(dim=8, num_heads=2, nlevels=2, final_levels=1)
COUNTS = {  # dataset -> widths of text, audio, vision; logits; parameters with its preset
    "iemocap": ((300, 74, 35), 8, 2_194_056),
    "mosei_senti": ((300, 74, 35), 7, 2_146_119),  # the paper's count, at second hand: 2.15 million
    "mosi": ((300, 5, 20), 7, 2_129_991),
    "synthetic": ((16, 12, 12), 8, 263_592),
}


def random(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)))


def tiny(info: DataInfo = SMALL) -> PMR:
    torch.manual_seed(0)
    return PMR(info, TINY)


def unit(gate: float | None = None) -> ReinforcementUnit:
    """A unit of width 8; its gate is held at sigmoid(`gate`) if that is given."""
    torch.manual_seed(0)
    module = ReinforcementUnit(8, 2, Dropouts())
    if gate is not None:
        torch.nn.init.zeros_(module.gate_self.weight)
        torch.nn.init.zeros_(module.gate_cross.weight)
        torch.nn.init.constant_(module.gate_self.bias, gate)
    return module


def test_a_closed_gate_leaves_self_attention():
    module, target, source = unit(gate=-1e4), random(2, 5, 8), random(2, 3, 8)
    assert torch.equal(module.mixture(target, source), module.self_attention(target, target, target))


def test_an_open_gate_leaves_crossmodal_attention():
    module, target, source = unit(gate=1e4), random(2, 5, 8), random(2, 3, 8)
    assert torch.equal(module.mixture(target, source), module.cross_attention(target, source, source))


def test_a_gate_of_three_quarters_mixes_three_to_one():
    module, target, source = unit(gate=torch.tensor(3.0).log().item()), random(2, 5, 8), random(2, 3, 8)
    own, other = module.self_attention(target, target, target), module.cross_attention(target, source, source)
    torch.testing.assert_close(module.mixture(target, source), 0.75 * other + 0.25 * own)


def test_the_gate_of_the_equation_lies_between_zero_and_one():
    module, target, source = unit(), random(2, 5, 8), random(2, 3, 8)
    own, other = module.self_attention(target, target, target), module.cross_attention(target, source, source)
    weights = module.gate_self.weight, module.gate_cross.weight
    gate = torch.sigmoid(own @ weights[0].T + other @ weights[1].T + module.gate_self.bias)
    assert 0 < gate.min() and gate.max() < 1
    torch.testing.assert_close(module.mixture(target, source), gate * other + (1 - gate) * own)


def test_a_unit_normalises_the_mixture_and_then_the_residual_sum():
    module, target, source = unit(), random(2, 5, 8), random(2, 3, 8)
    x = torch.nn.functional.layer_norm(module.mixture(target, source), (8,))
    expected = torch.nn.functional.layer_norm(x + module.feedforward(x), (8,))
    torch.testing.assert_close(module(target, source), expected)


def test_attention_over_the_three_streams_sums_to_one():
    weights = MessageUpdate(8, Dropouts()).weights(random(4, 3, 9, 8))
    assert weights.shape == (4, 3) and weights.min() > 0
    torch.testing.assert_close(weights.sum(1), torch.ones(4))


def test_attention_over_the_streams_follows_u_and_w():
    update = MessageUpdate(2, Dropouts())
    with torch.no_grad():
        update.project.weight.copy_(torch.eye(2))
        update.stream_score.weight.copy_(torch.tensor([[2.0, 0.0]]))
    # Constant over time, so that pooling returns the frame: e = 2 tanh(first feature), b = 0.
    streams = torch.tensor([0.0, 0.5, -0.5]).view(1, 3, 1, 1).expand(1, 3, 6, 2)
    expected = torch.tensor([[0.0, 0.9242343, -0.9242343]]).softmax(1)
    torch.testing.assert_close(update.weights(streams), expected)


def test_the_updated_message_is_the_weighted_mean_plus_its_feed_forward_branch():
    update, streams = MessageUpdate(8, Dropouts()), random(2, 3, 4, 8)
    a = update.weights(streams)
    mean = sum(a[:, x, None, None] * streams[:, x] for x in range(3))
    expected = mean + update.feedforward(torch.nn.functional.layer_norm(mean, (8,)))
    torch.testing.assert_close(update(streams), expected)


def test_no_two_units_or_updates_share_a_weight():
    model = tiny()
    parts = [m for m in model.modules() if isinstance(m, ReinforcementUnit | MessageUpdate)]
    pointers = [p.data_ptr() for part in parts for p in part.parameters()]
    assert len(parts) == 2 * (6 + 1) and len(set(pointers)) == len(pointers)


def test_every_parameter_receives_a_gradient():
    model = tiny()
    model(model_input([7, 7, 7], SMALL.widths, 2)).logits.logsumexp(1).sum().backward()
    assert [name for name, p in model.named_parameters() if p.grad is None or p.grad.abs().max() < 1e-6] == []


@pytest.mark.parametrize("dataset", COUNTS)
def test_the_presets_have_the_stated_number_of_parameters(dataset):
    widths, outputs, count = COUNTS[dataset]
    names = {field.name for field in dataclasses.fields(PmrOptions)}
    options = PmrOptions(**{key: value for key, value in PMR.PRESETS[dataset].items() if key in names})
    info = DataInfo(dataset, "own", outputs, dict(zip(MODALITIES, widths, strict=True)), dict.fromkeys(MODALITIES, 20))
    assert sum(p.numel() for p in PMR(info, options).parameters()) == count


def test_a_batch_of_one_equals_row_zero_of_a_batch():
    model = tiny().eval()
    batch = model_input([7, 7, 7], SMALL.widths, 3)
    alone = dataclasses.replace(batch, inputs={m: x[:1] for m, x in batch.inputs.items()})
    torch.testing.assert_close(model(alone).logits, model(batch).logits[:1])


def test_one_model_takes_sequences_of_any_lengths():
    model = tiny().eval()
    for lengths in ([7, 7, 7], [1, 40, 90], [12, 3, 5]):
        output = model(model_input(lengths, SMALL.widths, 2))
        assert output.logits.shape == (2, 8) and output.hidden.shape == (2, 8)
        assert output.logits.isfinite().all()


@pytest.mark.parametrize("modality", MODALITIES)
def test_every_modality_reaches_the_logits(modality):
    model = tiny().eval()
    batch = model_input([7, 9, 5], SMALL.widths, 2)
    removed = dataclasses.replace(batch, inputs={**batch.inputs, modality: torch.zeros_like(batch.inputs[modality])})
    assert not torch.allclose(model(batch).logits, model(removed).logits, atol=1e-4)


def test_a_modality_that_has_width_d_is_not_projected():
    info = dataclasses.replace(SMALL, widths=dict(text=8, audio=5, vision=4))
    names = tiny(info).state_dict()
    assert [m for m in MODALITIES if f"projections.{m}.weight" in names] == ["audio", "vision"]


def test_a_sequence_shorter_than_its_kernel_is_refused():
    with pytest.raises(InputError, match="audio has 7 frames, shorter than its kernel of 9; lower --kernel_a"):
        PMR(SMALL, dataclasses.replace(TINY, kernel_a=9))


@pytest.mark.parametrize("options, message", [
    (dict(num_heads=7), "--num_heads 7 does not divide --dim 64"),
    (dict(kernel_t=0), "--kernel_t must be at least 1"),
    (dict(dim=2, num_heads=1), "--dim must be at least 4"),
    (dict(relu_dropout=1.0), r"--relu_dropout must lie in \[0, 1\)"),
])
def test_options_that_cannot_work_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        PmrOptions(**options)
