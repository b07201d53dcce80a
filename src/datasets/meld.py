"""MELD's seven emotions, one vector per utterance and modality, as distributed for MMGCN."""

from src.datasets.base import LIGHT, DatasetSpec
from src.registry import DATASETS

SPEC = DATASETS.register("meld")(DatasetSpec(
    name="meld",
    task="classes:7",
    class_names=("neutral", "surprise", "fear", "sadness", "joy", "disgust", "anger"),
    source="python -m src.datasets.convert writes it from MELD_features_raw1.pkl, the utterance features of MMGCN "
           "(docs/data.md)",
    # One frame per modality: small branches, few epochs.
    preset={"batch_size": 64, "num_epochs": 20, **LIGHT},
))
