"""Weights as safetensors, and a folder of them with a configuration and a card, which `read_folder` reads back."""

import hashlib
import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

from torch import Tensor

from src.build import restored
from src.config import Config, config_from
from src.export.card import card
from src.export.source import Source
from src.methods.base import Method
from src.reading.records import Damaged
from src.saved import check_content
from src.structures import DataInfo, InputError, reason
from src.writing import read_json, without_nan, write_bytes, write_json, write_text

WEIGHTS, CONFIG, CARD = "model.safetensors", "config.json", "README.md"
FORM = 1  # of the configuration


def write_folder(folder: Path, source: Source) -> None:
    """A folder that huggingface_hub uploads as it is; the configuration, without which nothing reads it, comes last."""
    weights, about = safetensors_bytes(source), card(source)
    write_bytes(folder / WEIGHTS, weights)
    write_text(folder / CARD, about)
    write_json(folder / CONFIG, {"form": FORM, "sha256": hashlib.sha256(weights).hexdigest()} | source.about())


def safetensors_bytes(source: Source) -> bytes:
    """The content of a safetensors file, whose metadata is everything else that is known of the model, as JSON."""
    from safetensors.torch import save

    weights = {name: value.contiguous() for name, value in source.model.state_dict().items()}
    return save(weights, {"causalmer": json.dumps(without_nan(source.about()), sort_keys=True)})


def read_folder(folder: Path, own: Collection[str] = ()) -> tuple[Config, DataInfo, Method, dict[str, Any]]:
    """The model of such a folder on the CPU, and what its configuration says.

    `own` are classes that may be imported. Raises InputError where something is missing, damaged or does not fit.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    about = read_json(folder / CONFIG)
    if not isinstance(about, dict) or about.get("form") != FORM:
        raise InputError(f"{folder / CONFIG} is no configuration of `src.export --to hub_folder`; export the run again")
    try:
        content = (folder / WEIGHTS).read_bytes()
        if hashlib.sha256(content).hexdigest() != about["sha256"]:
            raise InputError(f"{folder / WEIGHTS} is not the file that {CONFIG} beside it was written for; bring back "
                             "both, or export the run again")
        weights: dict[str, Tensor] = load(content)
        info = about["info"] | {"class_names": tuple(about["info"].get("class_names", ()))}
        check_content({"info": info, "config": about["config"]})
        config = config_from(about["config"], own)
    except (OSError, KeyError, TypeError, ValueError, AttributeError, SafetensorError, Damaged) as error:
        raise InputError(f"{folder} cannot be used ({reason(error)}); export the run again") from error
    data = DataInfo(**info)
    return config, data, restored(config, data, weights, folder / WEIGHTS).eval(), about
