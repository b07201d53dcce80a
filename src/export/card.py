"""The model card: what was trained on what, what its numbers are, what was subtracted, and what it is not for."""

import yaml

from src.config import PLACES
from src.console import cell
from src.export.source import Source
from src.structures import MODALITIES, printable
from src.writing import number

USE = ("Research on multimodal emotion recognition: comparing methods, and asking what a prediction owes to each "
       "modality. Inputs have to be features of the kind that the data has, computed by the same extractors.")
LIMITS = ("Emotions are labels that annotators gave, not states that anybody was in. The model was tested on the "
          "splits above and on nothing else; speakers, languages and recordings unlike them were not tried. It is not "
          "made for decisions about single people, such as hiring, teaching, health or policing.")
LOAD = """```python
from src.api import load

model = load("FOLDER")
model.predict({"text": text, "audio": audio, "vision": vision})  # arrays (N, T, D)
```
"""


def card(source: Source) -> str:
    """A model card in Markdown, with the head that the Hugging Face Hub reads."""
    config, info = source.config, source.info
    head = {"library_name": "pytorch", "tags": ["multimodal", "emotion-recognition", "debiasing", config.run.method]}
    title = f"{config.run.backbone}, {source.model.label(config.run.method, config.method)}, on {info.dataset}"
    epochs = source.model.ahead + config.training.num_epochs
    settings = {name: value for name, value in config.flat().items() if name not in PLACES}
    shapes = ", ".join(f"{name} {info.lengths[name]} x {info.widths[name]}" for name in MODALITIES)
    return "\n".join([
        f"---\n{yaml.safe_dump(head, sort_keys=False)}---\n", f"# {printable(title)}\n",
        f"A {config.run.backbone} backbone trained by the method `{config.run.method}` of CausalMER.\n",
        f"- Data: `{printable(info.dataset)}`, sha256 `{info.sha256}`, task {info.task}: "
        f"{', '.join(map(printable, info.class_names or source.task.classes))}",
        f"- Inputs, frames x features: {shapes}; shorter sequences are padded with zero frames at the front",
        f"- Seed {config.run.seed}, epoch {source.epoch} of {epochs}, chosen by {source.rule}",
        f"- Made with: {', '.join(map(' '.join, source.results.get('versions', {}).items()))}",
        "", "## What is subtracted\n", subtracted(source), "", "## Scores\n", scores(source), "",
        f"## Intended use\n\n{USE}\n", f"## Limits\n\n{LIMITS}\n", f"## Loading\n\n{LOAD}",
        "## Settings\n", "```yaml", yaml.safe_dump(settings, sort_keys=False).rstrip(), "```", ""])


def subtracted(source: Source) -> str:
    """How the prediction takes the direct effects away, in one sentence."""
    found, weights = source.model.shown_strength(), source.model.direct_weights
    strengths = ", ".join(f"{name} {value:g}" for name, value in found.items())
    if weights:
        terms = "".join(f" {'-' if weight >= 0 else '+'} {abs(weight):g} NDE_{name}"
                        for name, weight in weights.items())
        left = 1 - found["m"]
        if left and hasattr(getattr(source.model, "fusion", None), "log_prior"):
            terms += f" {'+' if left > 0 else '-'} {abs(left):g} log p(y), p(y) the class prior of the training data"
        return ("Each modality's natural direct effect (NDE) from the total effect (TE): the prediction is "
                f"{found['m']:g} TE{terms}. Strengths of the paths: {strengths}.")
    if strengths:
        return f"The prediction combines several paths; their strengths: {strengths}."
    return "Nothing: the prediction has one path."


def scores(source: Source) -> str:
    """A table of the headline metrics on every test split, with the number of samples."""
    found, task = source.scores, source.task
    if not found:
        return "Not recorded with this model."
    counts = source.results.get("samples", {})
    lines = [["split", "n", *task.headline], ["---"] * (2 + len(task.headline))]
    lines += [[printable(split), str(counts.get(split, "not recorded")), *(cell(name, number(values.get(name)))
                                                                             for name in task.headline)]
              for split, values in found.items()]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n\nShares in percent."
