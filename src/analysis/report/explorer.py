"""What the page's explorer of single samples shows, and the sample that it opens on."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

from src.analysis.records import EFFECTS, SampleRecord, place_name
from src.analysis.report.headline import Headline
from src.structures import MODALITIES

DECIMALS = 4  # of effects in the file


def explorer_data(records: Sequence[SampleRecord], found: Headline | None, baseline: str) -> dict[str, Any]:
    """Every model with its samples, where the baseline beside it stands, and where to start."""
    plain = {record.model: i for i, record in enumerate(records) if record.variant == baseline}
    start = first_shown(records, found, baseline)
    return {"names": EFFECTS, "baseline": baseline, "modalities": MODALITIES, "start": start, "models": [{
        "name": f"{place_name(record.dataset, record.condition)}: {record.backbone} {record.variant}, "
                f"seed {record.seed}, {record.split}",
        "classes": record.classes, "ids": record.ids, "labels": record.labels[:len(record.ids)],
        "predictions": record.predictions, "right": record.right, "plain": plain.get(record.model, -1),
        "weights": [record.direct_weights.get(name, 1.0) for name in MODALITIES],
        "effects": [_rounded(record.effects[name]) for name in EFFECTS] if _has_worlds(record) else []}
        for record in records]}


def first_shown(records: Sequence[SampleRecord], found: Headline | None, baseline: str) -> list[int]:
    """Model and sample to open on: one that the best method rescued, by the subtraction itself where there is one."""
    others = [i for i, record in enumerate(records) if record.variant != baseline]
    best = [i for i in others if found and _is_best(records[i], found)]
    shifted = [i for i in best if found and records[i].split == found.splits[-1]]
    rescued = [(model, sample) for models in (shifted, best) for model in models
               for sample in _rescued(records, records[model], baseline)]
    by_subtraction = [place for place in rescued if _turned(records[place[0]], place[1])]
    return list(next(iter([*by_subtraction, *rescued]), (next(iter([*shifted, *best, *others]), 0), 0)))


def _has_worlds(record: SampleRecord) -> bool:
    """Whether a method has the effects that the page knows to explain."""
    return set(record.effects) == set(EFFECTS)


def _is_best(record: SampleRecord, found: Headline) -> bool:
    return ((record.dataset, record.condition, record.backbone, record.variant)
            == (found.dataset, found.condition, found.backbone, found.best))


def _rescued(records: Sequence[SampleRecord], record: SampleRecord, baseline: str) -> Iterator[int]:
    """Samples that a model decides rightly and the baseline beside it wrongly."""
    for plain in records:
        if plain.model == record.model and plain.variant == baseline and plain.ids == record.ids:
            yield from (i for i, (own, other) in enumerate(zip(record.right, plain.right, strict=False))
                        if own and not other)


def _turned(record: SampleRecord, i: int) -> bool:
    """Whether the total effect alone would have decided otherwise."""
    if not _has_worlds(record):
        return False
    total = record.effects["TE"][i]
    return record.classes[max(range(len(total)), key=total.__getitem__)] != record.predictions[i]


def _rounded(values: list[list[float]]) -> list[list[float | None]]:
    """Values for JSON, which has no NaN and no infinity."""
    return [[round(value, DECIMALS) if math.isfinite(value) else None for value in sample] for sample in values]
