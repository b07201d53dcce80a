"""The files of a report that need scores only, and how a folder of them is replaced as a whole."""

import contextlib
import shutil
from collections.abc import Collection, Iterator
from pathlib import Path

from src.analysis.records import Study
from src.analysis.report.figures import FigureFile, save_figures
from src.analysis.report.formats import to_markdown, to_tex
from src.analysis.report.tables import answers_table, study_tables
from src.analysis.results import read_study
from src.locks import FolderLock
from src.process import held
from src.runtime import partial_name, sweep
from src.structures import InputError
from src.writing import write_text

TABLES = ("tables.md", "tables.tex")
FIGURES = "figures"


def load_study(path: Path) -> Study:
    """The study in a results.csv, with its tables."""
    study = read_study(path)
    study.tables += [*answers_table(study), *study_tables(study)]
    return study


def write_scores(study: Study, folder: Path) -> list[FigureFile]:
    """Tables and figures of a study."""
    for name, form in zip(TABLES, (to_markdown, to_tex), strict=True):
        write_text(folder / name, form(study))
    return save_figures(study, folder / FIGURES)


@contextlib.contextmanager
def report_folder(folder: Path, names: Collection[str], last: str, overwrite: bool, flag: str) -> Iterator[None]:
    """Hold a folder for a report that consists of `names`; InputError where it holds other things already.

    Without `last`, which is moved there last, it is what a killed process left behind.
    """
    if folder.is_file():
        raise InputError(f"{flag} {folder} is a file; choose another folder")
    with FolderLock(folder, f"wait until it is through, or choose another {flag}"):
        sweep(folder)
        if not {path.name for path in folder.iterdir()} <= set(names) - {last} and not overwrite:
            raise InputError(f"the report folder {folder} exists; choose another {flag}, or give --overwrite to "
                             "replace the files of the earlier report")
        yield


@contextlib.contextmanager
def replacing(folder: Path, last: str) -> Iterator[Path]:
    """A new folder to write into, whose files replace those of `folder` once all of them are on the disk."""
    new = partial_name(folder / "report")
    try:
        yield new
        with held():
            _replace(new, folder, last)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def _replace(new: Path, folder: Path, last: str) -> None:
    """Move the files of a report into its folder; figures of an earlier report go."""
    kept = {path.name for path in (new / FIGURES).glob("*")}
    for earlier in (folder / FIGURES).glob("*.*"):
        if earlier.name not in kept:
            earlier.unlink()
    (folder / FIGURES).mkdir(exist_ok=True)
    for path in sorted(new.rglob("*.*"), key=lambda path: path.name == last):
        path.replace(folder / path.relative_to(new))
