"""Golden numbers of the published implementations, and the formula that regenerates their weights and inputs."""

import json
import math
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from src.backbones.mult import MultOptions
from src.causal_mer_model import CausalMER
from src.published import our_name
from src.structures import LETTER, MODALITIES, Batch, DataInfo

FOLDER = Path(__file__).parent / "golden"
KERNELS = {"iemocap": (3, 5, 3), "mosei_senti": (1, 3, 3), "mosi": (1, 3, 3)}


def golden(name: str) -> dict[str, Any]:
    """The content of a golden file."""
    return json.loads((FOLDER / f"{name}.json").read_text())


def normal(name: str, shape: tuple[int, ...], salt: str = "") -> np.ndarray:
    """Standard normal numbers from a frozen stream that the name seeds."""
    return np.random.RandomState(zlib.crc32((salt + name).encode())).standard_normal(shape)


def parameter(name: str, shape: tuple[int, ...], salt: str = "") -> Tensor:
    """The value of a published parameter."""
    n = normal(name, shape, salt)
    if len(shape) >= 2:
        value = n / math.sqrt(np.prod(shape[1:]))
    elif len(shape) == 0:
        value = 0.3 + 0.1 * n
    elif name.endswith("running_var"):
        value = 1 + abs(0.1 * n)
    elif name.endswith("weight"):
        value = 1 + 0.1 * n
    else:
        value = 0.05 * n
    return torch.tensor(value, dtype=torch.float32)


def model_input(lengths: list[int], widths: dict[str, int], batch: int, salt: str = "") -> Batch:
    """The input batch of a golden case."""
    shapes = {m: (batch, length, widths[m]) for m, length in zip(MODALITIES, lengths, strict=True)}
    inputs = {m: torch.tensor(0.5 * normal(f"input.{m}", shape, salt), dtype=torch.float32)
              for m, shape in shapes.items()}
    return Batch(inputs, None)


def fill(model: nn.Module, salt: str = "") -> None:
    """Give MulT, or CausalMER around it, its golden values, by the published names that the key map takes to ours."""
    mult = [name for name, _ in golden("mult")["iemocap_aligned"]["parameters"]]
    if isinstance(model, CausalMER):
        mult = [f"tav_branch.{name}" for name in mult] + [name for name, _ in golden("full_model")["parameters"]]
    state, filled = model.state_dict(), set()
    for name in mult:
        ours = our_name(name)
        if ours in state:
            state[ours] = parameter(name, tuple(state[ours].shape), salt)
            filled.add(ours)
    assert {name for name in state.keys() - filled if not name.endswith("num_batches_tracked")} == set()
    model.load_state_dict(state)


def mult_options(config: dict[str, Any]) -> MultOptions:
    """MulT's options of a golden case, without dropout."""
    dropouts = dict.fromkeys(("attn_dropout", "relu_dropout", "embed_dropout", "res_dropout"), 0.0)
    kernels = dict(zip(("kernel_t", "kernel_a", "kernel_v"), KERNELS[config["dataset"]], strict=True))
    only_text = config.get("lonly", True) and not config.get("aonly", True)
    return MultOptions(nlevels=config["layers"], num_heads=config["num_heads"], lonly=only_text,
                       attn_mask=config.get("attn_mask", True), **kernels, **dropouts)


def data_info(config: dict[str, Any], lengths: list[int]) -> DataInfo:
    """What a golden case's data would be measured to be."""
    widths = {m: config.get(f"orig_d_{'l' if letter == 't' else letter}", default)
              for (letter, m), default in zip(LETTER.items(), (300, 74, 35), strict=True)}
    return DataInfo(config["dataset"], "emotion4", config.get("output_dim", 8), widths,
                    dict(zip(MODALITIES, lengths, strict=True)))
