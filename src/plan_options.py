"""The options of commands that train many runs: a study, and a search for settings."""

from dataclasses import dataclass, fields, replace
from pathlib import Path

from src.datasets.absence import FILLS
from src.methods import BASELINE
from src.options import BATCH
from src.registry import METHODS
from src.selection import RULES, checkpoint
from src.structures import Bounds, InputError, option, quoted
from src.tracking import TRACKERS

TRIALS = Bounds(0, 1000, "each is a run")
JOBS = 256
ANALYSES = ("missing", "contributions", "audit", "knowledge")
EXECUTORS = ("local", "ray", "slurm")


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
        for name in ("datasets", "conditions", "backbones", "methods", "fusions", "seeds"):
            values = getattr(self, name)
            if not values and name not in ("fusions", "seeds") or len(set(values)) < len(values):
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
