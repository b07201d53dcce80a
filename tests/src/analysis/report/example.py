"""A study as large as a real one, invented: text holds a shortcut, and the method named last leans on it least."""

import struct
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random

from src.analysis.records import EFFECTS, TRIVIAL, RunRecord, SampleRecord, Study
from src.analysis.results import VALID
from src.methods import BASELINE

CLASSES = ["angry", "happy", "neutral", "sad"]
SPLITS = ("test", "test_shifted", "test_reversed")
ALONE = {"ta": 0.26, "tv": 0.25, "av": 0.80, "t": 0.31, "a": 0.78, "v": 0.77}  # removed modalities -> accuracy
PLACE = {"dataset": "synthetic", "condition": "text 0.8"}
LONG = "a_laboratory.methods.debiasing:CounterfactualWithPrior, strength 0.75, warmed up for three epochs"


def study(backbones: Sequence[str] = ("mult", "pmr"), variants: Sequence[str] = (BASELINE, "mask", "tanh"),
          seeds: Sequence[int] = (1111, 1112, 1113, 1114, 1115)) -> Study:
    """Every analysis of every model, and single samples of the first seed."""
    rows = list(_rows(backbones, variants, seeds))
    runs = [RunRecord(**run(backbone, variant, seed, rank)) for backbone in backbones
            for rank, variant in enumerate(variants) for seed in seeds]
    samples = [_sample(backbone, variant, seeds[0], split) for backbone in backbones for variant in variants
               for split in SPLITS]
    return Study("CausalMER study: example", rows, runs, samples,
                 ["synthetic is generated data with known causes: its scores are no result on a real dataset."], [],
                 {"synthetic": "accuracy"})


def _rows(backbones: Sequence[str], variants: Sequence[str], seeds: Sequence[int]) -> Iterator[dict]:
    """Scores, removed modalities, random removals and contributions."""
    random = Random(0)
    for split in SPLITS:
        yield {**PLACE, "backbone": "", "variant": TRIVIAL, "method": "", "fusion": "", "seed": -1, "selection": "",
               "run": "", "predictor": "prediction", "split": split, "analysis": "test", "setting": "",
               "measure": "accuracy", "value": 0.25}
    for backbone in backbones:
        for rank, variant in enumerate(variants):
            for seed in seeds:
                own = {**PLACE, "backbone": backbone, "variant": variant, "fusion": "", "seed": seed, "run": "",
                       "method": BASELINE if variant == BASELINE else "causal", "selection": "best_valid_acc"}
                yield own | {"predictor": "prediction", "split": VALID, "analysis": VALID, "setting": "",
                             "measure": "accuracy", "value": 0.8 + 0.02 * rank}
                for found in _measured(rank, variant):
                    value = min(max(found[-1] + random.gauss(0, 0.015), 0), 1)
                    yield own | dict(zip(("predictor", "split", "analysis", "setting", "measure"), found, strict=False)
                                     ) | {"value": value}


def _measured(rank: int, variant: str) -> Iterator[tuple]:
    """Predictor, split, analysis, setting, measure and expected value."""
    scores = dict(zip(SPLITS, (0.9 - 0.01 * rank, 0.6 + 0.08 * rank, 0.4 + 0.12 * rank), strict=True))
    for predictor in ("prediction",) if variant == BASELINE else ("prediction", "fused", "backbone"):
        lost = {"prediction": 0, "fused": 0.1, "backbone": 0.03}[predictor]
        for split, value in scores.items():
            yield predictor, split, "test", "", "accuracy", value - lost
            yield predictor, split, "test", "", "differs_from_backbone", lost
        for setting, value in ({"": 0.9} | ALONE).items():
            yield predictor, "test", "missing_zero", setting, "accuracy", value - lost
        for setting in ("0.0", "0.3", "0.6", "0.9"):
            yield predictor, "test", "random_missing", setting, "accuracy", 0.9 - 0.6 * float(setting) - lost
        yield predictor, "test", "random_missing", "area", "accuracy", 0.6
        for modality, share in (("text", 0.6 - 0.05 * rank), ("audio", 0.2), ("vision", 0.2)):
            yield predictor, "test", "contribution", modality, "share", share
            yield predictor, "test", "contribution", modality, "shapley", 3 * share
            yield predictor, "test", "perceptual", modality, "drop", share
        for setting in ("single", "all"):
            yield predictor, "test", "missing_zero", setting, "drop_std", 0.2
        yield predictor, "test", "contribution", "", "imbalance", 0.3


def run(backbone: str, variant: str, seed: int, rank: int) -> dict:
    """Fields of a run whose validation score prefers later variants."""
    random = Random(seed)
    history = [{"epoch": epoch, "train_loss": 2 / epoch, "valid_loss": 0.5 + 1 / epoch + random.random() / 9,
                "valid_accuracy": 0.8 + 0.02 * rank + epoch / 200} for epoch in range(1, 11)]
    method = BASELINE if variant == BASELINE else "causal"
    command = (f"python main.py --dataset=synthetic --backbone={backbone} --seed={seed} --method={method} "
               "--shortcut_t=0.8 --checkpoint_path=runs")
    return dict(**PLACE, backbone=backbone, variant=variant, seed=seed, method=method, fusion="", command=command,
                folder=Path("checkpoint(synthetic)") / f"study-0123abcd_seed{seed}" / f"{backbone}-{method}",
                history=history, seconds=75.0, parameters=123456, data_sha256="abc" * 21, epoch=7,
                versions={"git": "738175b", "python": "3.11.7", "torch": "2.13.0"})


def _sample(backbone: str, variant: str, seed: int, split: str) -> SampleRecord:
    """Thirty samples; in the fourth of each ten, text alone says angry, and subtracting that leaves happy."""
    random = Random(split)
    count, plain = 30, variant == BASELINE
    labels = [CLASSES[i % 4] for i in range(count)]
    effects: dict[str, list[list[float]]] = {name: [] for name in EFFECTS}
    for i, label in enumerate(labels):
        misled = i % 10 == 3
        right, wrong = CLASSES.index(label), (CLASSES.index(label) + 1) % 4
        direct = [[random.gauss(0, 0.05) for _ in CLASSES] for _ in range(3)]
        direct[0][wrong] += 1.5 if misled else 0.2
        tie = [random.gauss(0, 0.05) for _ in CLASSES]
        tie[right] += 0.8
        total = [sum(values) for values in zip(tie, *direct, strict=True)]
        for name, values in zip(EFFECTS, (total, *direct, tie), strict=True):
            effects[name].append(values)
    told = [CLASSES[(CLASSES.index(label) + (i % 10 == 3)) % 4] if plain else label for i, label in enumerate(labels)]
    places = [[CLASSES.index(label) + random.gauss(0, 0.3), random.gauss(0, 1)] for label in labels]
    return SampleRecord(**PLACE, backbone=backbone, variant=variant, seed=seed, split=split,
                        ids=[f"{split}_{i:03}" for i in range(count)], labels=labels, predictions=told, classes=CLASSES,
                        effects={} if plain else effects, embedding=places)


def png(path: Path, width: int = 440, height: int = 220) -> Path:
    """A white picture."""
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    lines = zlib.compress((b"\0" + b"\xff" * width) * height)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
                     + chunk(b"IDAT", lines) + chunk(b"IEND", b""))
    return path
