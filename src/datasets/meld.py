"""MELD (Poria et al., ACL 2019): seven emotions, three sentiments, a vector per modality, as distributed for MMGCN."""

from src.datasets.base import LIGHT, DatasetSpec
from src.registry import DATASETS

SPEC = DATASETS.register("meld")(DatasetSpec(
    name="meld",
    task="classes:7",
    class_names={"classes:7": ("neutral", "surprise", "fear", "sadness", "joy", "disgust", "anger"),
                 "classes:3": ("neutral", "positive", "negative")},
    labels={"classes:7": "emotion_labels", "classes:3": "sentiment_labels"},
    source="python -m src.datasets.convert writes it from MELD_features_raw1.pkl, the utterance features of MMGCN "
           "(docs/data.md)",
    # One frame per modality: small branches, few epochs.
    preset={"batch_size": 64, "num_epochs": 20, **LIGHT},
))
