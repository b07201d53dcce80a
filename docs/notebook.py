"""From an MMSA file to a table of three methods, then predictions, effects, missing modalities and a study.

Open it in an editor or notebook that knows `# %%` cells, or run `PYTHONPATH=. python docs/notebook.py` in the folder of
the repository. `data/aligned_50.pkl` stands for any file that docs/data.md describes.
"""

# %% Three methods in six lines: the backbone alone, pooled opinions, CausalMER
import pandas as pd

from src.api import evaluate, load, study, train

light = dict.fromkeys(("text_branch", "audio_branch", "vision_branch"), "light")
own = {"dataset": "data/aligned_50.pkl", "task": "sentiment7", "num_epochs": 3, "nlevels": 1, **light}
runs = {method: train(method=method, **own) for method in ("plain", "pool", "causal")}
print(pd.DataFrame({method: run.scores["valid_score"]["test"] for method, run in runs.items()}).T)

# %% How it went: a row per epoch. While it trains, `train(progress=print, ...)` shows a line for each; so does the log:
# logging.basicConfig(format="%(message)s"); logging.getLogger("causalmer").setLevel("INFO")
print(runs["causal"].history()[["epoch", "train_loss", "valid_loss", "valid_acc7"]])

# %% What a model says of arrays (N, T, D). MMSA pads short sequences at the back, the models read them padded in front.
from pathlib import Path  # noqa: E402

from src.datasets.safe_pickle import read_pickle  # noqa: E402

test = read_pickle(Path(own["dataset"]))["test"]
arrays = {name: test[name][:4] for name in ("text", "audio", "vision")}
model = load(runs["causal"].folder)
found = model.predict(arrays, padding="back")
print(found.decision, found.probabilities.shape)
print(found.frame())

# %% Effects on the logits: the prediction TIE is the total effect without the direct effect of each modality
print(abs(found.total - sum(found.direct.values()) - found.TIE).max())

# %% A missing modality: leave it out; all seven settings, and random ones, as rows
print(model.predict({"text": arrays["text"]}, padding="back").decision)
missing = evaluate(runs["causal"].folder, selection="valid_score", missing=True)
print(missing[(missing["analysis"] == "missing_zero") & (missing["measure"] == "acc7")].pivot_table(
    index="setting", columns="predictor", values="value"))

# %% A study: seeds, intervals, tables and figures in `report/`; its records come back
records = study(datasets=own["dataset"], task="sentiment7", methods=("plain", "causal"), fusions="mask", seeds=(1, 2),
                num_epochs=1, nlevels=1, analyses=(), jobs=2, overwrite=True, **light)
test_scores = records[(records["split"] == "test") & (records["measure"] == "acc7")
                      & (records["selection"] != "best_valid_loss")]
print(test_scores.groupby(["variant", "predictor"], observed=True)["value"].agg(["mean", "count"]))
