"""A checkpoint whose digest is right is still only used where every part has its form."""

import copy
import zipfile

import pytest
import torch
from torch import nn

from src.checkpoint import load_checkpoint, save_checkpoint
from src.reading.records import Damaged
from src.saved import check_content, check_form, digest, optimizer_form
from src.structures import DataInfo, InputError

INFO = {"dataset": "mosi", "task": "sentiment7", "outputs": 7, "widths": {"text": 1}, "lengths": {"text": 2},
        "sha256": "a"}
STATE = torch.zeros(4, dtype=torch.uint8)
CONTENT = {"format": 1, "config": {"clip": 0.8, "sizes": [1, 2], "name": "x", "size": None}, "info": INFO, "epoch": 1,
           "model": {"weight": torch.ones(2)}, "metrics": {"loss": 0.5, "undefined": float("nan")},
           "versions": {"torch": "2"}, "history": [{"epoch": 1, "seconds": 0.1}], "best": {"best_valid_loss": 0.5},
           "random": {"torch": STATE, "cuda": [], "order": STATE}}


def test_what_this_code_writes_has_its_form():
    check_content(CONTENT)


@pytest.mark.parametrize("path, value", [
    (("format",), "1"), (("config",), []), (("config", "clip"), float("nan")), (("config", "sizes"), [[1]]),
    (("config", "name"), "x" * 10**5), (("config", 5), 1), (("info", "outputs"), 0), (("info", "outputs"), 10**7),
    (("info", "widths"), {"smell": 1}), (("info", "more"), 1), (("epoch",), -1), (("epoch",), True),
    (("model", "weight"), torch.tensor([float("inf")])), (("model", "weight"), [1.0]), (("metrics", "loss"), "x"),
    (("versions", "torch"), 2), (("history",), [{"epoch": 1}]), (("history",), [CONTENT["history"][0], {"epoch": 2}]),
    (("best", "best_valid_loss"), []), (("random", "torch"), torch.zeros(4)), (("random", "cuda"), None),
    (("more",), 1)], ids=range(22))
def test_a_part_of_another_form_is_named(path, value):
    content = copy.deepcopy(CONTENT)
    place = content
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    with pytest.raises(Damaged, match=f"its {path[0]} is not|parts that no checkpoint has"):
        check_content(content)


def test_the_digest_sees_every_change_and_no_difference_of_lists_and_tuples():
    first = digest({"a": torch.ones(2), "b": [1, 2.0]})
    assert first == digest({"a": torch.ones(2), "b": (1, 2.0)})
    assert digest(torch.zeros(1).expand(1, 1)) == digest(torch.zeros(1, 1))  # whatever the stride of a single number
    others = [{"a": torch.ones(2), "b": [1, 2]}, {"a": torch.ones(2, 1), "b": [1, 2.0]},
              {"b": [1, 2.0], "a": torch.ones(2)},
              {"a": torch.ones(2).double(), "b": [1, 2.0]}, {"a": torch.tensor([1, 1.0000001]), "b": [1, 2.0]}]
    assert first not in map(digest, others)


def test_a_changed_value_under_the_old_digest_is_named(tmp_path):
    path = tmp_path / "x.pt"
    save_checkpoint(path, nn.Linear(2, 1), {"clip": 0.8}, DataInfo(**INFO), epoch=1)
    torch.save(torch.load(path, weights_only=True) | {"epoch": 2}, tmp_path / "y.pt")
    with zipfile.ZipFile(tmp_path / "y.pt", "a") as changed, zipfile.ZipFile(path) as old:
        changed.writestr("y/sha256", old.read("archive/sha256"))
    with pytest.raises(InputError, match="was changed since it was written"):
        load_checkpoint(tmp_path / "y.pt", torch.device("cpu"))


def test_a_checkpoint_without_a_digest_is_named_and_torch_reads_one_that_has_it(tmp_path):
    path = tmp_path / "x.pt"
    save_checkpoint(path, nn.Linear(2, 1), {"clip": 0.8}, DataInfo(**INFO), epoch=1)
    saved = torch.load(path, weights_only=True)
    assert saved["epoch"] == 1 and "sha256" not in saved
    torch.save(saved, path)
    with pytest.raises(InputError, match="'x/sha256' is missing"):
        load_checkpoint(path, torch.device("cpu"))


@pytest.mark.parametrize("optim", ["Adam", "AdamW", "RMSprop", "SGD"])
def test_the_state_of_every_optimizer_fits_itself_and_no_other_model(optim):
    def stepped(width: int) -> torch.optim.Optimizer:
        layer = nn.Linear(width, 1)
        found = getattr(torch.optim, optim)([{"name": "m", "params": list(layer.parameters()), "lr": 0.1}])
        layer(torch.ones(1, width)).sum().backward()
        found.step()
        return found

    optimizer, saved = stepped(2), stepped(2).state_dict()
    check_form(saved, optimizer_form(optimizer, saved), "optimizer")
    assert digest(torch.zeros(1).expand(1, 1)) == digest(torch.zeros(1, 1))  # whatever the stride of a single number
    others = [stepped(3).state_dict()] if optim != "SGD" else []  # which keeps nothing of a parameter
    for wrong in (*others, saved | {"state": {0: {"x": 1}}}, saved | {"state": {9: {}}}, saved | {"param_groups": []},
                  None, {}):
        with pytest.raises(Damaged, match="its optimizer.* does not fit this run"):
            check_form(wrong, optimizer_form(optimizer, wrong), "optimizer")
