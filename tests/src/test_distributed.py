"""One run over two processes on loopback: what they compute, write and say, against one process.

As a program, this file is what torchrun starts: it leaves what it found for the tests to read.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

import main  # noqa: E402
from src.build import build_data, build_model  # noqa: E402
from src.config import parse_config  # noqa: E402
from src.datasets.base import Split  # noqa: E402
from src.datasets.loader import Loader  # noqa: E402
from src.distributed import joined, part_sizes, process_number  # noqa: E402
from src.engine import predict, run_epoch  # noqa: E402
from src.runtime import seed_everything  # noqa: E402
from src.tasks import task_of  # noqa: E402
from tests.conftest import TINY  # noqa: E402

CPU = torch.device("cpu")
ODD = 7  # samples, of which two processes have four and three
# Losses that are means over samples; over pairs of them; weighted within a batch; gradients changed before a step.
LEARNERS = {name: ("--method", name) for name in ("plain", "causal", "reweight", "cggm", "agm")}
LEARNERS |= {"dmd": ("--method", "plain", "--backbone", "dmd"), "ogm_ge": ("--method", "ogm_ge", "--no-ogm_noise")}
AHEAD = ("--fusion_mode", "tanh", "--branch_epochs", "2")
DROPOUT = ("--embed_dropout", "0.2", "--relu_dropout", "0.2")


def arguments(folder: Path, name: str, *more: str) -> list[str]:
    """A tiny run in a folder."""
    return [*TINY, "--data_path", str(folder / "data"), "--checkpoint_path", str(folder), "--name", name, *more]


def gradients(folder: Path, name: str) -> torch.Tensor:
    """All gradients of a method after one step on an odd number of samples."""
    config = parse_config(arguments(folder, "g", "--clip", "0", *LEARNERS[name]))
    data = build_data(config)
    seed_everything(1)
    model, task = build_model(config, data.info), task_of(data.info)
    model.prepare(data.splits["train"], task)
    run_epoch(model, Loader(first(data.splits["train"], ODD), ODD, CPU, CPU),
              lambda output, batch: model.loss(output, batch, task), "x",
              torch.optim.SGD(model.parameters(), lr=0.1), config.training,
              lambda output, batch: model.before_step(output, batch, task))
    return torch.cat([weight.grad.flatten() for weight in model.parameters() if weight.grad is not None])


def predictions(folder: Path, count: int) -> torch.Tensor:
    """What an untrained model says of the first samples, the way all scores are computed."""
    config = parse_config(arguments(folder, "p"))
    data = build_data(config)
    seed_everything(1)
    return predict(config, build_model(config, data.info), CPU, first(data.splits["test"], count), "x").values["logits"]


def first(split: Split, count: int) -> Split:
    return Split({name: x[:count] for name, x in split.inputs.items()}, split.labels[:count], split.ids[:count])


def work(folder: Path) -> None:
    """What the two processes do, one thing after the other."""
    found = {"bad": main.main(arguments(folder, "bad", "--batch_size", "15"))}
    with joined():
        found |= {"gradients": {name: gradients(folder, name) for name in LEARNERS},
                  "predictions": {count: predictions(folder, count) for count in (ODD, 1)}}
        runs = (("two", ()), ("two_ahead", AHEAD), ("begun_by_one", ("--resume",)),
                ("begun_by_two", ("--num_epochs", "1")), ("whole", DROPOUT),
                ("cut", (*DROPOUT, "--num_epochs", "1")), ("cut", (*DROPOUT, "--resume")))
        found["codes"] = [main.main(arguments(folder, name, *more)) for name, more in runs]
        torch.save(found, folder / f"found{process_number()}.pt")
        raise SystemExit(main.main(arguments(folder, "stopped", "--num_epochs", "9999")))


if __name__ == "__main__":
    torch.set_num_threads(1)
    work(Path(sys.argv[1]))


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """The folder in which two processes worked until they were stopped, what each found, and what both said."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("pair")
    for name, more in (("one", ()), ("one_ahead", AHEAD), ("begun_by_one", ("--num_epochs", "1"))):
        assert main.main(arguments(folder, name, *more)) == 0
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2", "--standalone", __file__, folder]
    run = subprocess.Popen(command, cwd=ROOT, text=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                           env=os.environ | {"OMP_NUM_THREADS": "1"})
    while not (run_folder(folder, "stopped") / "history.csv").exists() and run.poll() is None:
        time.sleep(0.1)
    run.send_signal(signal.SIGTERM)
    _, errors = run.communicate(timeout=60)
    return folder, [torch.load(folder / f"found{number}.pt", weights_only=True) for number in (0, 1)], errors


def run_folder(folder: Path, name: str) -> Path:
    return folder / "checkpoint(synthetic)" / f"{name}_seed1111" / "mult-causal"


def weights(folder: Path, name: str) -> torch.Tensor:
    model = torch.load(run_folder(folder, name) / "last.pt", weights_only=True)["model"]
    return torch.cat([value.flatten().float() for value in model.values()])


def distance(found: torch.Tensor, expected: torch.Tensor) -> float:
    return ((found - expected).norm() / expected.norm()).item()


pytestmark = pytest.mark.xdist_group("distributed")  # one pair for all


@pytest.mark.parametrize("name", LEARNERS)
def test_gradients_are_those_of_one_process(pair, name):
    folder, found, _ = pair
    expected = gradients(folder, name)
    assert max(distance(one["gradients"][name], expected) for one in found) < 1e-6


@pytest.mark.parametrize("count", [ODD, 1])
def test_every_sample_is_scored_once_and_in_order_also_where_a_process_has_none(pair, count):
    folder, found, _ = pair
    for one in found:
        torch.testing.assert_close(one["predictions"][count], predictions(folder, count), rtol=1e-6, atol=1e-6)


def test_a_run_of_two_processes_ends_with_the_weights_of_one(pair):
    folder, found, _ = pair
    assert found[0]["codes"] == found[1]["codes"] == [0] * 7
    assert distance(weights(folder, "two"), weights(folder, "one")) < 1e-5


def test_what_no_loss_uses_is_stepped_by_no_process(pair):
    assert distance(weights(pair[0], "two_ahead"), weights(pair[0], "one_ahead")) < 1e-5


def test_a_run_begun_by_one_process_is_continued_by_two(pair):
    assert distance(weights(pair[0], "begun_by_one"), weights(pair[0], "one")) < 1e-5


def test_a_run_begun_by_two_processes_is_continued_by_one(pair):
    assert main.main(arguments(pair[0], "begun_by_two", "--resume")) == 0
    assert distance(weights(pair[0], "begun_by_two"), weights(pair[0], "one")) < 1e-5


def test_with_dropout_two_processes_continue_bit_by_bit(pair):
    assert torch.equal(weights(pair[0], "cut"), weights(pair[0], "whole"))


def test_a_batch_that_does_not_divide_is_one_sentence_and_not_one_per_process(pair):
    assert pair[2].count("error:") == 1 and "--batch_size 15 does not divide by the 2 processes" in pair[2]
    assert [one["bad"] for one in pair[1]] == [2, 2] and not list(pair[0].glob("*/bad*"))


def test_the_method_that_differentiates_in_its_loss_is_refused(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr("src.configured.process_count", lambda: 2)
    assert main.main(arguments(tmp_path, "x", "--method", "mmpareto")) == 2
    assert "mmpareto with mult trains in one process only" in capsys.readouterr().err


def test_parts_are_as_even_as_can_be():
    assert part_sizes(7, 3) == [3, 2, 2] and part_sizes(1, 2) == [1, 0]


def test_a_stopped_run_says_so_once_and_is_continued(pair):
    folder, _, errors = pair
    assert errors.count("stopped; epoch") == 1 and "--resume" in errors
    last = torch.load(run_folder(folder, "stopped") / "last.pt", weights_only=True)["epoch"]
    assert main.main(arguments(folder, "stopped", "--resume", "--num_epochs", str(last + 1))) == 0
