"""Which modality may be a shortcut, validation weighted as if it said nothing, strengths that hold in each world."""

import csv
import math

import pytest
import torch

import main
from src.analysis.choice import CHOSEN
from src.config import parse_config
from src.methods.base import Look
from src.methods.causal_mer import Causal
from src.methods.cf_vqa import CfVqa
from src.strengths import Strengths, strengths
from src.tasks import make_task
from src.worlds import agreement, silent, suspects, worlds

TASK = make_task("classes:2")
# How many of 40 samples of each class text and the joint path decide rightly (r) and wrongly (w), text first: text
# alone is right for 30, the joint path for 36, and within a class they are independent.
COUNTS = {"rr": 27, "rw": 3, "wr": 9, "ww": 1}
LABELS = torch.tensor([label for label in (0.0, 1.0) for count in COUNTS.values() for _ in range(count)])


def path(place, size):
    """Logits (80, 2) that are right or wrong, always as surely: log p(right) - log p(wrong) = size."""
    right = torch.tensor([1.0 if who[place] == "r" else -1.0 for _ in (0, 1) for who, count in COUNTS.items()
                          for _ in range(count)])
    return torch.stack([size * right * (LABELS == label) for label in (0.0, 1.0)], 1)


TEXT, JOINT = path(0, math.log(3)), path(1, 1.0)
# Audio says nothing: nobody vouches for text, and a world in which audio is silent is that of validation as it is.
SAID = {"fused": TEXT / math.log(3) + JOINT, "direct": TEXT / math.log(3), "text": TEXT, "audio": 0 * TEXT}
VALID = Look(SAID, LABELS)


@pytest.mark.parametrize("overconfident", [1, 10])
def test_samples_weigh_as_if_text_said_nothing(overconfident):
    # p(y) = 1/2 and p(y | x) = 3/4 where text is right, 1/4 where it is wrong.
    right = TEXT.argmax(1) == LABELS
    weights = silent(overconfident * TEXT, LABELS, TASK)
    torch.testing.assert_close(weights, torch.where(right, 2 / 3, 2.0).double())
    assert weights[right].sum() == pytest.approx(weights[~right].sum().item())  # text is right as often as wrong


def test_a_pair_of_logits_each_is_weighted_as_its_product():
    pairs = make_task("labels:2")
    labels = torch.stack([LABELS, torch.zeros(80)], 1)
    both = torch.cat([TEXT, torch.tensor([81.0, 1.0]).log().expand(80, 2)], 1)  # of the second label only the prior
    torch.testing.assert_close(silent(both, labels, pairs), silent(TEXT, LABELS, TASK), atol=1e-3, rtol=0)


def test_a_weight_is_at_most_ten_before_the_mean_is_made_one():
    sure = path(1, 9.0)
    sure[39], sure[79] = torch.tensor([0.0, 9.0]), torch.tensor([9.0, 0.0])
    labels = sure.argmax(1).float()
    labels[39] = 0.0  # one of 80 is decided wrongly, as surely as the rest rightly: 1/2 / (1/80) = 40
    weights = silent(sure, labels, TASK)
    assert weights.max() / weights.min() == pytest.approx(10 / (40 / 79), rel=0.03)


def cue(clear, sure):
    """Logits (80, 2), right everywhere, of which half of each class, the first or every other one, is surer."""
    shown = torch.tensor([clear(place % 40) for place in range(80)]).double()
    return torch.stack([(1 + sure * shown) * (LABELS == label) for label in (0.0, 1.0)], 1)


def test_cues_of_one_expression_vouch_for_each_other_and_a_shortcut_has_nobody():
    first, alternate = (lambda place: place < 20), (lambda place: place % 2 == 0)  # independent of each other
    values = {"text": cue(alternate, 2), "audio": cue(first, 1), "vision": cue(first, 2), "backbone": TEXT}
    assert agreement(values, LABELS, TASK) == pytest.approx(
        {("text", "audio"): 0, ("text", "vision"): 0, ("audio", "vision"): 1})
    assert suspects(values, LABELS, TASK) == ["text"]
    found = worlds(values, LABELS, TASK)
    torch.testing.assert_close(found, torch.stack([torch.ones(80).double(), silent(values["text"], LABELS, TASK)]))
    assert suspects({"text": TEXT, "audio": JOINT}, LABELS, TASK) == ["text", "audio"]  # independent in each class


def test_agreement_that_is_only_about_the_label_vouches_for_nobody():
    surer_of_one = 1 + LABELS  # both know more of the second class, and nothing of each other within a class
    values = {name: path(place, 1.0) + torch.stack([-surer_of_one, surer_of_one], 1) for name, place in
              (("text", 0), ("vision", 1))}
    assert suspects(values, LABELS, TASK) == ["text", "vision"]


@pytest.mark.parametrize("task, labels, suspected", [
    ("classes:2", torch.arange(64.0) % 2, []),
    ("labels:5", (torch.arange(64)[:, None] // 2 ** torch.arange(5) % 2).float(), ["audio", "vision"])])
def test_where_labels_are_of_many_kinds_more_agreement_has_to_be_shown(monkeypatch, task, labels, suspected):
    # 2 / sqrt(64 - 2) is 0.25, but with 32 kinds of label, whose means are taken off, 2 / sqrt(64 - 32) is 0.35.
    monkeypatch.setattr("src.worlds.agreement", lambda *_: {("audio", "vision"): 0.3})
    values = dict.fromkeys(("audio", "vision"), torch.zeros(64, make_task(task).outputs))
    assert suspects(values, labels, make_task(task)) == suspected


@pytest.mark.parametrize("alone", ["backbone", "text"])
def test_without_two_branches_to_compare_there_is_one_world(alone):
    assert worlds({alone: TEXT}, LABELS, TASK).tolist() == [[1.0] * 80]


def test_the_line_of_a_cautious_run_names_suspects_also_at_published_strengths(tiny, monkeypatch, capsys):
    monkeypatch.setattr("src.worlds.suspects", lambda *_: ["text"])
    monkeypatch.setattr("src.strengths.Strengths.by", lambda plan, *_: dict(plan.start))
    assert main.main([*tiny, "--fusion_mode", "tanh", "--strength", "cautious", "--num_epochs", "1"]) == 0
    assert "predicts by the strengths published; suspected of a shortcut: text\n" in capsys.readouterr().out


def test_a_method_without_strengths_suspects_nobody(tiny, capsys):
    assert main.main([*tiny, "--method", "poe", "--strength", "cautious", "--num_epochs", "1"]) == 0
    shown = capsys.readouterr().out
    assert "changes nothing there" in shown and "suspected" not in shown and "validation samples" not in shown


def chosen(among, split, look):
    """What a split chooses, beside the validation split."""
    return among.by(split, CfVqa, look, TASK, among.regrets(CfVqa, VALID, TASK))


def test_the_cautious_choice_leaves_out_what_would_harm_more_than_it_helps():
    # Losses of the joint path alone: 0.325 in both worlds. With text, whose logits cancel it where they differ: 0.316
    # as validation is (30 % at log 2, the rest right in 27 of 28), 0.509 where text says nothing (half at log 2).
    plan = Strengths({"alpha": 0.0}, {"alpha": (0.0, 1.0)})
    least = {alpha: TASK.misfit(CfVqa.combined(SAID, {"alpha": alpha}), LABELS).mean().item() for alpha in (0.0, 1.0)}
    assert least == pytest.approx({0.0: 0.316, 1.0: 0.325}, abs=0.02)  # sizes are a grid
    assert chosen(plan, "valid", VALID) == {"alpha": 0.0}
    assert chosen(Strengths(plan.start, plan.free, cautious=True), "valid", VALID) == {"alpha": 1.0}


def test_caution_counts_as_25_unbiased_samples():
    # In the worst world alpha 0 loses 0.509 - 0.325 more than alpha 1, alpha 1 at most 0.325 - 0.316 more than alpha 0
    # (above): 25 * (0.184 - 0.009) = 4.4. The one unbiased sample has logits 0 by either, log 2 is lost by both.
    one = Look({name: torch.zeros(1, 2) for name in SAID}, LABELS[:1])
    found = {cautious: chosen(Strengths({"alpha": 0.0}, {"alpha": (0.0, 1.0)}, cautious), "valid_shifted", one)
             for cautious in (False, True)}
    assert found[False] == {"alpha": pytest.approx(0.5)}
    assert found[True] == {"alpha": pytest.approx(1 / (1 + math.exp(-4.4)), abs=0.005)}


def test_strengths_that_caution_could_not_judge_are_held_for_its_worst():
    # The samples make no difference: 1 for alpha 0, exp(-25 log(2) / 25) = 1/2 for alpha 1, and for 1/2, not judged.
    found = Strengths({"alpha": 0.0}, {"alpha": (0.0, 0.5, 1.0)}).averaged(
        CfVqa, {"fused": TEXT, "direct": JOINT}, LABELS, lambda *_: torch.zeros(1, 80),
        [({"alpha": 0.0}, 0.0), ({"alpha": 1.0}, math.log(2) / 25)])
    assert found == {"alpha": pytest.approx((1 * 0 + 1 / 2 * 1 / 2 + 1 / 2 * 1) / 2)}


def test_with_no_unbiased_sample_the_rule_of_the_run_itself_chooses():
    found = {}
    for strength in ("valid", "cautious", "published"):
        config = parse_config(("--dataset=x.pkl", "--task=classes:2", "--method=cf_vqa", f"--strength={strength}"))
        record = {1: dict.fromkeys(("valid", "valid_shifted", "test"), VALID)}
        found[strength] = CHOSEN["knowledge"](record, CfVqa, config, TASK)["test"]["0"][1]["alpha"]
    assert found["cautious"] > found["valid"] == found["published"]  # more of what text says is taken away


def test_a_cautious_run_says_whom_it_suspects_and_that_few_samples_see_little(tiny, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("src.worlds.suspects", lambda *_: ["text", "vision"])
    assert main.main([*tiny, "--fusion_mode", "tanh", "--strength", "cautious", "--num_epochs", "1"]) == 0
    shown = capsys.readouterr().out
    assert "needs about 200 validation samples to see which modalities agree, and this data has 24" in shown
    assert shown.count("; suspected of a shortcut: text, vision\n") == 2  # by both rules
    history = (tmp_path / "checkpoint(synthetic)" / "demo_seed1111" / "mult-causal" / "history.csv").read_text()
    (row,) = csv.DictReader(history.splitlines())
    assert [float(row[f"valid_suspected_{letter}"]) for letter in "tav"] == [1, 0, 1]


def test_what_is_declared_is_not_chosen_cautiously():
    plan = strengths(Causal, parse_config(("--method=causal",)).method, "cautious", ("text",))
    assert plan.cautious and plan.start["t"] == 0 and list(plan.free) == ["m"]


def test_numbers_have_no_cautious_choice(tiny, capsys):
    assert main.main([*tiny, "--task", "regression:1", "--method", "causal", "--strength", "cautious"]) == 2
    assert "has numbers; take valid, published or values" in capsys.readouterr().err
