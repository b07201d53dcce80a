"""A self-attention encoder as a branch: what MulT's own encoders can hold, a branch of this kind can."""

from dataclasses import dataclass

from torch import Tensor, nn

from modules.transformer import Dropouts, TransformerEncoder
from src.branches.base import Branch
from src.registry import BRANCHES
from src.structures import DIM, DROPOUT, LAYERS, WIDTH, InputError, check_bounds, option


@dataclass(frozen=True)
class AttentionOptions:
    """Size of the self-attention branches."""

    attention_width: int = option(40, "width of a self-attention branch", bounds=DIM, search=(20, 40, 80))
    attention_layers: int = option(3, "layers of a self-attention branch", bounds=LAYERS, search=(1, 3, 5))
    attention_heads: int = option(4, "heads of a self-attention branch; must divide --attention_width", bounds=WIDTH)
    attention_dropout: float = option(0.0, "dropout of a self-attention branch", bounds=DROPOUT, search=(0.0, 0.1, 0.3))

    def __post_init__(self) -> None:
        check_bounds(self)
        if self.attention_width % self.attention_heads:
            raise InputError(f"--attention_heads {self.attention_heads} does not divide "
                             f"--attention_width {self.attention_width}; choose a divisor")


@BRANCHES.register("attention")
class AttentionBranch(Branch):
    """A linear projection, MulT's encoder over the modality itself, the mean over time, a linear output."""

    Options = AttentionOptions

    def __init__(self, width: int, length: int, outputs: int, options: AttentionOptions, pretrained: bool) -> None:
        super().__init__()
        dropout = options.attention_dropout
        self.project = nn.Linear(width, options.attention_width)
        self.encoder = TransformerEncoder(options.attention_width, options.attention_heads, options.attention_layers,
                                          Dropouts(dropout, dropout, dropout, dropout), mask_future=False)
        self.output = nn.Linear(options.attention_width, outputs)

    def forward(self, sequence: Tensor) -> Tensor:
        """(B, T, D) -> (B, C)."""
        return self.output(self.encoder(self.project(sequence)).mean(dim=1))
