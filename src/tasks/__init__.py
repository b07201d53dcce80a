"""What the logits mean: one class for each kind of label."""

from collections.abc import Sequence

from src.datasets.labels import numbered
from src.structures import DataInfo, UsageError
from src.tasks.base import Task
from src.tasks.classes import Classes, SimsClasses
from src.tasks.pairs import Emotions, Labels
from src.tasks.scores import Regression, Sentiment, SentimentClasses, Sims

TASKS: dict[str, type[Task]] = {"emotion4": Emotions, "sentiment7": SentimentClasses, "sentiment": Sentiment,
                                "sims5": SimsClasses, "sims": Sims}
NUMBERED: dict[str, type[Classes] | type[Labels] | type[Regression]] = {
    "classes": Classes, "labels": Labels, "regression": Regression}  # made as kind:number


def make_task(name: str, class_names: Sequence[str] = ()) -> Task:
    """The task called `name`; InputError for an unknown one, UsageError for names that are not one for each class."""
    kind, count = (name, 0) if name in TASKS else numbered(name)
    if class_names and kind in TASKS:
        raise UsageError("--class_names names the classes of classes:N and labels:N and the numbers of regression:K, "
                         f"and the task is {name}; leave it out")
    if class_names and len(class_names) != count:
        raise UsageError(f"--class_names has {len(class_names)} names, and the task {name} needs {count}; give one for "
                         "each, in the order of the numbers in the file")
    if kind in TASKS:
        return TASKS[kind]()
    return NUMBERED[kind](count, class_names)


def task_of(info: DataInfo) -> Task:
    """The task of a data file, with its names of classes or numbers."""
    return make_task(info.task, info.class_names)
