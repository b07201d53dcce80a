"""A model as an ONNX graph: the inputs of every modality -> the prediction and every effect."""

import contextlib
import io
import logging
import warnings
from typing import cast

import torch
from torch import Tensor, nn

from src.export.source import Source
from src.structures import MODALITIES, Batch, UsageError

BATCH = "samples"  # the one dimension that may change
OPSET = 18


class Graph(nn.Module):
    """A model that takes and gives plain tensors: text, audio, vision (B, T, D) -> (B, C) each of `names`."""

    def __init__(self, source: Source) -> None:
        super().__init__()
        self.model = source.model
        effects = dict(source.model.current_effects())
        self.keys = {"prediction": "logits", **{name: key for name, key in effects.items() if key != "logits"}}

    @property
    def names(self) -> list[str]:
        """What the outputs are called: the prediction, and the effects that it is made of."""
        return list(self.keys)

    def forward(self, text: Tensor, audio: Tensor, vision: Tensor) -> tuple[Tensor, ...]:
        """The outputs in the order of `names`."""
        values = self.model(Batch(dict(zip(MODALITIES, (text, audio, vision), strict=True)), None)).per_sample()
        return tuple(values[key] for key in self.keys.values())


def onnx_bytes(source: Source) -> bytes:
    """The content of an ONNX file with any number of samples and the lengths of the training data.

    Raises UsageError where the packages onnx and onnxscript are missing.
    """
    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise UsageError("--to onnx needs the packages onnx and onnxscript; pip install -r "
                         "requirements-export.txt") from error
    graph = Graph(source).eval()
    example = tuple(torch.zeros(2, source.info.lengths[name], source.info.widths[name]) for name in MODALITIES)
    samples = torch.export.Dim(BATCH)
    logged = logging.root.manager.disable
    try:
        logging.disable()  # the exporter tells of every step
        with torch.no_grad(), warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            program = torch.onnx.export(graph, example, dynamo=True, opset_version=OPSET, output_names=graph.names,
                                        input_names=list(MODALITIES),
                                        dynamic_shapes=tuple({0: samples} for _ in MODALITIES))
    finally:
        logging.disable(logged)
    return cast(torch.onnx.ONNXProgram, program).model_proto.SerializeToString()
