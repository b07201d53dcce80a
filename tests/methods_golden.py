"""Inputs of the golden file of methods, models around them, and what it means to meet the file's numbers."""

import math
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from src.methods.base import Method, Parts
from src.registry import METHODS
from src.structures import MODALITIES, BackboneOutput, DataInfo
from tests.golden import golden, normal

CONTENT = golden("methods")
SALT = CONTENT["salt"]
PRECISIONS = (torch.float64, torch.float32)


def cases(method: str) -> list[Any]:
    """Every variant and set of a method in both precisions, as parameters of a test."""
    return [pytest.param(variant, name, precision, id=f"{variant}-{name}-{str(precision)[-7:]}")
            for variant, sets in CONTENT["cases"][method].items() for name in sets for precision in PRECISIONS]


def expected(method: str, variant: str, name: str) -> dict[str, Any]:
    """The golden numbers of a case."""
    return CONTENT["cases"][method][variant][name]


class Inputs:
    """The inputs of a set, tensors that want gradients."""

    def __init__(self, name: str, precision: torch.dtype) -> None:
        self.sizes, self.precision = CONTENT["sets"][name], precision
        self.count, self.classes = self.sizes["N"], self.sizes["C"]
        self.made: dict[str, Tensor] = {}

    def _keep(self, name: str, values: np.ndarray) -> Tensor:
        if name not in self.made:
            self.made[name] = torch.tensor(values, dtype=torch.float32).to(self.precision).requires_grad_()
        return self.made[name]

    def logits(self, name: str) -> Tensor:
        """logits.<name> (N, C)."""
        scale = self.sizes["logit_scale"]
        return self._keep(f"logits.{name}", scale * normal(f"logits.{name}", (self.count, self.classes), SALT))

    def normal(self, name: str, shape: tuple[int, ...]) -> Tensor:
        """Standard normal numbers."""
        return self._keep(name, normal(name, shape, SALT))

    def parameter(self, name: str, shape: tuple[int, ...]) -> Tensor:
        """A matrix, scaled by its inputs, or a vector or number."""
        scale = 1 / math.sqrt(np.prod(shape[1:])) if len(shape) > 1 else 0.1
        return self._keep(f"parameter.{name}", scale * normal(f"parameter.{name}", shape, SALT))

    def labels(self, name: str = "labels") -> Tensor:
        """Classes (N,)."""
        random = np.random.RandomState(zlib.crc32((SALT + name).encode()))
        return torch.tensor(random.randint(self.classes, size=self.count))

    def met(self, found: dict[str, Tensor | float], case: dict[str, Any], left_out: tuple[str, ...] = ()) -> None:
        """Assert every number of a case that was found; gradients of the inputs are taken from the tensors made."""
        found = {f"grad.{name}": value.grad for name, value in self.made.items() if value.grad is not None} | found
        missing = {key for key in case if key not in found and key not in ("f32", "f32_nonfinite", "source", "constant",
                                                                             *left_out)}
        assert missing == set()
        for key in case.keys() & found.keys() - set(left_out):
            close(found[key], case[key], self.precision, key)


def close(found: Tensor | float, wanted: Any, precision: torch.dtype, name: str) -> None:
    """Assert equality at the file's tolerance; of a decision, given its logits, that none is better by more than it."""
    found, wanted = torch.as_tensor(found).detach().double(), torch.tensor(wanted, dtype=torch.float64)
    decision = name.startswith("argmax")
    largest = (found if decision else wanted).abs().max().item()
    limit = 1e-9 * max(1.0, largest) if precision == torch.float64 else 1e-5 * largest + 2e-7
    if decision:
        found, wanted = found.gather(1, wanted.long()[:, None]).squeeze(1), found.amax(1)
    assert found.shape == wanted.shape and (found - wanted).abs().max().item() <= limit, name


class Given(nn.Module):
    """A branch that answers with given logits, or with a hidden state (N, H) besides, a backbone."""

    def __init__(self, logits: Tensor, hidden: Tensor | None = None) -> None:
        super().__init__()
        self.logits = nn.Parameter(logits.detach().clone())
        self.hidden = None if hidden is None else nn.Parameter(hidden.detach().clone())

    def forward(self, _: Any) -> Any:
        return self.logits if self.hidden is None else BackboneOutput(self.logits, self.hidden)


def method_around(method: str, joint: Tensor, branches: Mapping[str, Tensor], task: str = "",
                  hidden: Tensor | None = None, fusion: Any = None, **options: Any) -> Method:
    """A registered method around given logits (N, C) of backbone and branches, as `build_model` would leave it."""
    cls, outputs = METHODS[method], joint.size(1)
    info = DataInfo("x", task or f"classes:{outputs}", outputs, dict.fromkeys(MODALITIES, 1),
                    dict.fromkeys(MODALITIES, 1))
    chosen = cls.Options(**options)
    parts = Parts(Given(joint, joint if hidden is None else hidden),
                  {name: Given(branches[name]) for name in cls.own_branches(chosen) if name in branches}, fusion)
    model = cls(info, chosen, parts).to(joint.dtype)
    if cls.strengths(chosen):
        published = [one.published for one in cls.strengths(chosen).values()]
        model.register_buffer("strength", torch.tensor(published, dtype=joint.dtype))
    return model
