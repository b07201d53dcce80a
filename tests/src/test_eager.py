"""torch's compiler is left out where nothing compiles, and is there for who asks."""

import subprocess
import sys
from pathlib import Path

import pytest

CODE = """
import inspect, sys, torch
from src.eager import leave_out_compiler
leave_out_compiler()
weight = torch.nn.Parameter(torch.ones(2))
optimizer = torch.optim.SGD([weight], lr=0.5)
optimizer.zero_grad()
weight.sum().backward()
optimizer.step()
inspect.getmodule(sys._getframe())  # looks at every module
print(weight.tolist(), "torch._dynamo.eval_frame" in sys.modules)
compiled = torch.compile(lambda x: 2 * x + 1, backend="eager")
print(compiled(torch.tensor(3.0)).item(), "torch._dynamo.eval_frame" in sys.modules)
"""

EMPTY = """
import sys
from src.eager import leave_out_compiler
leave_out_compiler()
from src.build import empty_model
from src.config import parse_config
from src.registry import BACKBONES
from src.structures import DataInfo, MODALITIES
info = DataInfo("synthetic", "emotion4", 8, dict.fromkeys(MODALITIES, 20), dict.fromkeys(MODALITIES, 2), "")
for name in BACKBONES:
    empty_model(parse_config(["--dataset", "synthetic", "--backbone", name]), info)
    print(name, [one for one in ("torch._dynamo.eval_frame", "sympy") if one in sys.modules])
"""


def said(code):
    """Lines that a fresh process prints."""
    run = subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2], capture_output=True, text=True)
    return run.stdout.splitlines()


@pytest.fixture(scope="module")
def lines():
    """What a fresh process says after a step, and after it has compiled a function."""
    return said(CODE)


def test_a_model_that_is_only_counted_needs_no_compiler():
    assert said(EMPTY) == ["dmd []", "mult []", "pmr []"]


def test_a_step_is_taken_without_the_compiler(lines):
    assert lines[0] == "[0.5, 0.5] False"


def test_who_compiles_gets_the_compiler(lines):
    assert lines[1] == "7.0 True"
