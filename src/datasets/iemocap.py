"""IEMOCAP (Busso et al., Language Resources and Evaluation 2008) as distributed for MulT: four binary emotions."""

from src.datasets.base import DatasetSpec
from src.registry import DATASETS
from src.structures import EMOTIONS

SPEC = DATASETS.register("iemocap")(DatasetSpec(
    name="iemocap",
    task="emotion4",
    class_names={"classes:4": EMOTIONS},
    source="the features are those that MulT's authors distribute (links in docs/data.md), and IEMOCAP itself needs "
           "a licence from USC",
    expected={True: "2717/798/938 samples, text 20x300, audio 20x74, vision 20x35",
              False: "2717/798/938 samples, text 20x300, audio 400x74, vision 500x35"},
    # The published run, except --t_lr 1e-6, which belongs to ALBERT and stands with it.
    preset={"aligned": True, "batch_size": 32, "num_epochs": 50, "clip": 0.8, "when": 20, "optim": "Adam",
            "m_lr": 2e-3, "t_lr": 2e-3, "a_lr": 2e-3, "v_lr": 2e-3, "c_t_lr": 2e-3, "c_a_lr": 2e-3, "c_v_lr": 2e-3},
))
