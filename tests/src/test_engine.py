"""One pass: means, order, accumulation."""

import pytest
import torch
from torch import nn

from src.datasets.base import Split
from src.datasets.loader import Loader
from src.engine import run_epoch
from src.options import TrainingOptions
from src.structures import MODALITIES, BackboneOutput

CPU = torch.device("cpu")


class Linear(nn.Module):
    """Logits as a linear map of the text."""

    def __init__(self):
        super().__init__()
        self.map = nn.Linear(3, 1)

    def forward(self, batch):
        logits = self.map(batch.inputs["text"][:, 0])
        return BackboneOutput(logits, logits)


def split(n):
    torch.manual_seed(0)
    return Split({name: torch.randn(n, 1, 3) for name in MODALITIES}, torch.randn(n), [str(i) for i in range(n)])


def objective(output, batch):
    return {"loss": (output.logits.squeeze(1) - batch.labels).pow(2).mean()}


def test_the_mean_loss_counts_samples_and_not_batches():
    data, model = split(5), Linear()
    whole, parts = (run_epoch(model, Loader(data, size, CPU, CPU), objective, "x") for size in (5, 3))
    assert parts.terms["loss"] == pytest.approx(whole.terms["loss"], rel=1e-6)
    assert torch.equal(parts.labels, data.labels) and parts.values["logits"].shape == (5, 1)


def test_evaluation_changes_nothing():
    model = Linear()
    before = model.map.weight.clone()
    run_epoch(model, Loader(split(5), 2, CPU, CPU), objective, "x")
    assert torch.equal(before, model.map.weight) and model.map.weight.grad is None


@pytest.mark.parametrize("size, accumulate", [(2, 4), (3, 3), (1, 8)])
def test_small_batches_give_the_gradient_of_the_large_one(size, accumulate):
    data, gradients = split(8), []
    for batch_size, count in ((8, 1), (size, accumulate)):
        torch.manual_seed(1)
        model = Linear()
        run_epoch(model, Loader(data, batch_size, CPU, CPU), objective, "x",
                  torch.optim.SGD(model.parameters(), lr=0.1), TrainingOptions(clip=0, accumulate=count))
        gradients.append(model.map.weight.grad.clone())
    torch.testing.assert_close(*gradients)


def test_leftover_batches_are_stepped_too():
    steps, model = [], Linear()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    optimizer.register_step_post_hook(lambda *_: steps.append(1))
    run_epoch(model, Loader(split(7), 1, CPU, CPU), objective, "x", optimizer, TrainingOptions(accumulate=3))
    assert len(steps) == 3  # 3 + 3 + 1 batches


@pytest.mark.parametrize("options, limit", [(dict(clip=0.5), lambda g: g / g.norm() * 0.5),
                                            (dict(clip=0, clip_value=0.2), lambda g: g.clamp(-0.2, 0.2)),
                                            (dict(clip=0), lambda g: g)])
def test_gradients_are_limited_as_asked_for(options, limit):
    found = {}
    for name, chosen in (("free", dict(clip=0)), ("limited", options)):
        torch.manual_seed(1)
        model = Linear()
        run_epoch(model, Loader(split(8), 8, CPU, CPU), objective, "x",
                  torch.optim.SGD(model.parameters(), lr=0.1), TrainingOptions(**chosen))
        found[name] = torch.cat([p.grad.flatten() for p in model.parameters()])
    assert found["free"].norm() > 0.5
    torch.testing.assert_close(found["limited"], limit(found["free"]))
