"""CMU-MOSEI sentiment (Bagher Zadeh et al., ACL 2018) as distributed for MulT."""

from src.datasets.base import DatasetSpec
from src.registry import DATASETS

SPEC = DATASETS.register("mosei_senti")(DatasetSpec(
    name="mosei_senti",
    task="sentiment7",
    source="the features are those that MulT's authors distribute (links in docs/data.md)",
    expected={True: "16265/1869/4643 samples, text 50x300, audio 50x74, vision 50x35",
              False: "16326/1871/4659 samples, text 50x300, audio 500x74, vision 500x35"},
))
