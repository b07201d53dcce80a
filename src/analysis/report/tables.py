"""The tables of a study, as cells of text."""

import math
from collections.abc import Collection, Mapping, Sequence
from itertools import product
from typing import TYPE_CHECKING, Any

from src.analysis.choice import CHOICES, ORACLE
from src.analysis.missing import SETTINGS
from src.analysis.records import TRIVIAL, Score, Study, models, ordered, place_name, select
from src.analysis.report.across import across_tables
from src.analysis.report.cells import INTERVALS, Index, Model, defined_seeds, difference_cell, mean_cell, values
from src.analysis.report.headline import headlines
from src.analysis.statistics import Seeds, compared, holm, summary
from src.strengths import CAUTIOUS, PUBLISHED, VALID
from src.structures import MODALITIES
from src.tasks import NUMBERED, TASKS

if TYPE_CHECKING:
    from pandas import DataFrame

Table = tuple[str, str, list[list[str]]]  # caption, footnote, rows of cells; the first row is the header
Column = Mapping[str, Any]  # what a column's scores are of, for `Index.of`, and whether it is marked
ByModel = Mapping[Model, Seeds]

SCORES, ANSWERS = "test scores", "Does it debias?"
ANSWER_HEAD = ["data", "backbone", "method", "debiased?", "difference, shifted", "difference, in distribution"]
GAPS = (VALID, PUBLISHED), (CAUTIOUS, VALID), (ORACLE, VALID)  # between choices
COMPARED = "compared"  # marks a column that is followed by its difference to the baseline
# The paper's own figures, all that are known of it (its abstract), by its fusion: dataset, backbone -> metric, percent.
PAPER = {("iemocap", "mult"): ("accuracy_mean", 83.4), ("mosei_senti", "mult"): ("acc7", 50.1),
         ("mosei_senti", "pmr"): ("acc7", 48.8), ("mosei_senti", "dmd"): ("acc7", 48.8)}
PAPER_FUSION = "mask"
NOTE = f"{INTERVALS}; then p of the paired t-test over seeds, adjusted by Holm within its column."


def answers_table(study: Study) -> list[Table]:
    """What every backbone and form of the data answers; nothing where nothing is compared."""
    rows = [answer.cells for answer in headlines(study)]
    caption = f"{ANSWERS} The best variant, chosen by validation where that is known, against {study.baseline}"
    return [(caption, f"{INTERVALS}.", [ANSWER_HEAD, *rows])] * bool(rows)


def study_tables(study: Study) -> list[Table]:
    """All tables of all datasets and conditions."""
    found = []
    for (dataset, condition), rows in study.places().items():
        name, exact = place_name(dataset, condition), study.measure[dataset]
        if not ordered(rows, "variant"):
            continue
        index = Index(rows)
        made = [_scores(study, f"{name}: {exact}, {SCORES}", dataset, rows, index),
                _predictors(study, f"{name}: predictors of the same networks ({exact})", rows, index, exact),
                _columns(study, f"{name}: missing modalities, zero fill, test ({exact})", index,
                         _missing_columns(rows, exact)),
                _columns(study, f"{name}: contributions to {exact}, test", index, CONTRIBUTIONS),
                _columns(study, f"{name}: audit of effects and predictions", index, _audit_columns(rows))]
        if dataset == "synthetic":
            made.append(_distances(study, f"{name}: distance to the known right answer, test", index, exact))
        found += [(f"{caption} ({study.choice(dataset, condition)})", note, lines) for caption, note, lines in made]
        found.append(_columns(study, f"{name}: {exact} by the number of unbiased validation samples that choose "
                                     "(valid_score)", index, _knowledge_columns(rows, exact)))
        found.append(_choices(study, f"{name}: {exact} by what is chosen on which labels (valid_score; known of a "
                                     "shift: what --unwanted declares, if anything)", rows, index, exact))
    return [table for table in (*across_tables(study), *found) if len(table[2]) > 1]


def score_tables(study: Study) -> list[Table]:
    """The tables that a command line prints."""
    return [table for table in study.tables if SCORES in table[0] or table[0].startswith(ANSWERS)]


def _score_columns(rows: "DataFrame", exact: str) -> dict[str, Column]:
    """The main score on every test split, or where there is one split only, all headline metrics on it."""
    splits = ordered(select(rows, analysis="test"), "split")
    if len(splits) > 1:
        return {split: {"split": split, "measure": exact} for split in splits}
    headline = next(task.headline for task in (*TASKS.values(), *NUMBERED.values()) if exact in task.headline)
    return {metric: {"split": split, "measure": metric} for split in splits for metric in headline}


def _missing_columns(rows: "DataFrame", exact: str) -> dict[str, Column]:
    place = {"split": "test", "analysis": "missing_zero"}
    spread = place | {"measure": "drop_std", COMPARED: True}
    settings = {f"without {letters}" if letters else "all present": place | {"setting": letters, "measure": exact}
                for letters in SETTINGS}
    realised = select(rows, analysis="random_missing", measure="realised_rate")["value"].max()
    area = "random, area" + ("" if math.isnan(realised) else f" (to {100 * realised:.0f} % really missing)")
    return settings | {
        "std of drops, single": spread | {"setting": "single"}, "std of drops, all six": spread | {"setting": "all"},
        area: place | {"analysis": "random_missing", "setting": "area", "measure": exact, COMPARED: True}}


def _knowledge_columns(rows: "DataFrame", exact: str) -> dict[str, Column]:
    """The main score on every test split by what the choice knows."""
    known = select(rows, analysis="knowledge")
    return {f"{split}, {setting}": {"analysis": "knowledge", "split": split, "setting": setting, "measure": exact}
            for split in ordered(known, "split") for setting in ordered(known, "setting")}


def _audit_columns(rows: "DataFrame") -> dict[str, Column]:
    """Calibration and distance to the rule on every test split, and the distances of effects on the first."""
    audit, splits = {"analysis": "audit"}, ordered(select(rows, analysis="audit"), "split")
    whole: dict[str, Column] = {
        f"{word} {split}": audit | {"split": split, "setting": "", "measure": measure, COMPARED: True}
        for measure, word in (("kl_rule", "KL to the rule"), ("ece", "ECE")) for split in splits}
    return whole | {f"{word} {name}": audit | {"split": splits[0], "setting": name, "measure": measure}
                    for name in MODALITIES for measure, word in (("kl_effect", "KL of the effect"),
                                                                 ("kl_no_effect", "of none")) if splits}


CONTRIBUTIONS: Mapping[str, Column] = {
    **{f"share {name}": {"split": "test", "analysis": "contribution", "setting": name, "measure": "share"}
       for name in MODALITIES},
    "imbalance": {COMPARED: True, "split": "test", "analysis": "contribution", "setting": "", "measure": "imbalance"},
    **{f"perceptual {name}": {"split": "test", "analysis": "perceptual", "setting": name, "measure": "drop"}
       for name in MODALITIES}}


def _scores(study: Study, caption: str, dataset: str, rows: "DataFrame", index: Index) -> Table:
    """The table of test scores, with the trivial predictor above and the paper's figure beside."""
    wanted = {name: {COMPARED: True, **column}
              for name, column in _score_columns(rows, study.measure[dataset]).items()}
    caption, note, (head, *body) = _columns(study, caption, index, wanted)
    trivial = ["-", TRIVIAL, "-"]
    for name, column in wanted.items():
        if name in head:
            trivial += [mean_cell(index.trivial(**_fields(column)), column["measure"]), "-"]
    lines = [head, trivial, *body] if body else []
    if any(name == dataset for name, _ in PAPER):
        figures = [PAPER.get((dataset, line[0])) if line[1] == PAPER_FUSION else None for line in body]
        paper = ["paper", "-", *("-" if figure is None else " ".join(map(str, figure)) for figure in figures)]
        lines = [[*line, cell] for line, cell in zip(lines, paper, strict=True)]
    return caption, f"{_below_single(rows, index, study.measure[dataset])}{note}", lines


def _below_single(rows: "DataFrame", index: Index, exact: str) -> str:
    """Which models are worse than one modality alone, in distribution: the first thing to know of a fused model."""
    split = next(iter(ordered(select(rows, analysis="test"), "split")), "")
    means = {model: summary(values(seeds)).mean * Score(exact).sign
             for model, seeds in index.of(exact, split).items() if seeds}
    singles = {variant: mean for (_, variant), mean in means.items() if variant in MODALITIES}
    if not singles:
        return "No single modality was trained (method unimodal), so nothing tells whether fusing gains anything. "
    best = max(singles, key=lambda name: singles[name])
    below = [" ".join(model) for model, mean in means.items() if model[1] not in MODALITIES and mean < singles[best]]
    worse = f"below it: {', '.join(below)}" if below else "no fused model is below it"
    tried = "" if singles.keys() == set(MODALITIES) else f" of those trained ({', '.join(singles)})"
    return f"Best single modality{tried} on {split}: {best} alone; {worse}. "


def _choices(study: Study, caption: str, rows: "DataFrame", index: Index, exact: str) -> Table:
    """What each choice of strengths scores that was made, and the gaps between them, seed by seed."""
    own = select(rows, analysis="choice", measure=exact)
    made = [choice for choice in CHOICES if (own["setting"] == choice).any()]
    gaps = [(one, other) for one, other in GAPS if {one, other} <= set(made)]
    names = [f"{choice}{' (not attainable)' * (choice == ORACLE)}" for choice in made]
    lines = [["backbone", "variant", "split", "n", *names, *(f"{one} - {other}" for one, other in gaps)]]
    found = {split: {choice: index.of(exact, split, "choice", choice) for choice in made}
             for split in ordered(own, "split")}
    for model, split in product(index.models, found):
        by_choice = {choice: by_model[model] for choice, by_model in found[split].items()}
        if any(by_choice.values()):
            lines.append([*model, split, str(defined_seeds(by_choice[VALID])),
                          *(mean_cell(one, exact) for one in by_choice.values()),
                          *(difference_cell(compared(by_choice[one], by_choice[other]), math.nan, exact,
                                            len(by_choice[one])) for one, other in gaps)])
    return caption, (f"{INTERVALS}. Published: the epoch of the best validation score at published strengths; valid, "
                     "cautious: that at the strengths that validation chooses by this rule; oracle: epoch and strengths"
                     " of the best score on that very test split, as published comparisons choose them."), lines


def _fields(column: Column) -> dict[str, Any]:
    """The part of a column that says what its scores are of."""
    return {name: value for name, value in column.items() if name != COMPARED}


def _columns(study: Study, caption: str, index: Index, columns: Mapping[str, Column]) -> Table:
    """One line per backbone and variant; marked columns are followed by their paired difference to the baseline."""
    picked = {name: index.of(**_fields(column)) for name, column in columns.items()}
    return _compared(study, caption, picked, {name: column["measure"] for name, column in columns.items()},
                     [name for name, column in columns.items() if COMPARED in column])


def _compared(study: Study, caption: str, picked: Mapping[str, ByModel], measures: Mapping[str, str],
              marked: Collection[str]) -> Table:
    """Cells from column -> model -> scores."""
    picked = {name: by_model for name, by_model in picked.items() if any(by_model.values())}
    if not picked:
        return caption, "", [[]]
    head = ["backbone", "variant", "n"]
    lines = {model: [*model, str(max(defined_seeds(by_model[model]) for by_model in picked.values()))]
             for model in next(iter(picked.values()))}
    for name, by_model in picked.items():
        head.append(name)
        for model, line in lines.items():
            line.append(mean_cell(by_model[model], measures[name]))
        if name not in marked:
            continue
        head.append(f"difference to {study.baseline}")
        differences = {model: compared(own, by_model[model[0], study.baseline]) for model, own in by_model.items()
                       if model[1] != study.baseline and (model[0], study.baseline) in by_model}
        adjusted = dict(zip(differences, holm([found.p for found in differences.values()]), strict=True))
        for model, line in lines.items():
            line.append(difference_cell(differences.get(model), adjusted.get(model, math.nan), measures[name],
                                         len(by_model[model])))
    return caption, NOTE, [head, *lines.values()]


def _predictors(study: Study, caption: str, rows: "DataFrame", index: Index, exact: str) -> Table:
    """The prediction against the other predictors inside each model that has them, seed by seed."""
    tests = models(select(rows, analysis="test"))
    present = tests["predictor"].unique()
    names = [name for name in study.predictors if name in present]
    words = [study.predictors[name].partition(" (")[0] for name in names]
    lines = [["backbone", "variant", "split", "n", *words, *(f"{words[0]} - {word}" for word in words[1:]),
              "decisions unlike z_m"]] if words else []
    found = {split: [index.of(exact, split, predictor=name) for name in names] for split in ordered(tests, "split")}
    differing = {split: index.of("differs_from_backbone", split) for split in found}
    for model, split in product(index.models, found):
        own = [by_model[model] for by_model in found[split]]
        if sum(map(bool, own)) < 2:
            continue  # nothing to compare, as in a model that is its backbone
        first, *others = own
        lines.append([*model, split, str(defined_seeds(first)), *(mean_cell(one, exact) for one in own),
                      *(difference_cell(compared(first, other), math.nan, exact, len(first)) for other in others),
                      mean_cell(differing[split][model], exact)])
    return caption, (f"{INTERVALS}. An additive fusion (tanh) makes TIE and z_m differ by a constant, so they never "
                     "decide unlike."), lines


def _distances(study: Study, caption: str, index: Index, exact: str) -> Table:
    """How far a model is from the one that uses all modalities together and nothing else.

    No proper subset of the modalities tells anything about the emotion, so without any of them accuracy should be that
    of the trivial predictor; and each modality should contribute a third of the worth of 3 that a right answer has.
    """
    removed = [index.of(exact, "test", "missing_zero", letters) for letters in SETTINGS[1:]]
    worth = [index.of("shapley", "test", "contribution", name) for name in MODALITIES]
    chance = next(iter(values(index.trivial(exact, "test"))), math.nan)
    picked = {"accuracy with modalities missing to the trivial one, mean": _distance(removed, chance, "mean"),
              "Shapley values to 1, sum": _distance(worth, 1, "sum")}
    return _compared(study, caption, picked, dict(zip(picked, (exact, "shapley"), strict=True)), picked)


def _distance(found: Sequence[ByModel], to: float, how: str) -> ByModel:
    """Mean or sum over several scores of their distances to a number, where they are defined."""
    distances: dict[Model, dict[int, tuple[float, str]]] = {}
    for model in found[0]:
        distances[model] = {}
        for seed in dict.fromkeys(seed for by_model in found for seed in by_model[model]):
            own = summary([abs(by_model[model][seed][0] - to) for by_model in found if seed in by_model[model]])
            distances[model][seed] = own.mean * (own.n if how == "sum" else 1), ""
    return distances
