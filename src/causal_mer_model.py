"""CausalMER (Kim, Hong, Choi, 2024): worlds, effects, and the model that predicts by the total indirect effect."""

import functools
from collections.abc import Callable, Collection, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from modules.concurrency import concurrently
from src.structures import MODALITIES, BackboneOutput, Batch, CausalOutput, Effects

Fusion = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
FUSED = "fused"  # the backbone's place among the inputs of a fusion
INPUTS = (FUSED, *MODALITIES)


def intervene(fusion: Fusion, logits: Mapping[str, Tensor], factual: Collection[str], constant: Tensor) -> Tensor:
    """Fused logits of the world in which everything that is not factual is replaced by a constant.

    A fusion may say in `nothing` what the constant of a branch is added to; without it that is 0.
    logits: input -> (B, C), constant () -> (B, C).
    """
    nothing = getattr(fusion, "nothing", lambda constant: constant)
    instead = {name: (nothing(constant) if name in MODALITIES else constant).expand_as(logits[name]) for name in INPUTS}
    return fusion(*(logits[name] if name in factual else instead[name] for name in INPUTS))


def effects(fusion: Fusion, logits: Mapping[str, Tensor], constants: Mapping[str, Tensor]) -> Effects:
    """Total effect TE = F - F_0 and natural direct effects NDE_x = F_x - F_0 from five worlds.

    The empty world holds the sum of the constants, the world of modality x its own constant c_x.
    logits: input -> (B, C), constants: modality -> () .
    """
    fused = fusion(*(logits[name] for name in INPUTS))
    everything = torch.stack([constants[name] for name in MODALITIES]).sum()
    nothing = intervene(fusion, logits, (), everything)
    direct = {name: intervene(fusion, logits, (name,), constants[name]) - nothing for name in MODALITIES}
    return Effects(fused, fused - nothing, direct)


def weighted_paths(total: Tensor, direct: Mapping[str, Tensor], joint: Any, kept: Mapping[str, Any]) -> Tensor:
    """w_m TIE + sum_x w_x NDE_x = w_m TE - sum_x (w_m - w_x) NDE_x, with w_m `joint` and w_x `kept`. -> (B, C).

    w_m = 1 and w_x = 0 are the total indirect effect TIE = TE - sum_x NDE_x, the paper's debiased prediction.
    """
    return joint * total - sum((joint - kept[name]) * direct[name] for name in MODALITIES)


def backbone_and_branches(backbone: nn.Module, branches: Mapping[str, nn.Module] | nn.ModuleDict,
                          batch: Batch) -> tuple[BackboneOutput, dict[str, Tensor]]:
    """What a backbone says of a batch, and every branch of its modality alone, modality -> (B, C)."""
    found = concurrently({FUSED: functools.partial(backbone, batch), **{
        name: functools.partial(branch, batch.inputs[name]) for name, branch in branches.items()}})
    return found.pop(FUSED), found


class CausalMER(nn.Module):
    """A backbone beside one branch per modality; any module that meets the backbone contract serves."""

    def __init__(self, backbone: nn.Module, branches: Mapping[str, nn.Module], fusion: Fusion,
                 constant: float = 0.0) -> None:
        super().__init__()
        self.backbone, self.fusion = backbone, fusion
        self.branches = nn.ModuleDict({name: branches[name] for name in MODALITIES})
        self.constants = nn.ParameterDict()
        for name in MODALITIES:  # one by one: a ParameterDict sorts the keys of a dictionary
            self.constants[name] = nn.Parameter(torch.tensor(constant))

    def forward(self, batch: Batch) -> CausalOutput:
        """Predict by TIE; effects come twice, once for the networks and once for the constants."""
        backbone, branch_logits = backbone_and_branches(self.backbone, self.branches, batch)
        logits = {FUSED: backbone.logits, **branch_logits}
        constants = dict(self.constants.items())
        task_effects = effects(self.fusion, logits, _detached(constants))
        alignment = effects(_fixed(self.fusion), _detached(logits), constants)
        tie = weighted_paths(task_effects.total, task_effects.direct, 1.0, dict.fromkeys(MODALITIES, 0.0))
        return CausalOutput(tie, task_effects, alignment, branch_logits, backbone)


def _fixed(fusion: Fusion) -> Fusion:
    """A fusion whose own parameters, if it has any, get no gradient."""
    if not isinstance(fusion, nn.Module) or not (own := dict(fusion.named_parameters())):
        return fusion
    fixed = functools.partial(_call, fusion, _detached(own))
    if hasattr(fusion, "nothing"):
        fixed.nothing = fusion.nothing  # type: ignore[attr-defined]
    return fixed


def _call(fusion: nn.Module, weights: Mapping[str, Tensor], *logits: Tensor) -> Tensor:
    """A fusion's answer with other parameters than its own. (B, C) each -> (B, C)."""
    return functional_call(fusion, dict(weights), logits)


def _detached(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach() for name, tensor in tensors.items()}
