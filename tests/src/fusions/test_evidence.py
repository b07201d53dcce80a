import math

import pytest
import torch

from src.causal_mer_model import FUSED, effects
from src.config import parse_config
from src.configured import run_strengths
from src.fusions.evidence import EvidenceFusion
from src.structures import MODALITIES, Batch, DataInfo
from src.tasks import make_task
from tests.methods_golden import method_around

PRIOR = (0.5, 0.3, 0.2)


def fusion(task="classes:3", prior=PRIOR):
    info = DataInfo("x", task, len(prior), dict.fromkeys(MODALITIES, 1), dict.fromkeys(MODALITIES, 1))
    made = EvidenceFusion(info, None)
    made.prepare(torch.tensor(prior))
    return made


def test_a_branch_that_knows_nothing_changes_no_decision():
    fused = torch.tensor([[0.1, 0.2, 0.3], [2.0, -1.0, 0.5]])
    nothing = torch.tensor(PRIOR).log().expand(2, 3) + 4.0  # logits may be off by any number
    torch.testing.assert_close(fusion()(fused, nothing, nothing, nothing), fused)


def test_evidence_is_the_opinion_divided_by_the_prior():
    opinion = torch.tensor([[0.2, 0.3, 0.5]]).log()
    found = fusion()(torch.zeros(1, 3), opinion, opinion, torch.tensor(PRIOR).log()[None])
    torch.testing.assert_close(found, 2 * torch.tensor([[math.log(0.4), 0.0, math.log(2.5)]]))


def test_pairs_of_emotions_have_a_prior_each():
    prior = torch.tensor([0.6, 0.4, 0.9, 0.1, 0.8, 0.2, 0.7, 0.3])
    made = fusion("emotion4", tuple(prior.tolist()))
    torch.testing.assert_close(made.evidence(prior.log()[None]), torch.zeros(1, 8), atol=1e-6, rtol=0)
    torch.testing.assert_close(made.evidence(torch.zeros(1, 8))[0, :2], torch.tensor([math.log(0.5 / 0.6),
                                                                                     math.log(0.5 / 0.4)]))


def test_the_fused_loss_reaches_the_joint_path_only():
    logits = {name: torch.randn(2, 3, requires_grad=True) for name in (FUSED, *MODALITIES)}
    task = make_task("classes:3")
    task.loss(fusion()(*logits.values()), torch.tensor([0, 2])).backward()
    assert logits[FUSED].grad.any() and all(logits[name].grad is None for name in MODALITIES)


def test_the_direct_effect_is_the_evidence_and_the_indirect_one_the_joint_path():
    logits = {name: torch.randn(4, 3) for name in (FUSED, *MODALITIES)}
    found = effects(fusion(), logits, {name: torch.tensor(0.3) for name in MODALITIES})
    direct = found.direct["audio"] - fusion().evidence(logits["audio"])
    indirect = found.total - sum(found.direct.values()) - logits[FUSED]
    for shift in (direct, indirect):  # but for one number that no decision depends on
        torch.testing.assert_close(shift, shift[:, :1].expand(4, 3), atol=1e-5, rtol=0)


def test_a_class_without_training_samples_counts_as_rare_and_not_as_impossible():
    assert fusion(prior=(0.6, 0.4, 0.0)).log_prior[2].item() == pytest.approx(math.log(1e-4))


def test_a_modality_of_weight_one_alone_predicts_as_its_branch_does():
    opinion = torch.tensor([[0.2, 0.3, 0.5]]).log()
    model = method_around("causal", torch.tensor([[9.0, -9.0, 0.0]]), dict.fromkeys(MODALITIES, opinion + 7.0),
                          fusion_mode="evidence", fusion=fusion())
    values = model(Batch(dict.fromkeys(MODALITIES), torch.tensor([0]))).per_sample()
    found = model.combined(values, {"m": 0.0, "t": 1.0, "a": 0.0, "v": 0.0})
    torch.testing.assert_close(found.softmax(1), opinion.exp())
    assert "TIE" in model.current_effects()
    model.strength.copy_(torch.tensor([0.0, 1.0, 0.0, 0.0]))
    assert model.current_effects().keys() == {"TE", "NDE_t", "NDE_a", "NDE_v", "weighted paths"}
    model.strength.copy_(torch.tensor([1.0, 0.0, 1.0, 0.0]))  # audio's direct effect is not subtracted
    assert "TIE" not in model.current_effects()
    half = model.combined(values, {"m": 0.5, "t": 0.0, "a": 0.0, "v": 0.0})
    joint = 0.5 * torch.tensor([[9.0, -9.0, 0.0]]) + 0.5 * torch.tensor([PRIOR]).log()
    torch.testing.assert_close(half.softmax(1), joint.softmax(1))


def test_the_weights_of_no_published_fusion_are_chosen_unless_told_otherwise():
    words = ["--text_branch", "light", "--audio_branch", "light", "--vision_branch", "light"]
    assert not run_strengths(parse_config([*words, "--fusion_mode", "tanh"])).free
    assert set(run_strengths(parse_config([*words, "--fusion_mode", "evidence"])).free) == {"m", "t", "a", "v"}
    assert not run_strengths(parse_config([*words, "--fusion_mode", "evidence", "--strength", "published"])).free
    assert parse_config([*words, "--fusion_mode", "evidence"]).flat()["strength"] == "valid"  # known by its runs
