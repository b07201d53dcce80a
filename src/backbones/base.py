"""What backbones share: checked options, projections to one width, encoders of modalities that read each other."""

import functools
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from modules.concurrency import concurrently
from modules.convolution import FrameConvolution
from modules.dropout import dropout
from modules.transformer import Dropouts, TransformerEncoder
from src.structures import LETTER, MODALITIES, Batch, DataInfo, InputError, check_bounds

ONE_FRAME = ("crema_d", "meld", "iemocap6")  # datasets with one vector per modality, where kernels are 1


def check_options(options: Any) -> None:
    """Raise InputError unless numbers lie in their bounds and the heads divide the width."""
    check_bounds(options)
    if options.dim % options.num_heads:
        raise InputError(f"--num_heads {options.num_heads} does not divide --dim {options.dim}; choose a divisor")


def parameters_of(modules: dict[str, list[nn.Module]]) -> dict[str, list[nn.Parameter]]:
    """The parameters of some modules of every modality."""
    return {name: [weight for module in own for weight in module.parameters()] for name, own in modules.items()}


class Projected(nn.Module):
    """Base of backbones that bring every modality to width `dim`; `options` need kernels and `mask_padding` too.

    Raises InputError where a sequence is shorter than its projection kernel.
    """

    def __init__(self, info: DataInfo, options: Any) -> None:
        super().__init__()
        self.options = options
        kernels = {name: getattr(options, f"kernel_{letter}") for letter, name in LETTER.items()}
        for name, kernel in kernels.items():
            if info.lengths[name] < kernel and info.widths[name] != options.dim:
                raise InputError(f"{name} has {info.lengths[name]} frames, shorter than its kernel of {kernel}; "
                                 f"lower --kernel_{name[0]}, or pad the sequences with zero frames at the front")
        # A modality that already has width d passes unprojected, as published.
        self.projections = nn.ModuleDict({
            name: nn.Identity() if info.widths[name] == options.dim
            else FrameConvolution(info.widths[name], options.dim, kernels[name], bias=False)
            for name in MODALITIES})

    def project(self, batch: Batch, text_dropout: float) -> dict[str, Tensor]:
        """Frames of width d. -> modality -> (B, T - kernel + 1, d).

        The numbers of a frame lie side by side: all sums and norms that follow would keep the order of a convolution,
        and be slow in it.
        """
        inputs = batch.inputs | {"text": dropout(batch.inputs["text"], text_dropout, self.training)}
        return {name: own(inputs[name]).contiguous() for name, own in self.projections.items()}

    def unpadded_windows(self, batch: Batch, frames: dict[str, Tensor]) -> dict[str, Tensor | None]:
        """With --mask_padding, the windows of true frames only, or the last one where there is none; else None each.

        -> modality -> boolean (B, T - kernel + 1).
        """
        if not self.options.mask_padding:
            return dict.fromkeys(frames)
        windows: dict[str, Tensor | None] = {}
        for name, x in frames.items():
            windows[name] = unpadded = batch.unpadded_frames(name)[:, :x.size(1)].clone()
            unpadded[:, -1] = True
        return windows


class Crossmodal(Projected):
    """Base of backbones whose target modalities read the others; `options` need MulT's sizes, dropouts and masks."""

    def __init__(self, info: DataInfo, options: Any, targets: tuple[str, ...] = MODALITIES) -> None:
        super().__init__(info, options)
        self.crossmodal = nn.ModuleDict({
            f"{target}_from_{source}": self.encoder(options.dim, options.nlevels, source)
            for target in targets for source in MODALITIES if source != target})
        self.memory = nn.ModuleDict({
            target: self.encoder(2 * options.dim, max(options.nlevels, 3), "text") for target in targets})

    def encoder(self, width: int, layers: int, source: str) -> TransformerEncoder:
        """An encoder whose attention dropout follows the source modality."""
        options = self.options
        attention = {"text": options.attn_dropout, "audio": options.attn_dropout_a, "vision": options.attn_dropout_v}
        dropouts = Dropouts(attention[source], options.relu_dropout, options.res_dropout, options.embed_dropout)
        return TransformerEncoder(width, options.num_heads, layers, dropouts, options.attn_mask)

    def target_states(self, targets: Sequence[str], frames: dict[str, Tensor],
                      unpadded: dict[str, Tensor | None]) -> dict[str, Tensor]:
        """Last steps of targets that have read the other modalities. -> target -> (B, 2 d)."""
        return concurrently({target: functools.partial(self._target_state, target, frames, unpadded)
                             for target in targets})

    def _target_state(self, target: str, frames: dict[str, Tensor], unpadded: dict[str, Tensor | None]) -> Tensor:
        """Last step of one target. -> (B, 2 d)."""
        read = concurrently({
            source: functools.partial(self.crossmodal[f"{target}_from_{source}"], frames[target], frames[source],
                                      unpadded[target], unpadded[source]) for source in MODALITIES if source != target})
        return self.memory[target](torch.cat(list(read.values()), dim=2), unpadded=unpadded[target], last=True)[:, -1]

    def target_modules(self, name: str) -> list[nn.Module]:
        """Layers on the way to a modality's state: a crossmodal encoder reads two, and counts for its target."""
        return [self.projections[name], *(encoder for key, encoder in self.crossmodal.items()
                                          if key.startswith(f"{name}_from_")),
                *(encoder for key, encoder in self.memory.items() if key == name)]
