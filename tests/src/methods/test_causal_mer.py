"""CausalMER as a method: when its constants move, and what a backbone's own losses see."""

import math

import pytest
import torch

from src.build import build_model
from src.config import parse_config
from src.configured import warnings
from src.methods.causal_mer import FusedTask, constants_matter
from src.registry import FUSIONS
from src.structures import MODALITIES, Batch, DataInfo
from src.tasks import make_task


@pytest.mark.parametrize("outputs", [1, 2, 7, 8])
@pytest.mark.parametrize("fusion", ("mask", "sum", "hm", "tanh"))
def test_constants_matter_unless_the_fusion_only_shifts_or_one_output_leaves_nothing_to_compare(fusion, outputs):
    assert constants_matter(FUSIONS[fusion], outputs) == (fusion != "tanh" and outputs > 1)


@pytest.mark.parametrize("words, said", [
    ((), True), (("--task", "classes:4"), False), (("--fusion_mode", "tanh"), False),
    (("--branch_epochs", "1"), False)])
def test_evidence_on_pairs_is_remarked(words, said):
    found = warnings([parse_config(["--dataset", "synthetic", "--fusion_mode", "evidence", *words])])
    assert any("--task classes:4" in text for text in found) == said


def test_a_fused_task_takes_the_loss_of_the_fused_logits_and_leaves_the_branches_alone():
    task = make_task("classes:2")
    logits = torch.tensor([[1.0, 0.0]], requires_grad=True)
    branches = {name: torch.tensor([[0.0, value]], requires_grad=True)
                for name, value in zip(MODALITIES, (0.5, -0.25, 0.0), strict=True)}
    targets = torch.tensor([0])
    loss = FusedTask(task, FUSIONS["tanh"], branches).loss(logits, targets)
    # Gap of the fused logits: 1 - tanh 0.5 + tanh 0.25 = 1 - 0.462117 + 0.244919; loss = log(1 + exp(-gap)).
    assert loss.item() == pytest.approx(math.log1p(math.exp(-0.782802)), abs=1e-6)
    loss.backward()
    assert logits.grad.abs().sum() > 0 and all(branch.grad is None for branch in branches.values())
    assert FusedTask(task, FUSIONS["tanh"], branches).ordered is task.ordered


@pytest.mark.parametrize("flags, seen", [((), "Classes"), (("--fuse_auxiliary",), "FusedTask"),
                                         (("--method", "plain", "--fuse_auxiliary"), "Classes")])
def test_a_backbones_own_losses_see_fused_logits_only_if_asked_for(flags, seen):
    config = parse_config(["--dataset", "x.pkl", "--task", "classes:2", "--text_branch", "light", "--audio_branch",
                           "light", "--vision_branch", "light", *flags])
    info = DataInfo("x", "classes:2", 2, dict.fromkeys(MODALITIES, 3), dict.fromkeys(MODALITIES, 4))
    model = build_model(config, info)
    tasks = []
    model.backbone.auxiliary_loss = lambda output, labels, task: (
        tasks.append(type(task).__name__) or output.logits.sum() * 0)
    batch = Batch({name: torch.randn(2, 4, 3) for name in MODALITIES}, torch.tensor([0.0, 1.0]))
    model.loss(model(batch), batch, make_task("classes:2"))
    assert tasks == [seen]
