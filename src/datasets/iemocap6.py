"""IEMOCAP (Busso et al., 2008): six emotions, a vector per modality, as distributed for DialogueRNN and MMGCN."""

from src.datasets.base import LIGHT, DatasetSpec
from src.registry import DATASETS

SPEC = DATASETS.register("iemocap6")(DatasetSpec(
    name="iemocap6",
    task="classes:6",
    class_names={"classes:6": ("happy", "sad", "neutral", "angry", "excited", "frustrated")},
    source="python -m src.datasets.convert writes it from IEMOCAP_features.pkl, the utterance features of DialogueRNN "
           "and MMGCN (docs/data.md)",
    # One frame per modality: small branches, few epochs.
    preset={"batch_size": 64, "num_epochs": 20, **LIGHT},
))
