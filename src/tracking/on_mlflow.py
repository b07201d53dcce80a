"""MLflow; MLFLOW_TRACKING_URI says where its tracks are, without it mlflow's own default does."""

import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mlflow.entities import Metric, Param
from mlflow.tracking import MlflowClient

EXPERIMENT = "causalmer"
LONGEST = 500  # characters of a parameter


class Track:
    """The track of one run."""

    def __init__(self, folder: Path, title: str) -> None:
        self.title, self.client = title, MlflowClient()

    def begin(self, config: Mapping[str, Any], epoch: int, known: str) -> str:
        """Open or continue a run of the experiment."""
        if known:
            self.id = known
            self.client.update_run(self.id, "RUNNING")
            return self.id
        found = self.client.get_experiment_by_name(EXPERIMENT)
        experiment = found.experiment_id if found else self.client.create_experiment(EXPERIMENT)
        self.id = self.client.create_run(experiment, run_name=self.title).info.run_id
        self.client.log_batch(self.id, params=[Param(name, str(value)[:LONGEST]) for name, value in config.items()])
        return self.id

    def epoch(self, number: int, row: Mapping[str, float]) -> None:
        """One metric per column."""
        now = int(1000 * time.time())
        self.client.log_batch(self.id, [Metric(name, value, now, number) for name, value in row.items()
                                        if math.isfinite(value)])

    def figures(self, files: Sequence[Path]) -> None:
        """The files as artifacts."""
        for file in files:
            self.client.log_artifact(self.id, str(file), "figures")

    def finish(self, scores: Mapping[str, float]) -> None:
        """The scores as metrics, and the end."""
        self.epoch(0, {f"final_{name}": value for name, value in scores.items()})
        self.client.set_terminated(self.id)
