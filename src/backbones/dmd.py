"""DMD (Li, Wang, Cui, CVPR 2023): Decoupled Multimodal Distilling, as published, with any number of outputs.

Every modality is split into a private part and a common part. The common parts (homogeneous side) and the private
parts, which read each other by crossmodal attention (heterogeneous side), give logits of their own and teach each other
over a graph. What differs from the published code, or may surprise in it:

- Lengths and widths are measured on the data. Linear layers over all frames of the homogeneous side fix the lengths.
- With C outputs every task loss is the task's own and logit distances sum over C; see `label_distances` for the margin.
- The orthogonality is a mean over frames: torch refuses the published call on three-dimensional tensors.
- The private vectors enter no loss, so nothing trains the layers behind them; they are kept for parity.
- The distillation of heterogeneous states lowers their cosine to the teacher's state, as published.
- The score of an edge has no bias, which its softmax would take away; the published one never moves.
"""

import functools
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from modules.concurrency import concurrently
from modules.distillation import GraphDistillation, margin_loss, positive_cosine
from modules.dropout import dropout
from src.backbones.base import ONE_FRAME, Crossmodal, check_options, parameters_of
from src.registry import BACKBONES
from src.structures import (
    DEPTHS,
    DIM,
    DROPOUT,
    DROPOUTS,
    KERNEL,
    LAYERS,
    MODALITIES,
    WEIGHT,
    WIDTH,
    BackboneOutput,
    Batch,
    DataInfo,
    InputError,
    added,
    option,
)

ORDER = ("text", "vision", "audio")  # of the graphs' vertices and of concatenated states, as published
TEXT, VISION, AUDIO = range(3)
COMMON = "common"
# Edges (student, teacher) that the priors favour.
HOMOGENEOUS_PRIOR = ((VISION, TEXT), (AUDIO, TEXT))
HETEROGENEOUS_PRIOR = (*HOMOGENEOUS_PRIOR, (AUDIO, VISION))


@dataclass(frozen=True)
class DmdOptions:
    """Sizes, dropouts and loss weights of DMD; the defaults are the published ones for MOSEI."""

    dim: int = option(30, "width d of every modality inside the backbone", bounds=DIM)
    kernel_t: int = option(5, "frames the text projection sees at once", bounds=KERNEL)
    kernel_a: int = option(1, "frames the audio projection sees at once", bounds=KERNEL)
    kernel_v: int = option(3, "frames the vision projection sees at once", bounds=KERNEL)
    nlevels: int = option(4, "layers of every encoder; those that follow the crossmodal ones have at least 3",
                          bounds=LAYERS, search=DEPTHS)
    num_heads: int = option(6, "attention heads; must divide --dim", bounds=WIDTH)
    attn_mask: bool = option(True, "hide future frames from attention")
    mask_padding: bool = option(False, "hide leading zero frames from attention, so that padding changes nothing")
    attn_dropout: float = option(0.4, "attention dropout where the source is text, and after the crossmodal encoders",
                                 bounds=DROPOUT, search=DROPOUTS)
    attn_dropout_a: float = option(0.0, "attention dropout where the source is audio", bounds=DROPOUT)
    attn_dropout_v: float = option(0.0, "attention dropout where the source is vision", bounds=DROPOUT)
    relu_dropout: float = option(0.0, "dropout inside the feed-forward layers", bounds=DROPOUT)
    embed_dropout: float = option(0.0, "dropout on embedded frames", bounds=DROPOUT)
    res_dropout: float = option(0.0, "dropout on every residual branch", bounds=DROPOUT)
    text_dropout: float = option(0.3, "dropout on the text input", bounds=DROPOUT, search=DROPOUTS)
    out_dropout: float = option(0.5, "dropout inside the eight output blocks", bounds=DROPOUT, search=DROPOUTS)
    homogeneous_size: int = option(64, "hidden width of the homogeneous distillation graph", bounds=WIDTH)
    heterogeneous_size: int = option(32, "hidden width of the heterogeneous distillation graph", bounds=WIDTH)
    homogeneous_weight: float = option(0.05, "weight of the homogeneous distillation", bounds=WEIGHT)
    heterogeneous_weight: float = option(0.05, "weight of the heterogeneous distillation", bounds=WEIGHT)
    decoupling_weight: float = option(0.1, "weight of reconstruction, cycle, margin and orthogonality", bounds=WEIGHT)
    margin_weight: float = option(0.1, "further weight of margin and orthogonality", bounds=WEIGHT)

    def __post_init__(self) -> None:
        check_options(self)


def label_distances(labels: Tensor, scores: bool) -> Tensor:
    """How far the labels of any two samples lie apart. (B, ...) -> (B, B).

    Scores: |y_i - y_j|, the published distance, also where the task is to classify them. Numbers of classes: 1 where
    they differ. Rows of several: half of the l1 distance, so 1 for two one-hot classes, for pairs of emotions the
    number of those that differ, and half of it for sets of labels.
    """
    flat = labels.reshape(len(labels), -1)
    distances = (flat.unsqueeze(1) - flat).abs().sum(-1)
    if flat.size(1) > 1:
        return distances / 2
    return distances if scores else distances.sign()


class OutputBlock(nn.Module):
    """A residual two-layer network and a linear output."""

    def __init__(self, width: int, inner: int, outputs: int, dropout: float) -> None:
        super().__init__()
        self.dropout = dropout
        self.expand, self.contract = nn.Linear(width, inner), nn.Linear(inner, width)
        self.output = nn.Linear(width, outputs)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """x (B, width) -> logits (B, C), hidden layer (B, inner), state before the output (B, width)."""
        hidden = F.relu(self.expand(x))
        state = x + self.contract(dropout(hidden, self.dropout, self.training))
        return self.output(state), hidden, state


class Decoupling(nn.Module):
    """Splits frames into private and common parts from which a decoder can rebuild them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.private = nn.ModuleDict({name: nn.Linear(width, width, bias=False) for name in ORDER})
        self.common = nn.Linear(width, width, bias=False)
        self.decoders = nn.ModuleDict({name: nn.Linear(2 * width, width, bias=False) for name in ORDER})

    def forward(self, frames: dict[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Tensor], dict[str, Tensor]]:
        """Modality -> (B, T, d) into private parts and common parts of the same shapes, and losses by name."""
        private = {name: self.private[name](frames[name]) for name in ORDER}
        common = {name: self.common(frames[name]) for name in ORDER}
        rebuilt = {name: self.decoders[name](torch.cat([private[name], common[name]], dim=-1)) for name in ORDER}
        return private, common, {
            "reconstruction": added(F.mse_loss(rebuilt[name], frames[name]) for name in ORDER),
            "cycle": added(F.mse_loss(self.private[name](rebuilt[name]), private[name]) for name in ORDER),
            "orthogonality": added(positive_cosine(private[name], common[name]).mean() for name in ORDER)}


@BACKBONES.register("dmd")
class DMD(Crossmodal):
    """Decoupling, homogeneous and heterogeneous side, two distillation graphs, a gated output block.

    Raises InputError where a sequence is shorter than its projection kernel, or in forward has another length than the
    model was built for.
    """

    Options = DmdOptions
    # Published besides the defaults above. What no flag gives: gradients of ten batches summed, and clipped after each
    # of them; half of the rates where ours takes a tenth; ten epochs of patience; selection by the main output's L1.
    TRAINING = {"batch_size": 16, "accumulate": 10, "m_lr": 1e-4, "clip": 0.0, "clip_value": 0.6, "when": 5}
    PRESETS = {
        "mosei_senti": TRAINING,
        "mosi": {"dim": 50, "num_heads": 10, "kernel_t": 5, "kernel_a": 5, "kernel_v": 5, "attn_dropout": 0.3,
                 "attn_dropout_a": 0.2, "embed_dropout": 0.2, "text_dropout": 0.5, **TRAINING},
        **dict.fromkeys(ONE_FRAME, {"kernel_t": 1, "kernel_a": 1, "kernel_v": 1, "nlevels": 2}),
        "synthetic": {"dim": 40, "num_heads": 4, "kernel_t": 1, "kernel_a": 1, "kernel_v": 1, "nlevels": 1,
                      "attn_dropout": 0.0, "text_dropout": 0.0, "out_dropout": 0.0,
                      "num_epochs": 16},  # without a shortcut it takes twice the epochs of MulT
    }

    def __init__(self, info: DataInfo, options: DmdOptions) -> None:
        super().__init__(info, options)
        self.lengths = dict(info.lengths)
        outputs, width = info.outputs, options.dim
        self.decoupling = Decoupling(width)
        flat = {name: width * self._frames(name, info) for name in ORDER}
        self.private_align = nn.ModuleDict({name: nn.Linear(flat[name], width) for name in ORDER})
        self.private_align.requires_grad_(False)  # no loss sees what they give
        self.common_align = nn.ModuleDict({name: nn.Linear(flat[name], width) for name in ORDER})
        self.common_encoders = nn.ModuleDict({name: self.encoder(width, options.nlevels, name) for name in ORDER})
        self.homogeneous_blocks = nn.ModuleDict({name: self._block(flat[name], width, outputs) for name in ORDER})
        self.heterogeneous_blocks = nn.ModuleDict(
            {name: self._block(2 * width, 2 * width, outputs) for name in ORDER})
        self.common_block = self._block(3 * width, 3 * width, outputs)
        widths = {**dict.fromkeys(ORDER, 2 * width), COMMON: 3 * width}
        self.gates = nn.ModuleDict({name: nn.Linear(size, size) for name, size in widths.items()})
        self.block = self._block(9 * width, 9 * width, outputs)
        self.homogeneous_graph = GraphDistillation(
            outputs, width, options.homogeneous_size, len(ORDER), HOMOGENEOUS_PRIOR)
        self.heterogeneous_graph = GraphDistillation(
            outputs, 2 * width, options.heterogeneous_size, len(ORDER), HETEROGENEOUS_PRIOR, separate_states=True)

    def _frames(self, name: str, info: DataInfo) -> int:
        """Frames that the projection leaves."""
        projection = self.projections[name]
        return info.lengths[name] - (projection.kernel_size[0] - 1 if isinstance(projection, nn.Conv1d) else 0)

    def _block(self, width: int, inner: int, outputs: int) -> OutputBlock:
        return OutputBlock(width, inner, outputs, self.options.out_dropout)

    def forward(self, batch: Batch) -> BackboneOutput:
        """Logits (B, C) and the gated joint state (B, 9 d) of a batch with inputs (B, T, D).

        aux holds what `auxiliary_terms` needs; stacks over the modalities are in `ORDER`.
        """
        self._check_lengths(batch)
        frames = self.project(batch, self.options.text_dropout)
        unpadded = self.unpadded_windows(batch, frames)
        private, common, losses = self.decoupling(frames)
        homogeneous = [self.homogeneous_blocks[name](common[name].flatten(1)) for name in ORDER]
        (states, heterogeneous), last_common = concurrently({
            "heterogeneous": functools.partial(self._heterogeneous, private, unpadded),
            COMMON: functools.partial(self._last_common, common, unpadded)}).values()
        own = {name: torch.cat([states[name], last_common[name]], dim=1) for name in MODALITIES}
        states[COMMON] = torch.cat(list(last_common.values()), dim=1)
        hidden = torch.cat([self.gates[name](state).sigmoid() for name, state in states.items()], dim=1)
        # Features before frames: the layout of the published weights of this one layer.
        aligned = [self.common_align[name](common[name].transpose(1, 2).flatten(1)) for name in ORDER]
        aux = {
            "homogeneous_logits": torch.stack([logits for logits, _, _ in homogeneous]),  # (3, B, C)
            "homogeneous_states": torch.stack([inner for _, inner, _ in homogeneous]),  # (3, B, d)
            "heterogeneous_logits": torch.stack([logits for logits, _, _ in heterogeneous]),  # (3, B, C)
            "heterogeneous_states": torch.stack([state for _, _, state in heterogeneous]),  # (3, B, 2 d)
            "common_logits": self.common_block(states[COMMON])[0],  # (B, C)
            "common_vectors": torch.stack(aligned),  # (3, B, d)
            "private_vectors": torch.stack([self.private_align[name](private[name].flatten(1)) for name in ORDER]),
        }
        return BackboneOutput(self.block(hidden)[0], hidden, aux | losses, own)

    def _heterogeneous(self, private: dict[str, Tensor], unpadded: dict[str, Tensor | None]
                       ) -> tuple[dict[str, Tensor], list[tuple[Tensor, Tensor, Tensor]]]:
        """Private parts that have read each other. -> modality -> (B, 2 d), and what the block of each gives."""
        states = self.target_states(ORDER, private, unpadded)
        return states, [self.heterogeneous_blocks[name](states[name]) for name in ORDER]

    def _last_common(self, common: dict[str, Tensor], unpadded: dict[str, Tensor | None]) -> dict[str, Tensor]:
        """Last steps of the encoded common parts. -> modality -> (B, d)."""
        encoded = concurrently({name: functools.partial(self.common_encoders[name], common[name],
                                                        unpadded=unpadded[name], last=True) for name in ORDER})
        return {name: x[:, -1] for name, x in encoded.items()}

    @property
    def state_widths(self) -> dict[str, int]:
        """Width of the state of every modality: its private part, which has read the others', and its common part."""
        return dict.fromkeys(MODALITIES, 3 * self.options.dim)

    def modality_parameters(self) -> dict[str, list[nn.Parameter]]:
        """What belongs to one modality alone on its way to the joint state, see `target_modules`.

        The split of the common part, its gate and the output block are shared. Layers that only a loss of DMD's own
        sees, the decoders and the blocks with logits of one modality, are on no such way.
        """
        return parameters_of({name: [*self.target_modules(name), self.decoupling.private[name],
                                     self.common_encoders[name], self.gates[name]] for name in MODALITIES})

    def _check_lengths(self, batch: Batch) -> None:
        """Raise InputError for sequences of another length than the linear layers over all frames have."""
        for name, x in batch.inputs.items():
            if x.size(1) != self.lengths[name]:
                raise InputError(f"{name} has {x.size(1)} frames, but this DMD was built for {self.lengths[name]}, "
                                 "which the linear layers over all frames fix; train it on data of this length")

    def auxiliary_terms(self, output: BackboneOutput, labels: Tensor, task: Any) -> dict[str, Tensor]:
        """Losses of DMD besides the task loss of its logits, before weighting. -> name -> scalar."""
        aux, targets = output.aux, task.targets(labels)
        logits = [*aux["homogeneous_logits"], *aux["heterogeneous_logits"], aux["common_logits"]]
        homogeneous = self.homogeneous_graph(aux["homogeneous_logits"], aux["homogeneous_states"])
        heterogeneous = self.heterogeneous_graph(aux["heterogeneous_logits"], aux["heterogeneous_states"])
        distances = label_distances(labels, task.ordered).repeat(len(ORDER), len(ORDER))
        return {
            "task": added(task.loss(each, targets) for each in logits),
            # The homogeneous states are compared, but only logits are distilled, as published.
            "homogeneous": homogeneous.logits + homogeneous.regularization,
            "heterogeneous": heterogeneous.logits + heterogeneous.states + heterogeneous.regularization,
            "margin": margin_loss(aux["common_vectors"].flatten(0, 1), distances),
            **{name: aux[name] for name in ("reconstruction", "cycle", "orthogonality")}}

    def auxiliary_loss(self, output: BackboneOutput, labels: Tensor, task: Any) -> Tensor:
        """Weighted sum of `auxiliary_terms`. -> scalar."""
        terms, options = self.auxiliary_terms(output, labels, task), self.options
        decoupling = (terms["reconstruction"] + terms["cycle"]
                      + options.margin_weight * (terms["margin"] + terms["orthogonality"]))
        return (terms["task"] + options.homogeneous_weight * terms["homogeneous"]
                + options.heterogeneous_weight * terms["heterogeneous"] + options.decoupling_weight * decoupling)
