from src.methods import causal_mer as causal_mer
from src.methods import plain as plain
from src.methods import product_of_experts as product_of_experts

BASELINE = "plain"  # the method that every other is compared with
PLANS = {"paired": (BASELINE, "causal")}  # what --method may name besides a method: several, one after the other
