"""CREMA-D's human votes (Cao et al., IEEE TAC 2014): what listeners heard, what viewers saw, and the sentence."""

from src.datasets.base import LIGHT, DatasetSpec
from src.registry import DATASETS

SPEC = DATASETS.register("crema_d")(DatasetSpec(
    name="crema_d",
    task="classes:6",
    class_names={"classes:6": ("anger", "disgust", "fear", "happy", "neutral", "sad")},
    source="python -m src.datasets.convert crema_d writes it from the published table of votes (docs/data.md)",
    # One frame per modality, as few numbers as a person can count: small networks, few epochs.
    preset={"batch_size": 64, "num_epochs": 8, "when": 100, "fusion_mode": "tanh", **LIGHT},
    group=r"^(\d+)_",
))
