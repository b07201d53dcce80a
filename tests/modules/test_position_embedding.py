import math

import pytest
import torch

from modules.position_embedding import SinusoidalPositions, sinusoid_table


def test_rows_hold_sines_then_cosines_of_positions_from_one():
    # Width 4: frequencies exp(0) = 1 and exp(-ln 10000) = 1e-4.
    expected = [[math.sin(p), math.sin(p * 1e-4), math.cos(p), math.cos(p * 1e-4)] for p in (1, 2)]
    torch.testing.assert_close(sinusoid_table(2, 4), torch.tensor(expected))


def test_a_frame_whose_first_feature_is_zero_has_no_position():
    frames = torch.ones(1, 3, 4)
    frames[0, 0, 0] = 0.0
    positions = SinusoidalPositions(4)(frames)
    assert positions[0, 0].tolist() == [0, 0, 0, 0]
    torch.testing.assert_close(positions[0, 1:], sinusoid_table(3, 4)[1:])


def test_the_table_grows_with_the_sequence():
    torch.testing.assert_close(SinusoidalPositions(6)(torch.ones(1, 300, 6))[0], sinusoid_table(300, 6))


def test_widths_without_frequencies_are_refused():
    with pytest.raises(ValueError, match="at least 4, got 2"):
        SinusoidalPositions(2)


def test_known_true_frames_are_counted_from_their_first():
    positions = SinusoidalPositions(4)(torch.ones(1, 3, 4), torch.tensor([[False, True, True]]))
    torch.testing.assert_close(positions[0], torch.cat([torch.zeros(1, 4), sinusoid_table(2, 4)]))
