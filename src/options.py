"""The groups of options of one run that no dataset, backbone or branch has; one field is one flag."""

import re
from dataclasses import dataclass
from pathlib import Path

import src.backbones
import src.datasets  # noqa: F401  (these fill the registries, and so does src.methods)
from src.datasets.absence import FILLS
from src.datasets.base import dataset_spec
from src.datasets.labels import TASK_NAMES, label_form
from src.datasets.padding import PADDINGS
from src.methods import PLANS
from src.registry import BACKBONES, DATASETS, METHODS
from src.selection import RULES, checkpoint
from src.strengths import CAUTIOUS, PUBLISHED, VALID
from src.structures import LETTER, MODALITIES, PLACE, WEIGHT, Bounds, InputError, option, quoted
from src.tracking import TRACKERS

BATCH = Bounds(1, 10**6, "no data set of this field has as many samples")
MANY = Bounds(1, 10**6, "the history of all epochs stands in every checkpoint")
NAME = re.compile(r"[\w -]{1,40}")  # of a class; decisions for several are joined by +
EXPORTS = {"safetensors": ".safetensors", "onnx": ".onnx", "hub_folder": ""}
OPTIMIZERS = ("Adam", "AdamW", "RMSprop", "SGD")


def _plans() -> str:
    """What --method names besides a method."""
    return "; ".join(f"{name}: {', '.join(dict.fromkeys(step.method for step in steps))}, one after the other"
                     for name, steps in PLANS.items())


def check_name(folder: str) -> None:
    """Raise InputError for a folder's name that is longer than file systems take."""
    if len(folder.encode("utf-8", "surrogatepass")) > 255:
        raise InputError(f"a run would stand in a folder {quoted(folder)} of more than 255 bytes, which no file system "
                         "takes; shorten --name")


@dataclass(frozen=True)
class PlaceOptions:
    """The four arguments of the shell commands, and where runs are kept."""

    dataset: str = option("synthetic", f"{', '.join(DATASETS)}, or your own file as path/to/file.pkl with --task")
    name: str = option("demo", "name of the run, part of its folder", scope=PLACE)
    seed: int = option(1111, "seed of the weights, the dropout and the batch order")
    device: str = option("auto", "auto, cpu, cuda, cuda:N, or the number N of a GPU", scope=PLACE)
    checkpoint_path: Path = option(Path("."), "folder that holds the folders checkpoint(<dataset>)", scope=PLACE)

    def __post_init__(self) -> None:
        dataset_spec(self.dataset)
        if not self.name or Path(self.name).name != self.name or self.name.startswith("."):
            raise InputError(f"--name {quoted(self.name)} cannot name a folder; use letters, digits, '_' and '-'")
        if not 0 <= self.seed < 2**63:
            raise InputError(f"--seed must lie in [0, 2**63), got {quoted(self.seed)}")
        check_name(f"{self.name}_seed{self.seed}")


@dataclass(frozen=True)
class RunOptions(PlaceOptions):
    """What is trained."""

    method: str = option("causal", f"how the backbone is trained: {', '.join(METHODS)}, or your own class as "
                                   f"package.module:Class; {_plans()}")
    backbone: str = option("mult", f"backbone: {', '.join(BACKBONES)}, or your own class as package.module:Class",
                           names=("--model",))
    init: Path | None = option(None, "start from the weights in this file: a checkpoint of ours or of the published "
                                     "code")
    resume: bool = option(False, "continue the run of this name after its last finished epoch", scope=PLACE)
    tracker: str = option("", f"tell every epoch to {', '.join(TRACKERS)}, whose package has to be installed",
                          ("", *TRACKERS), scope=PLACE)


@dataclass(frozen=True)
class InferenceOptions(PlaceOptions):
    """What is evaluated; everything else stands in the checkpoint."""

    method: str = option("", "evaluate the runs of this method only")
    backbone: str = option("", "evaluate the runs of this backbone only", names=("--model",))
    selection: str = option("both", "checkpoint with the lowest validation loss, the best validation score, that on "
                                    "unbiased validation samples, or all that were kept",
                            ("both", *RULES))
    task: str = option("", "that of the training, for a file of your own; anything else is refused")
    remove: str = option("", "modalities missing from the test inputs", ("", "t", "a", "v", "ta", "tv", "av"))
    fill: str = option("zero", "what stands in for a missing modality: zeros as published, the training mean, or the "
                               "same modality of another sample", FILLS)
    missing: bool = option(False, "all seven settings of missing modalities, and random ones at rates 0.1 to 0.9")
    contributions: bool = option(False, "what each modality contributes: Shapley values and perceptual scores")
    audit: bool = option(False, "calibration; for synthetic data also how far effects and predictions are from the "
                                "truth")
    predictions: Path | None = option(None, "write every sample's logits, prediction, label and effects to this CSV")
    data_path: Path | None = option(None, "folder of the data files (default: that of the training)")
    data_file: Path | None = option(None, "evaluate this file instead of the one trained on; labels may be missing")
    padding: str = option("", "where --data_file pads short sequences (default: what was said in training; auto looks "
                              "in files to train on only)", ("", *PADDINGS))
    data_device: str = option("auto", "where the splits stay: auto (the device, if they fit), cpu, cuda",
                              ("auto", "cpu", "cuda"))
    batch_size: int | None = option(None, "samples per step (default: as many as fit easily)", bounds=BATCH)
    import_published: Path | None = option(None, "convert this checkpoint of the published code into a run of ours")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.method and ":" not in self.method and self.method not in (*METHODS, *PLANS):
            raise InputError(f"unknown method {quoted(self.method)}; choose from {', '.join((*METHODS, *PLANS))}, or "
                             "give your own class as package.module:Class")
        object.__setattr__(self, "selection", checkpoint(self.selection))
        if self.padding and not self.data_file:
            raise InputError("--padding is for --data_file; the data of the training is padded as it was then")
        if self.predictions and self.selection == "both":
            raise InputError("--predictions needs one checkpoint; add --selection valid_loss or valid_score")
        if self.predictions and not self.predictions.name.lower().endswith(".csv"):
            raise InputError(f"--predictions writes a table, and {quoted(str(self.predictions))} may be data or a "
                             "model; give a name that ends in .csv")
        if self.remove and (self.missing or self.contributions or self.audit):
            raise InputError("--missing and --contributions go through all removals by themselves, and --audit judges "
                             "whole inputs; leave out --remove")

    @property
    def removed(self) -> frozenset[str]:
        """Modalities that `--remove` names."""
        return frozenset(LETTER[letter] for letter in self.remove)


@dataclass(frozen=True)
class ExportOptions(PlaceOptions):
    """What is exported, and as what."""

    method: str = option("", "the method of the run, where the name has several")
    backbone: str = option("", "the backbone of the run, where the name has several", names=("--model",))
    selection: str = option("valid_score", "the rule whose checkpoint is exported", RULES)
    to: str = option("hub_folder", "safetensors: weights and a model card; onnx: a graph that gives the prediction and "
                                   "every effect; hub_folder: weights, configuration and card in a folder",
                     tuple(EXPORTS))
    output: Path | None = option(None, "file, or folder, to write (default: in this folder, named by the run)")

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "selection", checkpoint(self.selection))

    def default_output(self, backbone: str, method: str) -> Path:
        """NAME_seedSEED-BACKBONE-METHOD with the suffix of the form."""
        words = f"{self.name}_seed{self.seed}-{backbone}-{method}".replace(":", ".")
        return Path(f"{words}{EXPORTS[self.to]}")


@dataclass(frozen=True)
class DataOptions:
    """Where the data is and how it is read."""

    data_path: Path = option(Path("data"), "folder of the data files", scope=PLACE)
    aligned: bool = option(True, "word-aligned file <dataset>_data.pkl, or <dataset>_data_noalign.pkl")
    padding: str = option("auto", "where the file pads short sequences; auto looks where more of them have zero frames",
                          PADDINGS)
    data_device: str = option("auto", "where the splits stay: auto (the device, if they fit), cpu, cuda",
                              ("auto", "cpu", "cuda"), scope=PLACE)
    task: str = option("", f"{TASK_NAMES} (default: that of the dataset)")
    class_names: tuple[str, ...] = option((), "names of the classes of classes:N or labels:N, or of the numbers of "
                                              "regression:K, in the file's order, with commas between them (default: "
                                              "the dataset's)")
    mosei_task: str = option("cls", "MOSEI and MOSI as seven classes or as regression", ("cls", "regression"))

    def __post_init__(self) -> None:
        if self.task:
            label_form(self.task)
        wrong = [name for name in self.class_names if not NAME.fullmatch(name) or name == "none"]
        if wrong or len(set(self.class_names)) < len(self.class_names):
            raise InputError("--class_names takes words of at most 40 letters, digits, blanks, '_' and '-', each once, "
                             f"and not 'none', got {quoted(','.join(self.class_names))}")


@dataclass(frozen=True)
class ChoiceOptions:
    """How the epoch and the strengths of a model's paths are chosen, and what is known for it."""

    strength: str = option("", f"strengths of the paths of a prediction: {PUBLISHED}, {VALID} (chosen on validation), "
                               f"{CAUTIOUS} (the same, and as if what no other modality vouches for were a shortcut), "
                               "or values such as m=1,t=0,a=0.5,v=1 (default: published; valid for pool and the fusion "
                               "evidence)", search=(PUBLISHED, VALID))
    unwanted: tuple[str, ...] = option((), "modalities whose direct effect is unwanted: text,audio,vision or some of "
                                           "them; each method says which strengths follow")
    unbiased: int = option(0, "samples of the split valid_shifted by which one more checkpoint is chosen",
                           bounds=Bounds(0, 10**6, "no validation split of this field has as many samples"))
    log_samples: bool = option(False, "keep what every path says of every validation and test sample after each epoch",
                               scope=PLACE)

    def __post_init__(self) -> None:
        wrong = [name for name in self.unwanted if name not in MODALITIES]
        if wrong or len(set(self.unwanted)) < len(self.unwanted):
            raise InputError(f"--unwanted takes text, audio and vision, each once, with commas between them, got "
                             f"{quoted(','.join(self.unwanted))}")


@dataclass(frozen=True)
class TrainingOptions:
    """Optimisation."""

    batch_size: int = option(24, "samples per step", bounds=BATCH)
    evaluation_batch_size: int | None = option(None, "samples per step where only predictions are wanted (default: as "
                                                     "many as fit easily)", scope=PLACE, bounds=BATCH)
    precision: str = option("fp32", "what products are computed in; bf16 on a CPU with AVX-512 only, for ALBERT and "
                                    "ResNet-18",
                            ("fp32", "bf16"))
    compile: str = option("auto", "on a GPU, replay each step as one CUDA graph: on, off, or auto (not with a class of "
                                  "your own)", ("auto", "on", "off"), scope=PLACE)
    accumulate: int = option(1, "batches whose gradients are added up to one step, weighted by their samples",
                             bounds=BATCH)
    num_epochs: int = option(40, "passes over the training split", bounds=MANY)
    optim: str = option("Adam", "optimizer of torch.optim", OPTIMIZERS)
    clip: float = option(0.8, "largest gradient norm over all parameters; 0 for no limit", bounds=WEIGHT)
    clip_value: float = option(0.0, "largest absolute value of any single gradient; 0 for no limit", bounds=WEIGHT)
    patience: int = option(0, "epochs without a better validation score after which a run ends; 0 for none",
                           bounds=Bounds(0, 10**6, "no run has as many epochs"))
    when: int = option(20, "epochs without a lower validation loss before learning rates fall to a tenth",
                       bounds=Bounds(0, 10**9, "no run has as many epochs"))
