"""Finished runs on disk: which there are, and whether their files are whole."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

from src.analysis.study.grid import fingerprint
from src.checkpoint import RESULTS
from src.config import config_from
from src.results import history, read_results
from src.samples import has_samples
from src.structures import InputError

Found = dict[str, Path]  # fingerprint -> folder of a finished run


def find_finished(checkpoint_path: Path, own: Collection[str] = (),
                  with_samples: bool = False) -> tuple[Found, list[str]]:
    """All finished runs below a folder, whatever their names, and a sentence for each kind that cannot be used.

    `own` are the user's backbones that the command line names; code of others is not run. `with_samples` asks for
    those that have kept the samples of all epochs.
    """
    found, spoilt, foreign = {}, [], []
    for path in sorted(checkpoint_path.glob(f"checkpoint(*)/*_seed*/*/{RESULTS}")):
        try:
            key, whole = finished(path.parent, own, with_samples)
        except InputError:
            foreign.append(path.parent)
            continue
        if whole:
            found[key] = path.parent
        else:
            spoilt.append(path.parent)
    lacking = f"finished but without checkpoints{' or the samples of all epochs' * with_samples}"
    unread = "damaged, of another format of this code, or of a class of your own that this command does not name"
    return found, [f"{len(folders)} run{'s' * (len(folders) > 1)} ({folders[0]}{', ...' * (len(folders) > 1)}) {text}; "
                   "not used, and trained again where this study needs them"
                   for folders, text in ((foreign, unread), (spoilt, lacking)) if folders]


def finished(folder: Path, own: Collection[str] = (), with_samples: bool = False) -> tuple[str, bool]:
    """Fingerprint of a finished run, and whether its checkpoints, and the samples where asked for, are there.

    Raises InputError as `whole`, or where its code may not be run.
    """
    results, there = whole(folder)
    config = config_from(results["config"], own)
    return (fingerprint(config, results["data"]["sha256"], results),
            there and (not with_samples or has_samples(folder, config)))


def whole(folder: Path) -> tuple[dict[str, Any], bool]:
    """The results of a finished run, and whether its checkpoints are there.

    Raises InputError where the run is not finished, or where its results or its history are damaged.
    """
    results = read_results(folder)
    history(folder)
    return results, all((folder / f"{name}.pt").is_file() for name in results["selections"])
