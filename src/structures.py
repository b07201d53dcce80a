"""What travels between the parts.

Letters in all shapes: N samples, B batch, T time, D feature width, C logits, H hidden width.
"""

import dataclasses
import functools
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

MODALITIES = ("text", "audio", "vision")
LETTER = {name[0]: name for name in MODALITIES}
EMOTIONS = ("neutral", "happy", "sad", "angry")  # order in IEMOCAP's labels
SIMS_BORDERS = (-0.7, -0.1, 0.1, 0.7)  # of the five classes of CH-SIMS in MMSA's metrics, each the last of its class
SIMS_CLASSES = ("negative", "weakly negative", "neutral", "weakly positive", "positive")


LONGEST = 1000  # characters of a message; a terminal shows no more of it at once


def printable(text: str, keep: str = "") -> str:
    """Text whose control, bidirectional and unencodable characters are written as escapes; those in `keep` stay."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in keep else c.encode("unicode_escape").decode() for c in text)


def quoted(value: Any, limit: int = 60) -> str:
    """What a message shows of a value that a file or a user gave: never long, never nested, never its own repr.

    Text and bytes appear in quotes with their middle left out, numbers as they are, anything else by its kind.
    """
    if isinstance(value, bytes):
        value = value[:2 * limit].decode("latin1")
    if isinstance(value, str):
        half = limit // 2
        return repr(value if len(value) <= limit else f"{value[:half]}...{value[-half:]}")
    if value is None or isinstance(value, (bool, float)) or isinstance(value, int) and value.bit_length() < 128:
        return repr(value)
    return f"a number of {value.bit_length()} bits" if isinstance(value, int) else f"a {type(value).__name__}"


def reason(error: BaseException) -> str:
    """What the system or a library says of an error, as one line that is not long."""
    return " ".join((getattr(error, "strerror", None) or str(error)).split())[:300]


class InputError(Exception):
    """Something the user gave cannot be used; the message says what came, what is allowed and what to do.

    Whatever text of others it quotes, the message is one line of printable characters, at most LONGEST of them.
    """

    def __init__(self, message: str) -> None:
        text = printable(message)
        half = (LONGEST - 5) // 2
        super().__init__(text if len(text) <= LONGEST else f"{text[:half]} ... {text[-half:]}")


class UsageError(InputError):
    """The command line or the YAML file asks for something that does not exist."""


@dataclass(frozen=True)
class DataInfo:
    """What is known about a data file: measured on it, never derived from its name."""

    dataset: str
    task: str  # name of the task, see src/tasks.py
    outputs: int  # C
    widths: dict[str, int]  # modality -> D
    lengths: dict[str, int]  # modality -> T
    sha256: str = ""  # of the file; empty where a model came without data
    class_names: tuple[str, ...] = field(default=(), compare=False)  # words only; empty: the task's own


def added(tensors: Iterable[Tensor]) -> Tensor:
    """The sum of one tensor or more, of one shape, from the first on."""
    return functools.reduce(torch.add, tensors)


class Labelled:
    """Samples that may have labels."""

    labels: Tensor | None

    @property
    def known_labels(self) -> Tensor:
        """Their labels; ValueError where they have none."""
        if self.labels is None:
            raise ValueError("these samples have no labels")
        return self.labels


@dataclass
class Batch(Labelled):
    """Some samples of a split."""

    inputs: dict[str, Tensor]  # modality -> (B, T, D)
    labels: Tensor | None  # as in the file, (B, ...); None where the file has none

    def unpadded_frames(self, modality: str) -> Tensor:
        """True after the leading zero frames; a sequence of zeros only (a removed modality) counts as all true.

        -> boolean (B, T).
        """
        seen = begun(self.inputs[modality])
        return seen | ~seen[:, -1:]


def begun(sequence: Tensor) -> Tensor:
    """True from the first frame on that is not all zeros, where padding has ended. (N, T, D) -> boolean (N, T)."""
    return (sequence != 0).any(-1).cumsum(1) > 0


@dataclass
class BackboneOutput:
    """What every backbone returns."""

    logits: Tensor  # (B, C)
    hidden: Tensor  # (B, H) last joint state
    aux: dict[str, Tensor] = field(default_factory=dict)  # for the backbone's own auxiliary loss
    states: dict[str, Tensor] = field(default_factory=dict)  # modality -> (B, H_x), where a backbone tells them apart

    def per_sample(self) -> dict[str, Tensor]:
        """What an evaluation keeps of every sample. -> name -> (B, C), and the joint state (B, H)."""
        return {"logits": self.logits, "backbone": self.logits, "hidden": self.hidden}


@dataclass
class Effects:
    """Effects of the inputs on the fused logits (method section of the paper, TE and NDE)."""

    fused: Tensor  # (B, C) F, the factual world
    total: Tensor  # (B, C) TE = F - F_0
    direct: dict[str, Tensor]  # modality -> (B, C) NDE_x = F_x - F_0


@dataclass
class CausalOutput:
    """What CausalMER returns; its prediction is the total indirect effect."""

    logits: Tensor  # (B, C) TIE = TE - sum_x w_x NDE_x
    effects: Effects  # gradients reach the networks only
    alignment: Effects  # the same values; gradients reach the constants only
    branch_logits: dict[str, Tensor]  # modality -> (B, C)
    backbone: BackboneOutput
    prior: Tensor | None = None  # (B, C) what z_m stands in the place of, where the fusion knows it

    def per_sample(self) -> dict[str, Tensor]:
        """What an evaluation keeps of every sample. -> name -> (B, C), and the joint state (B, H)."""
        direct = {f"direct_{name}": effect for name, effect in self.effects.direct.items()}
        known = {} if self.prior is None else {"prior": self.prior}
        return self.backbone.per_sample() | {
            "logits": self.logits, "fused": self.effects.fused, "total": self.effects.total, **direct,
            **self.branch_logits, **known}


@dataclass(frozen=True)
class Bounds:
    """What a number may be, and why not more."""

    least: float
    most: float
    why: str
    above: bool = False  # `least` itself is too little
    below: bool = False  # `most` itself is too much
    odd: bool = False

    def check(self, name: str, value: float) -> None:
        """Raise InputError where a value is out of the bounds."""
        if self.below and not self.least <= value < self.most:
            raise InputError(f"--{name} must lie in [{self.least}, {self.most}), got {quoted(value)}: {self.why}")
        if value < self.least or self.above and value == self.least:
            raise InputError(f"--{name} must be {'above' if self.above else 'at least'} {self.least}, got "
                             f"{quoted(value)}")
        if value > self.most:
            raise InputError(f"--{name} must be at most {self.most:,}, got {quoted(value)}: {self.why}")
        if self.odd and value % 2 == 0:
            raise InputError(f"--{name} must be odd, so that a window has a middle frame, got {quoted(value)}")


HELD = "32-bit floats and the steps of an optimizer hold no more"
DIM = Bounds(4, 4096, "beyond it a single layer takes hundreds of MB")  # 4: the least width that has positions
WIDTH = Bounds(1, 8192, "beyond it a single layer takes hundreds of MB")
LAYERS = Bounds(1, 100, "deeper encoders of this kind do not train, and their memory grows with every layer")
KERNEL = Bounds(1, 999, "longer than any sequence of these datasets", odd=True)
DROPOUT = Bounds(0, 1, "it is the share that is dropped", below=True)
LARGEST = 3e38  # a little less than that of float32
WEIGHT = Bounds(0, LARGEST, HELD)
RATE = Bounds(0, LARGEST, HELD, above=True)  # of learning, or of noise
SEED = Bounds(0, 2**63 - 1, "generators are seeded with 64 bits")
ANY = {float: Bounds(-LARGEST, LARGEST, HELD), int: Bounds(-2**63, 2**63 - 1, "numbers are counted in 64 bits")}


def check_bounds(options: Any) -> None:
    """Raise InputError for the first number of an options object that is out of its bounds."""
    for item in dataclasses.fields(options):
        value = getattr(options, item.name)
        for number in value if isinstance(value, tuple) else (value,):
            if isinstance(number, (int, float)) and not isinstance(number, bool):
                (item.metadata.get("bounds") or ANY[type(number)]).check(item.name, number)


PLACE = "place"


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high` that a search draws from, evenly or evenly over their logarithm."""

    low: float
    high: float
    log: bool = False
    relative: bool = False  # both ends are factors of what the run has by default, which data and parts decide

    def ends(self, usual: float) -> tuple[float, float]:
        """The least and the largest value for a run that has `usual` by default."""
        return (self.low * usual, self.high * usual) if self.relative else (self.low, self.high)

    def at(self, share: float, usual: float) -> float:
        """The value at a share of the way from one end to the other."""
        low, high = self.ends(usual)
        return low * (high / low)**share if self.log else low + share * (high - low)


RATES = Range(0.1, 10.0, log=True, relative=True)  # of learning; relative, since pretrained parts need far smaller ones
DROPOUTS = Range(0.0, 0.5)
DEPTHS = (1, 2, 3, 4, 5)

def option(default: Any, help: str, choices: tuple[str, ...] | None = None, names: tuple[str, ...] = (),
           bounds: Bounds | None = None, scope: str = "", search: tuple | Range = ()) -> Any:
    """A dataclass field that becomes one command-line flag; `names` are further spellings of the flag.

    `bounds` are those of a number, or of every number of a list; without them it is one that the machine can hold.
    `scope` PLACE marks what says where a run is kept or computed, but not what it is. `search` are the values among
    which a search for good settings chooses.
    """
    return dataclasses.field(default=default, metadata={"help": help, "choices": choices, "names": names,
                                                        "bounds": bounds, "scope": scope, "search": search})
