"""A trial of another choice of weights from kept samples: `python -m tests.simplest FOLDER`, of a study with --oracle.

The likeliest weights on validation, as chosen today, beside the fewest paths whose loss there is within one standard
error of theirs; the epoch by validation score and by validation loss. Mean and single scores over the runs of a method.
"""

import argparse
import itertools
import json
from collections import defaultdict
from pathlib import Path
from statistics import mean

import torch.nn.functional as F
from torch import Tensor

from src.analysis.choice import read_record
from src.config import config_from
from src.parts import named_class
from src.registry import METHODS
from src.selection import VALID, strengths
from src.tasks import make_task
from src.tasks.base import SCALES, Task


def losses(task: Task, logits: Tensor, labels: Tensor) -> Tensor:
    """Cross entropy of every sample at the best size of the logits. (N, C) -> (N,)."""
    size = (logits - logits.mean(1, keepdim=True)).square().mean().sqrt()
    every = [F.cross_entropy(scale * logits / size, task.targets(labels), reduction="none") for scale in SCALES]
    return min(every, key=lambda one: one.mean().item())


def main() -> None:
    """Print a line per method and rule."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    found: dict[tuple[str, ...], list[float]] = defaultdict(list)
    for file in sorted(parser.parse_args().folder.glob("checkpoint(*)/*/*/results.json")):
        results = json.loads(file.read_text())
        config = config_from(results["config"])
        task, method = make_task(results["data"]["task"]), named_class(METHODS, config.run.method)
        if config.choice.strength != VALID:
            continue
        among, record, chosen = strengths(method, config.method, VALID, ()), read_record(file.parent, config), {}
        for epoch, looks in record.items():
            valid, points = looks["valid"], []
            for point in itertools.product(*among.free.values()):
                weights = {**among.start, **dict(zip(among.free, point, strict=True))}
                logits = method.combined(valid.values, weights)
                if (logits != logits[:1]).any():
                    points.append((weights, losses(task, logits, valid.labels), task.score(logits, valid.labels)))
            best = min(points, key=lambda one: one[1].mean().item())
            near = [one for one in points
                    if (one[1] - best[1]).mean() <= (one[1] - best[1]).std() / len(best[1]) ** 0.5]
            few = min(near, key=lambda one: (sum(map(bool, one[0].values())), one[1].mean().item()))
            chosen[epoch] = {"likeliest": best, "fewest paths": few}
        for rule in ("likeliest", "fewest paths"):
            merits = {"valid_score": {epoch: one[rule][2] for epoch, one in chosen.items()},
                      "valid_loss": {epoch: -one[rule][1].mean().item() for epoch, one in chosen.items()}}
            for name, merit in merits.items():
                epoch = max(merit, key=merit.__getitem__)
                test = record[epoch]["test"]
                logits = method.combined(test.values, chosen[epoch][rule][0])
                found[config.run.method, rule, name].append(100 * task.share(logits, test.labels))
    for key, values in found.items():
        print(f"{' '.join(key):36} {mean(values):.1f}  ({', '.join(f'{value:.1f}' for value in values)})")


if __name__ == "__main__":
    main()
