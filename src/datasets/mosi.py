"""CMU-MOSI (Zadeh et al., IEEE Intelligent Systems 2016) as distributed for MulT."""

from src.datasets.base import DatasetSpec
from src.registry import DATASETS

SPEC = DATASETS.register("mosi")(DatasetSpec(
    name="mosi",
    task="sentiment7",
    source="the features are those that MulT's authors distribute (links in docs/data.md)",
    expected={True: "1284/229/686 samples, text 50x300, audio 50x5, vision 50x20",
              False: "1284/229/686 samples, text 50x300, audio 375x5, vision 500x20"},
))
