"""The published text branch: ALBERT (Lan et al., ICLR 2020) fed with projected word features."""

import contextlib
import hashlib
import logging
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from src.branches.base import Branch
from src.registry import BRANCHES
from src.structures import DROPOUT, LAYERS, WIDTH, InputError, check_bounds, option

FUSED = {"gelu_new": "gelu_pytorch_tanh"}  # the same function, in one operation in the place of eight
SHORT = 128  # frames up to which torch's fused attention is slower than plain products in bfloat16 on a CPU


@dataclass(frozen=True)
class AlbertOptions:
    """Where ALBERT's weights come from, and its form (that of albert-base-v2)."""

    text_init: str = option("pretrained", "start ALBERT from pretrained or random weights", ("pretrained", "random"))
    text_pretrained: str = option("albert-base-v2", "name on the Hugging Face hub, or folder, of ALBERT's weights")
    freeze_text: bool = option(False, "ALBERT and the projection before it keep their starting weights; on a CPU what "
                                      "they make of a sample is computed once")
    albert_layers: int = option(12, "ALBERT's layers", bounds=LAYERS)
    albert_hidden: int = option(768, "ALBERT's hidden width", bounds=WIDTH)
    albert_heads: int = option(12, "ALBERT's attention heads; must divide --albert_hidden", bounds=WIDTH)
    albert_intermediate: int = option(3072, "ALBERT's feed-forward width", bounds=WIDTH)
    albert_embedding: int = option(128, "width that the text features are projected to", bounds=WIDTH)
    albert_activation: str = option("gelu_new", "activation of ALBERT's feed-forward layers",
                                    ("gelu_new", "gelu", "relu", "silu"))
    albert_dropout: float = option(0.0, "dropout of ALBERT's hidden states", bounds=DROPOUT)
    albert_attention_dropout: float = option(0.0, "dropout of ALBERT's attention", bounds=DROPOUT)

    def __post_init__(self) -> None:
        check_bounds(self)
        if self.albert_hidden % self.albert_heads:
            raise InputError(f"--albert_heads {self.albert_heads} does not divide "
                             f"--albert_hidden {self.albert_hidden}; choose a divisor")


@BRANCHES.register("albert")
class AlbertBranch(Branch):
    """Linear D -> 128, ALBERT through its input embeddings without a mask, mean over time, linear output.

    The sizes are built from the options, so that a checkpoint loads without any download; `pretrained` False skips
    reading the starting weights. Raises InputError where the weights cannot be had or have other sizes, and where a
    sequence is longer than ALBERT's 512 positions.
    """

    Options = AlbertOptions
    large = True

    @staticmethod
    def rate(options: Any) -> float | None:
        """The published one of pretrained weights, which move slowly; random ones learn like any other."""
        return 1e-6 if options.text_init == "pretrained" else None

    def __init__(self, width: int, length: int, outputs: int, options: AlbertOptions, pretrained: bool) -> None:
        super().__init__()
        from transformers import AlbertConfig, AlbertModel

        config = AlbertConfig(
            num_hidden_layers=options.albert_layers, hidden_size=options.albert_hidden,
            num_attention_heads=options.albert_heads, intermediate_size=options.albert_intermediate,
            embedding_size=options.albert_embedding,
            hidden_act=FUSED.get(options.albert_activation, options.albert_activation),
            hidden_dropout_prob=options.albert_dropout, attention_probs_dropout_prob=options.albert_attention_dropout)
        if length > config.max_position_embeddings:
            raise InputError(f"text has {length} frames, more than the {config.max_position_embeddings} positions of "
                             "ALBERT; shorten the sequences or take --text_branch light")
        self.embed = nn.Linear(width, options.albert_embedding)
        self.albert = AlbertModel(config)
        if pretrained and options.text_init == "pretrained":
            self.albert.load_state_dict(_pretrained_weights(options))
        for unused in (self.albert.pooler, self.albert.embeddings.word_embeddings):
            unused.requires_grad_(False)  # features take the place of words, the mean over time that of the pooler
        self.output = nn.Linear(options.albert_hidden, outputs)
        self.frozen = options.freeze_text
        self.known: dict[bytes, Tensor] = {}  # content of a sample -> (H,), what a frozen encoder makes of it
        if self.frozen:
            for part in (self.embed, self.albert):
                part.requires_grad_(False)
            self.register_load_state_dict_post_hook(lambda branch, keys: branch.known.clear())

    def train(self, mode: bool = True) -> "AlbertBranch":
        """Set dropout on or off; a frozen encoder has none."""
        super().train(mode)
        if self.frozen:
            self.albert.eval()
        return self

    def forward(self, sequence: Tensor) -> Tensor:
        """(B, T, D) -> (B, C)."""
        return self.output(self._frozen(sequence) if self.frozen else self._encoded(sequence))

    def _encoded(self, sequence: Tensor) -> Tensor:
        """The mean state over time. (B, T, D) -> (B, H).

        ALBERT's own parts are called, since ALBERT as a whole makes a mask that hides nothing wherever a CUDA graph is
        captured, and attention with a mask takes other kernels, with other last bits.
        """
        plain = (sequence.device.type == "cpu" and sequence.size(1) <= SHORT and torch.is_autocast_enabled("cpu")
                 and torch.is_grad_enabled())  # the backward pass is what takes long
        with sdpa_kernel(SDPBackend.MATH) if plain else contextlib.nullcontext():
            embedded = self.albert.embeddings(inputs_embeds=self.embed(sequence))
            return self.albert.encoder(embedded).last_hidden_state.mean(dim=1)

    @torch.no_grad()
    def _frozen(self, sequence: Tensor) -> Tensor:
        """The mean state, on a CPU from memory where the sample was seen before.

        One sample at a time is computed, since in another company its last bits could be others, also after --resume.
        A GPU computes it faster than it could ask for the content. (B, T, D) -> (B, H).
        """
        if sequence.device.type != "cpu" or self.embed.weight.is_meta or torch.compiler.is_exporting():
            return self._encoded(sequence)
        keys = [hashlib.blake2b(sample.contiguous().numpy(), digest_size=16).digest() for sample in sequence]
        for key, sample in zip(keys, sequence, strict=True):
            if key not in self.known:
                # A copy begins where any does; the last bits may depend on where a sample lies in its batch.
                self.known[key] = self._encoded(sample.unsqueeze(0).clone()).squeeze(0)
        return torch.stack([self.known[key] for key in keys])


def _pretrained_weights(options: AlbertOptions) -> dict[str, Tensor]:
    """ALBERT's weights from a hub name or a folder, checked against the sizes that were asked for."""
    from transformers import AlbertModel

    source = options.text_pretrained
    logging.getLogger("huggingface_hub").setLevel(logging.CRITICAL)  # its retries are told in our one sentence
    try:
        model = AlbertModel.from_pretrained(source)
    except Exception as error:  # the hub client raises many kinds: offline, unknown name, broken files
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise InputError(
            f"the ALBERT weights {source!r} could not be loaded ({reason}); on a machine without network give a folder "
            "that holds them with --text_pretrained PATH, or start without them with --text_init random") from error
    flags = {"albert_layers": "num_hidden_layers", "albert_hidden": "hidden_size",
             "albert_heads": "num_attention_heads", "albert_intermediate": "intermediate_size",
             "albert_embedding": "embedding_size", "albert_activation": "hidden_act",
             "albert_dropout": "hidden_dropout_prob", "albert_attention_dropout": "attention_probs_dropout_prob"}
    plain = {fused: name for name, fused in FUSED.items()}  # as the flag calls it
    found = {flag: getattr(model.config, key) for flag, key in flags.items()}
    found["albert_activation"] = plain.get(found["albert_activation"], found["albert_activation"])
    wrong = [f"--{flag} {value}" for flag, value in found.items() if value != getattr(options, flag)]
    if wrong:
        raise InputError(f"the ALBERT weights {source!r} are of another form than asked for; pass {' '.join(wrong)}")
    return model.state_dict()
