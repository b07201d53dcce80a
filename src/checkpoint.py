"""Run folders and checkpoints: plain data in one place, written whole or not at all."""

import glob
import io
import shlex
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from src.datasets.base import dataset_spec, file_hash
from src.methods import BASELINE, PLANS, Step
from src.options import PlaceOptions
from src.reading.records import Damaged, Refused
from src.reading.tensors import read_note, read_torch
from src.runtime import atomic_file
from src.saved import check_content, digest
from src.selection import CHECKPOINTS
from src.structures import DataInfo, InputError, quoted

FORMAT = 3
CHECKSUM = "sha256"  # entry of a checkpoint's archive that holds the digest of its content
RESULTS = "results.json"  # written last: a run that has it is finished
TABLE = "scores.txt"  # of all runs that one command trained, in the folder of the last one
SAMPLES = "samples"  # folder of what --log_samples keeps
LAST = "last"  # the state after the last finished epoch, for --resume
DIGEST = 8  # hexadecimal digits of a sha256 in the name of a folder


def runs_folder(place: PlaceOptions, suffix: str = "") -> Path:
    """Where all runs of one name, seed and dataset stand: the one place that builds this path; suffix: of the name.

    For a file of one's own it carries a digest of the content, since files of one name are common. A file that is not
    there names the folder itself: aligned_50-1a2b3c4d.pkl are the runs on a content that may no longer be at hand.
    """
    spec = dataset_spec(place.dataset)
    content = f"-{file_hash(spec.file)[:DIGEST]}" if spec.file and spec.file.is_file() else ""
    return place.checkpoint_path / f"checkpoint({_stem(place)}{content})" / f"{place.name}{suffix}_seed{place.seed}"


def _stem(place: PlaceOptions) -> str:
    """A dataset's name as part of a folder's, which file systems limit to 255 bytes."""
    return dataset_spec(place.dataset).name.encode("utf-8", "ignore")[:200].decode("utf-8", "ignore")


def run_folder(place: PlaceOptions, backbone: str, method: str) -> Path:
    """The folder of one run."""
    return runs_folder(place) / run_name(backbone, method)


def run_name(backbone: str, method: str) -> str:
    """Backbone and method as the name of a folder."""
    return f"{_plain_name(backbone)}-{_plain_name(method)}"


def _plain_name(part: str) -> str:
    """package.module:Class as part of a file name."""
    return part.replace(":", ".")


def find_runs(place: PlaceOptions, method: str = "", backbone: str = "") -> list[Path]:
    """Folders of the trained runs of a name, those of the baseline first; InputError where there is none.

    `method` may name a plan of several, whose runs are found where it leaves them; empty stands for all of the name.
    """
    folder = runs_folder(place)
    runs = [run for step in PLANS.get(method, (Step(method),))
            for run in runs_in(runs_folder(place, step.suffix), step.method, backbone)]
    own = dataset_spec(place.dataset).file
    if not runs and own and not own.is_file():
        raise InputError(f"no data file at {own.absolute()}; check the path")
    if not runs:
        asked = " ".join(word for word in (backbone, "" if method in PLANS else method, "checkpoint") if word)
        train = f"bash main.sh {shlex.join([place.device, place.name, str(place.seed), place.dataset])}"
        there = ", ".join(path.name for path in runs_in(folder))
        instead = f"it has {there}, so choose one of these, or " if there else _other_contents(place)
        raise InputError(f"no {asked} in {folder.absolute()}; {instead}train it first with: {train}"
                         + " and the flags of its training, such as --task" * bool(own))
    return runs


def runs_in(folder: Path, method: str = "", backbone: str = "") -> list[Path]:
    """The trained runs in the folder of a name, those of the baseline first; none where there are none."""
    named_by_plan = [step.method for step in PLANS.get(method, ())]
    wanted = {_plain_name(name) for name in named_by_plan or [method] if name}
    named = {path: path.name.split("-", 1) for path in folder.glob("*-*")
             if not path.suffix[1:].isdigit()}  # as one that was put aside
    runs = [path for path, (own, trained_by) in named.items() if (not wanted or trained_by in wanted)
            and (not backbone or own == _plain_name(backbone)) and is_run(path)]
    return sorted(runs, key=lambda path: (named[path][1] != BASELINE, named[path][::-1]))


def is_run(folder: Path) -> bool:
    """Whether a folder holds a selected checkpoint."""
    return any(folder.glob("best_*.pt"))


def selected(folder: Path, name: str) -> Path:
    """The file of a checkpoint of a run; InputError where the run has not kept it."""
    path = folder / f"{name}.pt"
    if not path.is_file():
        there = ", ".join(CHECKPOINTS[one] for one in CHECKPOINTS if (folder / f"{one}.pt").is_file())
        raise InputError(f"{folder} has no checkpoint of the rule {CHECKPOINTS[name]}, it has {there or 'none'}; "
                         "choose one of these, or train again: last_epoch is kept with --unwanted, valid_shifted with "
                         "--unbiased")
    return path


def _other_contents(place: PlaceOptions) -> str:
    """Where runs of the name belong to other contents of the user's file: what to do about that, else nothing."""
    own = dataset_spec(place.dataset).file
    if own is None or not own.is_file():
        return ""
    stem, run = _stem(place), glob.escape(f"{place.name}_seed{place.seed}")
    patterns = (f"checkpoint({glob.escape(stem)}{content})/{run}" for content in ("", f"-{'[0-9a-f]' * DIGEST}"))
    others = sorted(path.parent.name[len("checkpoint("):-1] for pattern in patterns
                    for path in place.checkpoint_path.glob(pattern))
    if not others:
        return ""
    use = shlex.join(["--dataset", f"{others[0]}.pkl", "--data_file", place.dataset])
    return (f"runs of this name belong to another content of such a file ({', '.join(others[:3])}; the sha256 of this "
            f"one begins with {file_hash(own)[:DIGEST]}): name the file that they were trained on, or evaluate this "
            f"one with their weights by {use}, or ")


def never_began(folder: Path) -> bool:
    """Whether a run folder holds nothing to keep: its run was killed before an epoch of it was saved."""
    if not folder.is_dir() or (folder / RESULTS).exists():
        return False
    last = folder / f"{LAST}.pt"
    try:
        return load_checkpoint(last, torch.device("cpu"))["epoch"] == 0 if last.exists() else not any(folder.iterdir())
    except InputError:
        return False


def clear_start(folder: Path) -> None:
    """Remove what a run that never began may have left of its first epoch, so that no two runs are mixed."""
    weights = (folder / f"{name}.pt" for name in CHECKPOINTS)
    for path in (folder / "history.csv", *weights, *folder.glob(f"{SAMPLES}/*")):
        path.unlink(missing_ok=True)


def unfinish(folder: Path) -> None:
    """Remove the scores that a run ended in, before it goes on: they are not those of the weights to come."""
    for name in (RESULTS, TABLE):
        (folder / name).unlink(missing_ok=True)


def set_aside(folder: Path) -> Path | None:
    """Rename an existing run folder to the next free <folder>.N, so that a new run loses nothing."""
    if not folder.exists():
        return None
    taken = [int(path.suffix[1:]) for path in folder.parent.glob(f"{folder.name}.*") if path.suffix[1:].isdigit()]
    try:
        return folder.rename(folder.with_name(f"{folder.name}.{max(taken, default=0) + 1}"))
    except OSError as error:
        raise InputError(f"the earlier run in {folder} cannot be renamed ({error.strerror}); choose another --name") \
            from error


def checkpoint_content(model: nn.Module, config: Mapping[str, Any], info: DataInfo, **more: Any) -> dict[str, Any]:
    """What a checkpoint holds, as plain data; the tensors are those of the model."""
    return {"format": FORMAT, "config": dict(config), "info": asdict(info), "model": dict(model.state_dict()), **more}


def write_checkpoint(path: Path, content: Mapping[str, Any]) -> None:
    """Write a checkpoint with its digest; an older one stays until the new one is whole."""
    content = changed(content, Tensor.cpu)
    buffer = io.BytesIO()  # torch's own file writer does not say that a disk is full
    torch.save(content, buffer)
    with zipfile.ZipFile(buffer, "a") as archive:  # beside the content, which stays what was computed
        archive.writestr(f"archive/{CHECKSUM}", digest(content))
    with atomic_file(path) as file:
        file.write(buffer.getbuffer())


def save_checkpoint(path: Path, model: nn.Module, config: Mapping[str, Any], info: DataInfo, **more: Any) -> None:
    """Write what `checkpoint_content` says of a model."""
    write_checkpoint(path, checkpoint_content(model, config, info, **more))


def changed(value: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """Nested data with its tensors changed."""
    if isinstance(value, dict):
        return {key: changed(item, change) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(changed(item, change) for item in value)
    return change(value) if isinstance(value, Tensor) else value


def load_checkpoint(path: Path, device: torch.device) -> dict[str, Any]:
    """Read a checkpoint, its weights onto `device`; nothing of it is executed, everything has the form it must have.

    Raises InputError where it is missing, damaged, changed since it was written, or of another format.
    """
    if not path.is_file():
        raise InputError(f"no checkpoint at {path.absolute()}; train first, or check name, seed and dataset")
    if path.suffix in (".safetensors", ".onnx"):
        raise InputError(f"{path} is a model for other programs; give the folder of its run, or one that "
                         "python -m src.export wrote with --to hub_folder")
    try:
        content = read_torch(path)
    except (Refused, Damaged, OSError) as error:
        raise InputError(f"{path} is not a checkpoint of this code ({error}); a file of the published code is "
                         "converted by inference.py --import_published, a damaged one has to be trained again") \
            from error
    version = content.get("format") if isinstance(content, dict) else type(content).__name__
    if type(version) is not int or version != FORMAT:
        raise InputError(f"{path} has the checkpoint format {quoted(version)}, this code reads {FORMAT}; train it "
                         "again")
    missing = {"config", "info", "model", "epoch"} - content.keys()
    if missing:
        raise InputError(f"{path} lacks {', '.join(sorted(missing))}; it is no whole checkpoint, train it again")
    try:
        if read_note(path, CHECKSUM, 64) != digest(content).encode():
            raise InputError(f"{path} was changed since it was written: its content and its sha256 differ, as after a "
                             "flipped bit; bring back a copy, or train it again")
        check_content(content)
    except (Damaged, OSError) as error:
        raise InputError(f"{path} cannot be used ({error}); train it again") from error
    content["info"] = DataInfo(**content["info"])
    content["model"] = {name: value.to(device) for name, value in content["model"].items()}
    return content


def load_weights(model: nn.Module, weights: Mapping[str, Tensor], source: Path) -> None:
    """Fill a model strictly; InputError that names the first differences."""
    check_weights(model, weights, source)
    model.load_state_dict(weights)


def check_weights(model: nn.Module, weights: Mapping[str, Tensor], source: Path) -> None:
    """Raise InputError that names the first differences between a model, also one without memory, and its weights."""
    own = model.state_dict()
    wrong = [f"{name} {_form(own[name])} here, {_form(weights[name])} in the file"
             for name in own if name in weights and _form(own[name]) != _form(weights[name])]
    wrong += [f"{name} only {'here' if name in own else 'in the file'}" for name in sorted(own.keys() ^ weights.keys())]
    if wrong:
        raise InputError(f"{source} does not fit the model ({len(wrong)} differences: {'; '.join(wrong[:3])}); "
                         "it belongs to other settings or other data")


def _form(tensor: Tensor) -> str:
    """Shape of a tensor, and its type where that is not the usual one."""
    return f"{tuple(tensor.shape)}{'' if tensor.dtype == torch.float32 else f' {tensor.dtype}'}"
