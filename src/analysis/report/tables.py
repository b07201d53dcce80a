"""The tables of a study, as cells of text."""

import math
from collections.abc import Collection, Iterable, Mapping

from src.analysis.records import PLAIN, TRIVIAL, Row, Score, Study, by_seed, grouped, ordered, place_name, select
from src.analysis.statistics import Difference, holm, paired_difference, summary
from src.datasets.synthetic import CLASSES
from src.structures import MODALITIES
from src.tasks import TASKS, Classes

Table = tuple[str, str, list[list[str]]]  # caption, footnote, rows of cells; the first row is the header
Model = tuple[str, str]  # backbone, variant

SCORES = "test scores"
# The paper's own figures, all that are known of it (its abstract): dataset, backbone -> metric, percent.
PAPER = {("iemocap", "mult"): ("accuracy_mean", 83.4), ("mosei_senti", "mult"): ("acc7", 50.1),
         ("mosei_senti", "pmr"): ("acc7", 48.8), ("mosei_senti", "dmd"): ("acc7", 48.8)}
NOTE = ("Mean +- standard deviation over n seeds; in brackets the 95 % bootstrap interval (over seeds) of the paired "
        "difference to plain, then p of the paired t-test, adjusted by Holm within its column.")


def study_tables(study: Study) -> list[Table]:
    """All tables of all datasets and conditions."""
    found = []
    for (dataset, condition), rows in study.places().items():
        name, exact = place_name(dataset, condition), study.measure[dataset]
        found.append(_scores(f"{name}: {exact}, {SCORES}", dataset, rows, _score_columns(rows, exact)))
        found.append(_predictors(f"{name}: TIE, F and z_m of the same networks ({exact})", rows, exact))
        found.append(_columns(f"{name}: missing modalities, zero fill, test ({exact})", rows, _missing_columns(exact)))
        found.append(_columns(f"{name}: contributions to {exact}, test", rows, CONTRIBUTIONS))
        if dataset == "synthetic":
            found.append(_distances(f"{name}: distance to the known right answer, test", rows, exact))
    return [table for table in found if len(table[2]) > 1]


def score_tables(study: Study) -> list[Table]:
    """The tables that a command line prints."""
    return [table for table in study.tables if table[0].endswith(SCORES)]


COMPARED = "compared"  # marks a column that is followed by its difference to plain
Column = Mapping[str, object]  # fields that select a column's rows, and that mark


def _score_columns(rows: list[Row], exact: str) -> dict[str, Column]:
    """The main score on every test split, or where there is one split only, all headline metrics on it."""
    splits = ordered(rows, "split")
    if len(splits) > 1:
        return {split: {"split": split, "measure": exact} for split in splits}
    headline = next(task.headline for task in (*TASKS.values(), Classes) if exact in task.headline)
    return {metric: {"split": splits[0], "measure": metric} for metric in headline}


def _missing_columns(exact: str) -> dict[str, Column]:
    place = {"split": "test", "analysis": "missing_zero"}
    spread = place | {"measure": "drop_std", COMPARED: True}
    settings = {letters or "all present": place | {"setting": letters, "measure": exact}
                for letters in ("", "t", "a", "v", "ta", "tv", "av")}
    return {**{name if name == "all present" else f"without {name}": wanted for name, wanted in settings.items()},
            "std of drops, single": spread | {"setting": "single"},
            "std of drops, all six": spread | {"setting": "all"},
            "random, area": place | {"analysis": "random_missing", "setting": "area", "measure": exact, COMPARED: True}}


CONTRIBUTIONS = {
    **{f"share {name}": {"split": "test", "analysis": "contribution", "setting": name, "measure": "share"}
       for name in MODALITIES},
    "imbalance": {COMPARED: True, "split": "test", "analysis": "contribution", "setting": "", "measure": "imbalance"},
    **{f"perceptual {name}": {"split": "test", "analysis": "perceptual", "setting": name, "measure": "drop"}
       for name in MODALITIES}}


def _scores(caption: str, dataset: str, rows: list[Row], columns: Mapping[str, Column]) -> Table:
    """The table of test scores, with the trivial predictor above and the paper's figure beside."""
    wanted = {name: {COMPARED: True, "analysis": "test", "setting": "", **column} for name, column in columns.items()}
    caption, note, (head, *body) = _columns(caption, rows, wanted)
    trivial = ["-", TRIVIAL, "-"]
    for column in wanted.values():
        found = by_seed(select(rows, variant=TRIVIAL, **_fields(column)))
        trivial += [_mean(found, str(column["measure"])), "-"]
    paper = ["paper", "-"]
    for line in body:
        metric, value = PAPER.get((dataset, line[0]), ("", None))
        paper.append(f"{metric} {value}" if value and line[1] != PLAIN else "-")
    lines = [head, trivial, *body]
    return caption, note, [[*line, cell] for line, cell in zip(lines, paper, strict=True)]


def _fields(column: Column) -> dict[str, object]:
    """The part of a column that selects rows."""
    return {name: value for name, value in column.items() if name != COMPARED}


def _columns(caption: str, rows: list[Row], columns: Mapping[str, Column]) -> Table:
    """One line per backbone and variant; marked columns are followed by their paired difference to plain."""
    own = select(rows, predictor="prediction")
    values = {name: {model: by_seed(select(found, **_fields(column))) for model, found in _models(own).items()}
              for name, column in columns.items()}
    return _compared(caption, values, {name: str(column["measure"]) for name, column in columns.items()},
                     [name for name, column in columns.items() if COMPARED in column])


def _compared(caption: str, values: Mapping[str, Mapping[Model, dict[int, float]]], measures: Mapping[str, str],
              compared: Collection[str]) -> Table:
    """Cells from column -> model -> seed -> value."""
    values = {name: by_model for name, by_model in values.items() if any(by_model.values())}
    if not values:
        return caption, "", [[]]
    models = list(next(iter(values.values())))
    head = ["backbone", "variant", "n"]
    lines = {model: [*model, str(max(_seeds(by_model[model]) for by_model in values.values()))] for model in models}
    for name, by_model in values.items():
        head += [name, "difference to plain"] if name in compared else [name]
        differences = {model: _difference(by_model[model], by_model.get((model[0], PLAIN), {}))
                       for model in models if model[1] != PLAIN}
        adjusted = dict(zip(differences, holm([d.p if d else math.nan for d in differences.values()]), strict=True))
        for model, line in lines.items():
            line.append(_mean(by_model[model], measures[name]))
            if name in compared:
                line.append(_difference_cell(differences.get(model), adjusted.get(model, math.nan), measures[name],
                                             len(by_model[model])))
    return caption, NOTE, [head, *lines.values()]


def _predictors(caption: str, rows: list[Row], exact: str) -> Table:
    """TIE against F and z_m inside each causal model, seed by seed."""
    lines = [["backbone", "variant", "split", "n", "TIE", "F", "z_m", "TIE - F", "TIE - z_m", "decisions unlike z_m"]]
    for model, own in _models(select(rows, analysis="test", method="causal")).items():
        for split in ordered(own, "split"):
            tie, fused, alone = (by_seed(select(own, split=split, measure=exact, predictor=predictor))
                                 for predictor in ("prediction", "fused", "backbone"))
            if not fused:
                continue  # a checkpoint of another selection, of which only the prediction is known
            unlike = by_seed(select(own, split=split, measure="differs_from_backbone", predictor="prediction"))
            lines.append([*model, split, str(_seeds(tie)), *(_mean(values, exact) for values in (tie, fused, alone)),
                          *(_difference_cell(_difference(tie, other), math.nan, exact, len(tie))
                            for other in (fused, alone)),
                          _mean(unlike, exact)])
    note = ("Mean +- standard deviation over n seeds, and the paired differences with their 95 % bootstrap interval. "
            "An additive fusion (tanh) makes TIE and z_m differ by a constant, so they never decide unlike.")
    return caption, note, lines


def _distances(caption: str, rows: list[Row], exact: str) -> Table:
    """How far a model is from the one that uses all modalities together and nothing else.

    No proper subset of the modalities tells anything about the emotion, so without any of them accuracy should be
    chance; and each modality should contribute a third of the worth of 3 that a right answer has.
    """
    own = select(rows, predictor="prediction", split="test")
    chance: dict[Model, dict[int, float]] = {}
    shapley: dict[Model, dict[int, float]] = {}
    for model, found in _models(own).items():
        removed = select(found, analysis="missing_zero", setting=("t", "a", "v", "ta", "tv", "av"), measure=exact)
        values = select(found, analysis="contribution", measure="shapley")
        chance[model] = {seed: sum(abs(row["value"] - 1 / CLASSES) for row in same) / len(same)
                         for (seed,), same in grouped(removed, "seed").items()}
        shapley[model] = {seed: sum(abs(row["value"] - 1) for row in same)
                          for (seed,), same in grouped(values, "seed").items()}
    names = {"accuracy with modalities missing to chance, mean": chance, "Shapley values to 1, sum": shapley}
    return _compared(caption, names, dict(zip(names, (exact, "shapley"), strict=True)), names)


def _models(rows: Iterable[Row]) -> dict[Model, list[Row]]:
    """(backbone, variant) -> rows, in the order of all tables."""
    rows = [row for row in rows if row["variant"] != TRIVIAL]
    found = grouped(rows, "backbone", "variant")
    backbones, variants = ordered(rows, "backbone"), ordered(rows, "variant")
    return {key: found[key] for key in sorted(found, key=lambda k: (backbones.index(k[0]), variants.index(k[1])))}


def _difference(values: dict[int, float], plain: dict[int, float]) -> Difference | None:
    """Paired over the seeds that both have."""
    seeds = sorted(values.keys() & plain.keys())
    return paired_difference([values[s] for s in seeds], [plain[s] for s in seeds]) if seeds else None


def _seeds(values: dict[int, float]) -> int:
    """How many seeds have a value that is defined."""
    return summary(list(values.values())).n


def _mean(values: dict[int, float], measure: str) -> str:
    """Mean and deviation; says how many seeds are behind it where some have no value."""
    found = summary(list(values.values()))
    number = _number(found.mean, measure)
    cell = number if found.n < 2 else f"{number} +- {_number(found.std, measure)}"
    return cell if found.n in (0, len(values)) else f"{cell} (n {found.n})"


def _difference_cell(found: Difference | None, adjusted: float, measure: str, seeds: int) -> str:
    """A difference over at most `seeds` seeds, and its interval and p where there are any."""
    if found is None or not found.n:
        return "-"
    if found.n == 1:
        return f"{_number(found.mean, measure, '+')} (one seed, no interval)"
    mean, low, high = (_number(value, measure, "+") for value in (found.mean, found.low, found.high))
    cell = f"{mean} [{low}, {high}]" + (f" (n {found.n})" if found.n < seeds else "")
    if math.isnan(adjusted):
        return cell
    return f"{cell} p {adjusted:.3f}" if adjusted >= 0.001 else f"{cell} p < 0.001"


def _number(value: float, measure: str, sign: str = "") -> str:
    """Shares in percent."""
    if math.isnan(value):
        return "-"
    return f"{value:{sign}.3f}" if measure == "shapley" or not Score(measure).share else f"{100 * value:{sign}.1f}"
