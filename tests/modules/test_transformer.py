import pytest
import torch

from modules.transformer import Dropouts, TransformerEncoder, future_mask


def test_future_mask_is_shifted_by_the_difference_of_lengths():
    assert future_mask(2, 4, torch.device("cpu")).int().tolist() == [[1, 1, 1, 0], [1, 1, 1, 1]]
    assert future_mask(3, 2, torch.device("cpu")).int().tolist() == [[1, 1], [1, 1], [1, 1]]
    assert future_mask(3, 3, torch.device("cpu")).int().tolist() == [[1, 0, 0], [1, 1, 0], [1, 1, 1]]


def test_a_frame_does_not_depend_on_later_frames():
    torch.manual_seed(0)
    encoder, frames = TransformerEncoder(8, 2, 2, Dropouts()).eval(), torch.randn(1, 5, 8)
    changed = frames.clone()
    changed[:, 3:, 0] += 1  # of one feature: a norm removes what all share
    torch.testing.assert_close(encoder(frames)[:, :3], encoder(changed)[:, :3])
    assert not torch.allclose(encoder(frames)[:, 3:], encoder(changed)[:, 3:])


def test_without_a_mask_the_first_frame_sees_the_last():
    torch.manual_seed(0)
    encoder, frames = TransformerEncoder(8, 2, 1, Dropouts(), mask_future=False).eval(), torch.randn(1, 5, 8)
    changed = frames.clone()
    changed[:, 4, 0] += 1
    assert not torch.allclose(encoder(frames)[:, 0], encoder(changed)[:, 0])


def test_crossmodal_output_has_the_length_of_the_queries():
    assert TransformerEncoder(8, 2, 1, Dropouts())(torch.randn(2, 3, 8), torch.randn(2, 7, 8)).shape == (2, 3, 8)


def test_embedding_dropout_draws_keys_and_values_separately():
    encoder = TransformerEncoder(8, 2, 1, Dropouts(embedding=0.5)).train()
    seen = []
    encoder.layers[0].register_forward_pre_hook(lambda layer, inputs: seen.append(inputs[1]))
    encoder(torch.randn(1, 4, 8), torch.randn(1, 4, 8))
    assert not torch.equal(*seen[0])


@pytest.mark.parametrize("mask_future", [True, False])
@pytest.mark.parametrize("crossmodal", [True, False])
@pytest.mark.parametrize("padded", [True, False])
def test_the_last_frame_alone_is_the_last_of_all_frames(mask_future, crossmodal, padded):
    torch.manual_seed(0)
    encoder = TransformerEncoder(8, 2, 3, Dropouts(), mask_future).eval()
    frames, source = torch.randn(2, 5, 8), torch.randn(2, 7, 8) if crossmodal else None
    marks = {}
    if padded:
        marks["unpadded"] = torch.tensor([[False, True, True, True, True], [False, False, False, True, True]])
    if padded and crossmodal:
        marks["source_unpadded"] = torch.arange(7).expand(2, 7) > 1
    whole, last = encoder(frames, source, **marks), encoder(frames, source, **marks, last=True)
    assert last.shape == (2, 1, 8)
    torch.testing.assert_close(last, whole[:, -1:])
