from src.methods import causal_mer as causal_mer
from src.methods import plain as plain
from src.methods import pool as pool
from src.methods import product_of_experts as product_of_experts
from src.methods import unimodal as unimodal

BASELINE = "plain"  # the method that every other is compared with
PLANS = {"paired": (BASELINE, "causal")}  # what --method may name besides a method: several, one after the other
