"""Nothing that is chosen depends on a test split: epochs, strengths, hyperparameters and weights are the same bits."""

import csv
import json

import numpy as np
import pytest
import torch

import main
from src.analysis.study.grid import Condition, Plan, Variant, jobs
from src.analysis.study.tuning import tuned
from src.checkpoint import run_folder
from src.datasets.synthetic import SyntheticOptions, generate
from src.options import InferenceOptions
from src.plan_options import StudyOptions
from src.registry import METHODS
from tests.conftest import Means, install, write

SIZES = ("--task=emotion4", "--text_branch=light", "--audio_branch=light", "--vision_branch=light", "--light_width=4",
         "--num_epochs=2", "--batch_size=16", "--m_lr=0.01", "--device=cpu")


def with_noise(folder):
    """A data file, and one of the same name with noise in the place of all test splits."""
    content = generate(SyntheticOptions(synthetic_sizes=(48, 24, 24), shortcut_t=0.5))
    random = np.random.default_rng(0)
    write(folder / "true" / "data.pkl", content)
    for name in [name for name in content if name.startswith("test")]:
        split = content[name]
        content[name] = {key: random.standard_normal(value.shape) for key, value in split.items()}
        content[name]["labels"] = np.repeat(split["labels"][:1], len(split["labels"]), axis=0)  # other shares, too
    write(folder / "noise" / "data.pkl", content)
    return folder / "true" / "data.pkl", folder / "noise" / "data.pkl"


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return with_noise(tmp_path_factory.mktemp("data"))


def chosen(file, method, place):
    """Train, tune, select and measure a method: everything that was chosen, and the test scores."""
    done = {}

    def bring(wanted, excused=""):
        folders = {}
        for job in wanted:
            if job.fingerprint("") in done:
                folders[job] = done[job.fingerprint("")]
                continue
            name = f"run{len(done)}"
            assert main.main([*job.arguments, f"--name={name}", f"--checkpoint_path={place}"]) == 0
            at = InferenceOptions(dataset=str(file), name=name, seed=job.seed, checkpoint_path=place)
            folders[job] = done[job.fingerprint("")] = run_folder(at, job.backbone, method)
        return folders

    variant = Variant(method, (f"--method={method}",))
    plan = Plan((Condition(str(file), ""),), ("own:Class",), (variant,), (1,))
    extra = (*SIZES, "--strength=valid", "--unbiased=12", "--log_samples", "--branch_epochs=1")
    (best,) = tuned([plan], extra, StudyOptions(tune=2), bring)
    (folder,) = bring(jobs([best], extra)).values()
    results = json.loads((folder / "results.json").read_text())
    with (folder / "history.csv").open(newline="") as history:
        rows = [{key: value for key, value in row.items() if key != "seconds"} for row in csv.DictReader(history)]
    weights = {path.name: torch.load(path, weights_only=True)["model"] for path in sorted(folder.glob("best_*.pt"))}
    return {"settings": best.variants[0].flags, "strengths": results["strengths"], "history": rows,
            "epochs": {name: one["epoch"] for name, one in results["selections"].items()},
            "weights": {name: {key: value.tolist() for key, value in one.items()} for name, one in weights.items()},
            }, {name: one["test"] for name, one in results["selections"].items()}


@pytest.mark.parametrize("method", METHODS)
def test_noise_in_the_place_of_the_test_splits_changes_nothing_but_the_test_scores(files, tmp_path, monkeypatch,
                                                                                   method):
    install(monkeypatch, Means)
    (one, scores), (other, noise) = (chosen(file, method, tmp_path / file.parent.stem) for file in files)
    assert one == other and scores != noise
