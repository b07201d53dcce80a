"""A dataset whose causes are known: the emotion needs all three modalities, a shortcut offers an easy way.

Each sample has three hidden digits in 0..3, one per modality, and its emotion is their sum modulo 4: no modality and no
pair of modalities tells anything about it. A shortcut of strength s shows the emotion itself in one modality in a share
s of the samples of train, valid and test (and a random one otherwise); in `test_shifted` and `valid_shifted` it is
always random, and in `test_reversed` it shows a wrong emotion wherever it would have shown the right one.
`valid_shifted` is there for methods that are granted unbiased validation samples, and read by nothing else.
"""

import hashlib
from dataclasses import asdict, dataclass

import numpy as np

from src.datasets.base import LIGHT, DatasetSpec
from src.registry import DATASETS
from src.structures import EMOTIONS, MODALITIES, RATE, SEED, Bounds, InputError, check_bounds, option, quoted

CLASSES = 4
SHIFTS = ("test_shifted", "test_reversed")  # test splits in which the shortcut is broken, and misleads
VALID_SHIFTED = "valid_shifted"  # a validation split in which it is broken
SHAPES = {  # sizes of train, valid, test; frames and features of text, audio, vision; class frequencies
    "small": ((3000, 500, 1000), (4, 4, 4), (8, 8, 8), (1, 1, 1, 1)),
    "iemocap": ((2717, 798, 938), (20, 20, 20), (300, 74, 35), (954, 338, 690, 735)),
}
LARGEST = 500_000_000  # numbers in a file; they are made in memory, 8 bytes each
SAMPLES = Bounds(1, 10**7, "the whole file is made in memory")
FRAMES = Bounds(1, 10**5, "attention over more takes the square of their number")
FEATURES = Bounds(1, 10**5, "no features of this field are as wide")


@dataclass(frozen=True)
class SyntheticOptions:
    """Everything that decides the content of a synthetic file."""

    synthetic_shape: str = option("small", "sizes and class frequencies to start from", tuple(SHAPES))
    synthetic_sizes: tuple[int, ...] = option((), "samples of train, valid and test (default: those of the shape)",
                                               bounds=SAMPLES)
    synthetic_lengths: tuple[int, ...] = option((), "frames of text, audio and vision (default: those of the shape)",
                                               bounds=FRAMES)
    synthetic_widths: tuple[int, ...] = option((), "features of text, audio and vision (default: those of the shape)",
                                               bounds=FEATURES)
    shortcut_t: float = option(0.8, "share of samples whose text shows the emotion directly")
    shortcut_a: float = option(0.0, "share of samples whose audio shows the emotion directly")
    shortcut_v: float = option(0.0, "share of samples whose vision shows the emotion directly")
    synthetic_noise: float = option(0.15, "standard deviation of the noise on every feature",
                                    bounds=RATE)
    synthetic_seed: int = option(0, "seed of the generator", bounds=SEED)

    def __post_init__(self) -> None:
        for name in ("synthetic_sizes", "synthetic_lengths", "synthetic_widths"):
            values = getattr(self, name)
            if values and (len(values) != 3 or min(values) < 1):
                raise InputError(f"--{name} needs three numbers of at least 1, such as 20,74,35, got "
                                 f"{', '.join(map(quoted, values[:4]))}{', ...' * (len(values) > 4)}")
        for name in ("shortcut_t", "shortcut_a", "shortcut_v"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"--{name} is a share in [0, 1], got {getattr(self, name)}")
        check_bounds(self)
        sizes, lengths, widths, _ = self.shape
        samples = sum(sizes) + len(SHIFTS) * sizes[2] + sizes[1]
        numbers = samples * sum(length * width for length, width in zip(lengths, widths, strict=True))
        if numbers > LARGEST:
            raise InputError(f"the synthetic file would hold {numbers:,} numbers, more than {LARGEST:,} (4 GB); lower "
                             "--synthetic_sizes, --synthetic_lengths or --synthetic_widths")

    @property
    def shape(self) -> tuple[tuple[int, ...], ...]:
        """Sizes, lengths, widths and class frequencies, with the given ones in the place of the shape's."""
        given = (self.synthetic_sizes, self.synthetic_lengths, self.synthetic_widths, ())
        return tuple(own or default for own, default in zip(given, SHAPES[self.synthetic_shape], strict=True))


def synthetic_stem(options: SyntheticOptions) -> str:
    """File name that changes with every option, so that no file is ever read under other options."""
    digest = hashlib.sha256(repr([SHIFTS, VALID_SHIFTED, *sorted(asdict(options).items())]).encode()).hexdigest()
    return f"synthetic_{options.synthetic_shape}_{digest[:10]}"


def generate(options: SyntheticOptions) -> dict[str, dict[str, np.ndarray]]:
    """The content of a synthetic file, in MulT's layout."""
    sizes, lengths, _, frequencies = options.shape
    random = np.random.default_rng(options.synthetic_seed)
    directions = patterns(options, random)
    # valid_shifted comes last, so that the other splits are what they were before there was one.
    plan = dict(zip(("train", "valid", "test", *SHIFTS, VALID_SHIFTED), (*sizes, *sizes[2:] * len(SHIFTS), sizes[1]),
                    strict=True))
    strengths = (options.shortcut_t, options.shortcut_a, options.shortcut_v)
    content = {}
    for split, count in plan.items():
        share = np.asarray(frequencies) / sum(frequencies)
        emotions = random.choice(CLASSES, count, p=share)
        digits = random.integers(CLASSES, size=(3, count))
        digits[2] = (emotions - digits[0] - digits[1]) % CLASSES
        labels = np.stack([np.arange(CLASSES) != emotions[:, None], np.arange(CLASSES) == emotions[:, None]], axis=-1)
        content[split] = {"labels": labels.astype(np.float64)}
        for i, modality in enumerate(MODALITIES):
            shown = random.random(count) < (0 if split.endswith("_shifted") else strengths[i])
            shortcut = np.where(shown, emotions, random.integers(CLASSES, size=count)) if strengths[i] else None
            if split == "test_reversed" and shortcut is not None:
                wrong = (emotions + random.integers(1, CLASSES, size=count)) % CLASSES
                shortcut = np.where(shown, wrong, shortcut)
            content[split][modality] = _features(random, digits[i], shortcut, directions[i], lengths[i], options)
    return content


def patterns(options: SyntheticOptions, random: np.random.Generator) -> list[np.ndarray]:
    """Directions of length 1 for the four digits and the four shortcut values of every modality. -> (8, D) each.

    They are the first that a generator with the seed of the options draws.
    """
    found = []
    for width in options.shape[2]:
        directions = random.standard_normal((2 * CLASSES, width))
        if width >= 2 * CLASSES:
            directions = np.linalg.qr(directions.T)[0].T  # orthogonal where there is room
        found.append(directions / np.linalg.norm(directions, axis=1, keepdims=True))
    return found


def _features(random: np.random.Generator, digits: np.ndarray, shortcut: np.ndarray | None, patterns: np.ndarray,
              length: int, options: SyntheticOptions) -> np.ndarray:
    """Frames that show the digit, and the shortcut, over noise; zeros in front up to half of the time. -> (N, T, D)."""
    frames = options.synthetic_noise * random.standard_normal((len(digits), length, patterns.shape[1]))
    frames += patterns[digits][:, None]
    if shortcut is not None:
        frames += patterns[CLASSES + shortcut][:, None]
    padding = random.integers(length // 2 + 1, size=len(digits))
    frames[np.arange(length) < padding[:, None]] = 0.0
    return frames


SPEC = DATASETS.register("synthetic")(DatasetSpec(
    name="synthetic",
    task="emotion4",
    class_names={"classes:4": EMOTIONS},
    source="it is generated there by main.py",
    # The benchmark asks what a fixed budget of epochs learns, so learning rates never fall ("when" is out of reach).
    preset={"aligned": True, "batch_size": 64, "num_epochs": 8, "when": 100, **LIGHT,
            # The published mask fusion does not debias here, the additive one does: see the README's first table.
            "fusion_mode": "tanh",
            "m_lr": 2e-3, "t_lr": 2e-3, "a_lr": 2e-3, "v_lr": 2e-3, "c_t_lr": 2e-3, "c_a_lr": 2e-3, "c_v_lr": 2e-3},
    Options=SyntheticOptions,
    generate=generate,
    stem=synthetic_stem,
))
