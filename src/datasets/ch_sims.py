"""CH-SIMS (Yu et al., ACL 2020), sentiment of Chinese videos in [-1, 1], as distributed with MMSA."""

from src.datasets.base import LIGHT, DatasetSpec
from src.registry import DATASETS

SPEC = DATASETS.register("ch_sims")(DatasetSpec(
    name="ch_sims",
    task="sims5",
    source="python -m src.datasets.convert writes it from unaligned_39.pkl, MMSA's features of CH-SIMS (docs/data.md)",
    preset={"batch_size": 32, "num_epochs": 20, **LIGHT},
))
