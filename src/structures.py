"""What travels between the parts.

Letters in all shapes: N samples, B batch, T time, D feature width, C logits, H hidden width.
"""

import dataclasses
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

MODALITIES = ("text", "audio", "vision")
LETTER = {name[0]: name for name in MODALITIES}
EMOTIONS = ("neutral", "happy", "sad", "angry")  # order in IEMOCAP's labels


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


@dataclass
class Batch:
    """Some samples of a split."""

    inputs: dict[str, Tensor]  # modality -> (B, T, D)
    labels: Tensor | None  # as in the file, (B, ...); None where the file has none

    def true_frames(self, modality: str) -> Tensor:
        """True after the leading zero frames; a sequence of zeros only (a removed modality) counts as all true.

        -> boolean (B, T).
        """
        seen = (self.inputs[modality] != 0).any(-1).cummax(1).values
        return seen | ~seen[:, -1:]


@dataclass
class BackboneOutput:
    """What every backbone returns."""

    logits: Tensor  # (B, C)
    hidden: Tensor  # (B, H) last joint state
    aux: dict[str, Tensor] = field(default_factory=dict)  # for the backbone's own auxiliary loss

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

    def per_sample(self) -> dict[str, Tensor]:
        """What an evaluation keeps of every sample. -> name -> (B, C), and the joint state (B, H)."""
        direct = {f"direct_{name}": effect for name, effect in self.effects.direct.items()}
        return self.backbone.per_sample() | {
            "logits": self.logits, "fused": self.effects.fused, "total": self.effects.total, **direct}


def option(default: Any, help: str, choices: tuple[str, ...] | None = None, names: tuple[str, ...] = ()) -> Any:
    """A dataclass field that becomes one command-line flag; `names` are further spellings of the flag."""
    return dataclasses.field(default=default, metadata={"help": help, "choices": choices, "names": names})
