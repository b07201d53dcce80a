"""Counterfactual VQA (Niu, Tang, Zhang, Lu, Hua, Wen, CVPR 2021), with a modality in the place of the question."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from src.methods.base import Parts
from src.methods.rubi import Ended, EndOptions
from src.methods.subtraction import FUSIONS, ConstantRate, Subtraction, fuse
from src.registry import METHODS
from src.structures import MODALITIES, DataInfo, option


@dataclass(frozen=True)
class CfVqaOptions(ConstantRate, EndOptions):
    """Settings of CF-VQA."""

    cf_fusion: str = option("sum", "how the paths are fused", FUSIONS, search=FUSIONS)
    cf_modality: str = option("text", "the modality whose direct effect is subtracted", MODALITIES)
    cf_constant: float = option(0.0, "starting value of the constant", search=(0.0, 1.0))


@METHODS.register("cf_vqa")
class CfVqa(Subtraction, Ended):
    """TE = F(z_m, z_q, z_v, z_w), NDE = F(c, z_q, c, c) with z_q factual; predicts TE - alpha NDE, published alpha 1.

    CE(TE) + sum_x CE(o_x) + K; c learns by K only, the networks by the rest only. The question is one modality, text by
    default, and the two others stand where the paper has the image. MulDeF's worlds keep all branches factual. With the
    fusion rubi, F = z_m sigmoid(z_q), as published without the others.
    """

    Options = CfVqaOptions

    def __init__(self, info: DataInfo, options: CfVqaOptions, parts: Parts) -> None:
        super().__init__(info, options, parts, options.cf_constant)

    @classmethod
    def subtracted(cls, options: CfVqaOptions) -> tuple[str, ...]:
        """The one in the place of the question."""
        return (options.cf_modality,)

    def factual(self, joint: Tensor, branches: Mapping[str, Tensor]) -> Tensor:
        """F(z_m, z_q, z_v, z_w)."""
        options = self.options
        paths = [branches[options.cf_modality]] if options.cf_fusion == "rubi" else list(branches.values())
        return fuse(options.cf_fusion, joint, paths)

    def counterfactual(self, constant: Tensor, branches: Mapping[str, Tensor]) -> Tensor:
        """F(c, z_q, c, c)."""
        kept = self.options.cf_modality
        return self.factual(constant, {name: one if name == kept else constant for name, one in branches.items()})
