"""MulT (Tsai et al., ACL 2019) as the published CausalMER configures it."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

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
    WIDTH,
    BackboneOutput,
    Batch,
    DataInfo,
    InputError,
    option,
)


@dataclass(frozen=True)
class MultOptions:
    """Sizes and dropouts of MulT."""

    dim: int = option(40, "width d of every modality inside the backbone", bounds=DIM)
    kernel_t: int = option(1, "frames the text projection sees at once", bounds=KERNEL)
    kernel_a: int = option(3, "frames the audio projection sees at once", bounds=KERNEL)
    kernel_v: int = option(3, "frames the vision projection sees at once", bounds=KERNEL)
    nlevels: int = option(5, "layers of each crossmodal encoder; self-attention encoders have at least 3",
                          bounds=LAYERS, search=DEPTHS)
    num_heads: int = option(10, "attention heads; must divide --dim", bounds=WIDTH)
    attn_mask: bool = option(True, "hide future frames from attention")
    mask_padding: bool = option(False, "hide leading zero frames from attention, so that padding changes nothing")
    attn_dropout: float = option(0.1, "attention dropout where the source is text, and in self-attention",
                                 bounds=DROPOUT)
    attn_dropout_a: float = option(0.0, "attention dropout where the source is audio", bounds=DROPOUT)
    attn_dropout_v: float = option(0.0, "attention dropout where the source is vision", bounds=DROPOUT)
    relu_dropout: float = option(0.1, "dropout inside the feed-forward layers", bounds=DROPOUT)
    embed_dropout: float = option(0.25, "dropout on the text input and on embedded frames", bounds=DROPOUT,
                                  search=DROPOUTS)
    res_dropout: float = option(0.1, "dropout on every residual branch", bounds=DROPOUT, search=DROPOUTS)
    out_dropout: float = option(0.0, "dropout inside the output block", bounds=DROPOUT, search=DROPOUTS)
    lonly: bool = option(False, "text (language) as the only target modality")
    aonly: bool = option(False, "audio as the only target modality")
    vonly: bool = option(False, "vision as the only target modality")

    def __post_init__(self) -> None:
        check_options(self)
        if self.lonly + self.aonly + self.vonly > 1:
            raise InputError("--lonly, --aonly and --vonly exclude each other; give one of them, or none for all")

    @property
    def targets(self) -> tuple[str, ...]:
        """Modalities that the others are translated into: all, or the one chosen."""
        chosen = tuple(m for m, flag in zip(MODALITIES, (self.lonly, self.aonly, self.vonly), strict=True) if flag)
        return chosen or MODALITIES


@BACKBONES.register("mult")
class MulT(Crossmodal):
    """Six crossmodal encoders, one self-attention encoder per target, a residual output block.

    Raises InputError where a sequence is shorter than its projection kernel.
    """

    Options = MultOptions
    PRESETS = {
        "iemocap": {"kernel_t": 3, "kernel_a": 5, "kernel_v": 3, "attn_dropout": 0.2, "out_dropout": 0.1},
        "mosei_senti": {},  # the defaults above, which are those of the released code with kernels 1/3/3
        "mosi": {},
        **dict.fromkeys(ONE_FRAME, {"kernel_a": 1, "kernel_v": 1, "nlevels": 2, "num_heads": 4}),
        "synthetic": {"kernel_t": 1, "kernel_a": 1, "kernel_v": 1, "nlevels": 2, "num_heads": 4, "embed_dropout": 0.0,
                      "attn_dropout": 0.0, "relu_dropout": 0.0, "res_dropout": 0.0},
    }

    def __init__(self, info: DataInfo, options: MultOptions) -> None:
        super().__init__(info, options, options.targets)
        hidden = 2 * options.dim * len(options.targets)
        self.expand, self.contract = nn.Linear(hidden, hidden), nn.Linear(hidden, hidden)
        self.output = nn.Linear(hidden, info.outputs)

    def forward(self, batch: Batch) -> BackboneOutput:
        """Logits (B, C) and the joint state (B, 2 d targets) of a batch with inputs (B, T, D)."""
        frames = self.project(batch, self.options.embed_dropout)
        unpadded = self.unpadded_windows(batch, frames)
        states = self.target_states(self.options.targets, frames, unpadded)
        hidden = torch.cat(list(states.values()), dim=1)
        block = self.contract(dropout(F.relu(self.expand(hidden)), self.options.out_dropout, self.training))
        return BackboneOutput(self.output(hidden + block), hidden, states=states)

    @property
    def state_widths(self) -> dict[str, int]:
        """Width of the state of every modality; InputError where a modality is no target, so that it has none."""
        if self.options.targets != MODALITIES:
            raise InputError(f"with {self.options.targets[0]} as the only target of MulT the others have no state of "
                             "their own, which this method needs; leave out --lonly, --aonly and --vonly, or take "
                             "another method")
        return dict.fromkeys(MODALITIES, 2 * self.options.dim)

    def modality_parameters(self) -> dict[str, list[nn.Parameter]]:
        """What belongs to one modality alone; the output block is shared. See `target_modules`."""
        return parameters_of({name: self.target_modules(name) for name in MODALITIES})
