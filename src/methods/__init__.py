from dataclasses import dataclass

from src.methods import agm as agm
from src.methods import causal_mer as causal_mer
from src.methods import cf_vqa as cf_vqa
from src.methods import cggm as cggm
from src.methods import clue as clue
from src.methods import confidence as confidence
from src.methods import gblend as gblend
from src.methods import gge as gge
from src.methods import learned_mixin as learned_mixin
from src.methods import logit_adjustment as logit_adjustment
from src.methods import mmpareto as mmpareto
from src.methods import muldef as muldef
from src.methods import ogm_ge as ogm_ge
from src.methods import plain as plain
from src.methods import poe as poe
from src.methods import pool as pool
from src.methods import relearn as relearn
from src.methods import reweight as reweight
from src.methods import rubi as rubi
from src.methods import unimodal as unimodal

BASELINE = "plain"  # the method that every other is compared with


@dataclass(frozen=True)
class Step:
    """One run of a plan."""

    method: str
    words: tuple[str, ...] = ()  # of the command line, besides the method
    suffix: str = ""  # of the run's name, where another run of the plan has the same method


PLANS = {  # what --method may name besides a method: several runs, one after the other
    "paired": (Step(BASELINE), Step("causal")),
    "demo": (Step(BASELINE), *(Step("unimodal", (f"--modality={name}",), f"_{name}")
                               for name in ("text", "audio", "vision")),
             Step("pool"), Step("causal", ("--fusion_mode=mask",), "_mask"), Step("causal", ("--fusion_mode=tanh",))),
}
