"""A model with data, without any training."""

import torch
from torch import nn

from src.analysis.trained import Trained
from src.config import parse_config
from src.datasets.base import Dataset, Split
from src.methods.base import Parts
from src.methods.plain import Plain
from src.structures import MODALITIES, DataInfo


def split_of(count: int, seed: int) -> Split:
    """Random inputs whose label is 1 where audio is positive on the whole."""
    random = torch.Generator().manual_seed(seed)
    inputs = {name: torch.randn(count, 3, 2, generator=random) for name in MODALITIES}
    return Split(inputs, (inputs["audio"].sum((1, 2)) > 0).float(), [str(i) for i in range(count)])


def trained(model: nn.Module) -> Trained:
    """A model on 40 training and 60 test samples of two classes."""
    info = DataInfo("made", "classes:2", 2, dict.fromkeys(MODALITIES, 2), dict.fromkeys(MODALITIES, 3))
    dataset = Dataset({"train": split_of(40, 0), "test": split_of(60, 1)}, info, [])
    config = parse_config(["--dataset", "made.pkl", "--task", "classes:2", "--method", "plain"])
    method = Plain(info, Plain.Options(), Parts(model))
    return Trained(config, dataset, method, torch.device("cpu"))
