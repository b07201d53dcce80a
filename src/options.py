"""The groups of options that do not belong to a dataset, a backbone or a branch; one field is one flag."""

import re
from dataclasses import dataclass, fields, replace
from pathlib import Path

import src.backbones
import src.datasets  # noqa: F401  (these fill the registries, and so does src.methods)
from src.datasets.absence import FILLS
from src.datasets.base import dataset_spec
from src.datasets.labels import TASK_NAMES, label_form
from src.datasets.padding import PADDINGS
from src.methods import BASELINE, PLANS
from src.registry import BACKBONES, DATASETS, METHODS
from src.selection import CAUTIOUS, PUBLISHED, RULES, VALID, checkpoint
from src.structures import LETTER, MODALITIES, PLACE, WEIGHT, Bounds, InputError, option, quoted
from src.tracking import TRACKERS

BATCH = Bounds(1, 10**6, "no data set of this field has as many samples")
TRIALS = Bounds(0, 1000, "each is a run")
MANY = Bounds(1, 10**6, "the history of all epochs stands in every checkpoint")
NAME = re.compile(r"[\w -]{1,40}")  # of a class; decisions for several are joined by +
JOBS = 256
ANALYSES = ("missing", "contributions", "audit", "knowledge")
EXPORTS = {"safetensors": ".safetensors", "onnx": ".onnx", "hub_folder": ""}
EXECUTORS = ("local", "ray", "slurm")
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
class PlanOptions:
    """Which runs are wanted, and where; flags of main.py that stand beside these reach every run."""

    datasets: tuple[str, ...] = option(("synthetic",), "data sets, or own files, with commas between them")
    conditions: tuple[str, ...] = option(("",), "forms of the data, flags of main.py with + between them: "
                                                "shortcut_t=0.8+shortcut_a=0.2,shortcut_t=0")
    backbones: tuple[str, ...] = option(("mult",), "backbones")
    methods: tuple[str, ...] = option((BASELINE, "causal"), f"methods: {', '.join(METHODS)}, or package.module:Class")
    fusions: tuple[str, ...] = option(("mask", "tanh"), "fusions of the methods that have one")
    seeds: tuple[int, ...] = option((), "seeds, one alone allows no interval (default: those of the grid, or "
                                        "1111,1112,1113)")
    name: str = option("study", "beginning of the names of new runs")
    report: Path = option(Path("report"), "folder of results.csv, tables, figures and report.html")
    overwrite: bool = option(False, "replace the files of an existing report folder")
    checkpoint_path: Path = option(Path("."), "folder that holds the folders checkpoint(<dataset>)")
    selection: str = option("valid_score", "the rule whose checkpoints count and are shown", RULES)
    device: str = option("auto", "auto, cpu, cuda, cuda:N, or the number N of a GPU")
    jobs: int = option(None, "runs at one time; the processor cores are shared out among them (default: per_device "
                             "runs on each of --devices)",
                       bounds=Bounds(1, JOBS, "each is a process of its own, with torch and the data in its memory"))
    executor: str = option("local", "where runs are trained: processes of this machine, a Ray cluster, or Slurm jobs",
                           EXECUTORS)
    devices: tuple[int, ...] = option((), "numbers of the GPUs of this machine that share the runs",
                                      bounds=Bounds(0, 1023, "no machine has as many GPUs"))
    per_device: int = option(1, "runs at one time on one GPU",
                             bounds=Bounds(1, 64, "each has its model and its data in the GPU's memory"))
    ray_address: str = option("", "host:port of a Ray cluster (default: that of RAY_ADDRESS, or one on this machine)")
    slurm: tuple[str, ...] = option((), "parameters of each Slurm job, by submitit's names: partition=gpu,"
                                        "timeout_min=60,gpus_per_node=1; cluster=local tries it without Slurm")

    @property
    def own(self) -> tuple[str, ...]:
        """Backbones and methods that the command line names, whose code may be imported."""
        return (*self.backbones, *self.methods)

    def __post_init__(self) -> None:
        object.__setattr__(self, "selection", checkpoint(self.selection))
        for name in ("datasets", "conditions", "backbones", "methods", "seeds"):
            values = getattr(self, name)
            if not values and name != "seeds" or len(set(values)) < len(values):
                raise InputError(f"--{name} needs values, each once, with commas between them, got "
                                 f"{','.join(map(str, values))!r}")
        self._check_places()

    def _check_places(self) -> None:
        """Fill in --jobs; InputError for flags of another executor, and for more runs than the devices take."""
        for name, executor in (("devices", "local"), ("ray_address", "ray"), ("slurm", "slurm")):
            if getattr(self, name) and self.executor != executor:
                raise InputError(f"--{name} belongs to --executor {executor}, and not to {self.executor}; leave it out")
        if self.per_device > 1 and self.executor == "slurm":
            raise InputError("--per_device is for --devices and Ray; a Slurm job has the GPUs that --slurm asks for")
        if self.devices and self.device != "auto":
            raise InputError("--device and --devices both say where runs are trained; leave one out")
        if len(set(self.devices)) < len(self.devices):
            raise InputError("--devices needs every number once; --per_device puts several runs on one")
        fitting = max(1, len(self.devices)) * self.per_device
        if self.jobs is None:
            object.__setattr__(self, "jobs", min(fitting, JOBS))
        if self.devices and self.jobs > fitting:
            raise InputError(f"--jobs {self.jobs} is more than --devices takes with {self.per_device} on each, "
                             f"{fitting}; raise --per_device")


@dataclass(frozen=True)
class StudyOptions(PlanOptions):
    """What a study compares and measures."""

    grid: str = option("", "a prepared study, instead of the lists above: quick (minutes), methods_quick (every "
                           "method, small), methods (every method and backbone), methods_longer (a few, trained "
                           "for longer), classes (its data with one class per sample), baselines and branches (on "
                           "--datasets), knowledge (synthetic, or on --datasets), shift (MulT and PMR), dmd, strength, "
                           "benchmark (these three)",
                           ("", "quick", "methods_quick", "methods", "methods_longer", "classes", "baselines",
                            "branches", "knowledge", "shift", "dmd", "strength", "benchmark"))
    analyses: tuple[str, ...] = option(("missing", "contributions"), "what is measured besides scores: missing, "
                                                                     "contributions, audit, knowledge (of unbiased "
                                                                     "samples) or, with =, nothing")
    fills: tuple[str, ...] = option(FILLS, f"what stands in for missing modalities: {', '.join(FILLS)}; zero, as "
                                           "published, is always among them")
    oracle: bool = option(False, "also what the test labels would choose, epoch and strengths, which nobody can attain")
    tracker: str = option("", f"every run, and the figures of the study, are told to {', '.join(TRACKERS)}",
                          ("", *TRACKERS))
    tune: int = option(0, "settings of each method, from the ranges beside its options, that are tried with the first "
                          "seed and chosen by validation; 0 for its defaults", bounds=TRIALS)
    measure_batch_size: int | None = option(None, "samples per step of the measurements (default: as many as "
                                                  "fit easily)", bounds=BATCH)

    @property
    def sampled(self) -> bool:
        """Whether every run has to keep what it says of all samples."""
        return self.oracle or "knowledge" in self.analyses

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.grid == "knowledge" and "knowledge" not in self.analyses:
            object.__setattr__(self, "analyses", (*self.analyses, "knowledge"))
        allowed_words = {"analyses": ANALYSES, "fills": FILLS}
        for name, allowed in allowed_words.items():
            unknown = [value for value in getattr(self, name) if value not in allowed]
            if unknown:
                raise InputError(f"--{name} has {quoted(unknown[0])}; choose from {', '.join(allowed)}")


@dataclass(frozen=True)
class TuneOptions(PlanOptions):
    """How settings are searched for."""

    seeds: tuple[int, ...] = option((1111,), "the one seed that every trial has; scores are reported on others")
    report: Path = option(Path("report_tune"), "folder of trials.csv, the best settings as YAML, and figures")
    trials: int = option(20, "settings that every method may try, the plain backbone included; the first is its "
                             "default", bounds=replace(TRIALS, least=1))
    sampler: str = option("random", "random: the same draws whenever asked; optuna: those that look best after the "
                                    "earlier ones (TPE), shared by all processes that use --checkpoint_path",
                          ("random", "optuna"))
    prune: bool = option(False, "with --sampler optuna: end a trial whose validation score is below the median of the "
                                "trials before at the same epoch")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.prune and self.sampler != "optuna":
            raise InputError("--prune needs --sampler optuna, since random draws are trained side by side and are not "
                             "compared while they are; leave one of them out")
        for name in ("datasets", "conditions", "seeds"):
            if len(getattr(self, name)) > 1:
                raise InputError(f"--{name} takes one value here, since all trials of a search are compared, got "
                                 f"{quoted(','.join(map(str, getattr(self, name))))}")

    @property
    def study(self) -> StudyOptions:
        """The same runs as those of a study."""
        return StudyOptions(**{item.name: getattr(self, item.name) for item in fields(PlanOptions)})


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
