"""The benchmark compares what it says it compares."""

import torch

from modules import transformer
from modules.convolution import FrameConvolution
from modules.multihead_attention import MultiheadAttention
from modules.transformer import Dropouts, TransformerEncoder
from src import benchmark
from src.backbones import dmd
from src.backbones.base import Projected


def test_the_plain_form_gives_the_same_numbers():
    torch.manual_seed(0)
    encoder, frames = TransformerEncoder(8, 2, 2, Dropouts()).eval(), torch.randn(2, 5, 8)
    ours = encoder(frames, last=True)
    with benchmark.plain_form():
        plain = encoder(frames, last=True)
    assert plain.shape == (2, 5, 8)  # every frame
    torch.testing.assert_close(plain[:, -1:], ours)


def test_afterwards_nothing_is_left_of_the_plain_form():
    def found():
        return (MultiheadAttention.forward, TransformerEncoder.forward, Projected.project, transformer.feed_forward,
                dmd.dropout, FrameConvolution.forward)
    before = found()
    with benchmark.plain_form():
        plain = found()
    assert plain[0] is benchmark.attend and plain[2:] == (
        benchmark.project, benchmark.feed_forward, torch.nn.functional.dropout, benchmark.convolved)
    assert found() == before


def test_a_case_prints_both_times_and_their_ratio(capsys):
    assert benchmark.main(["--only", "mult forward", "--batch_size", "2", "--steps", "1", "--pairs", "2"]) == 0
    name, plain, ours, ratio = capsys.readouterr().out.splitlines()[-1].rsplit("(")[0].rsplit(maxsplit=3)
    assert name == "mult forward" and min(float(plain), float(ours), float(ratio)) > 0


def test_an_unknown_case_is_named(capsys):
    assert benchmark.main(["--only", "mlt"]) == 2
    assert "unknown case 'mlt'; choose from mult, mult forward" in capsys.readouterr().err
