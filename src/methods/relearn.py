"""Diagnosing and re-learning for balanced multimodal learning (Wei, Li, Feng, Hu, ECCV 2024).

Every few epochs the states of each modality, scaled to [-1, 1], are clustered (k-means, as many clusters as classes) on
train and on a held-out part. Purity is the share of samples in their cluster's majority class,
strength_x = tanh(lambda |purity_train - purity_heldout|), and what belongs to x is pulled back to its first weights:
theta <- strength_x theta_0 + (1 - strength_x) theta. The rule is per modality, so three need nothing new.

- Held out is the validation split; no gradient of it is used. Several labels of a sample count as one class.
- Only parameters are pulled, no statistics of a batch normalisation, and the optimizer's moments stay, too.
- The first weights are part of every checkpoint, which grows by the size of what belongs to single modalities: from the
  seed they could be had again only without `--init` and with the same version of torch.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from src.datasets.base import Split
from src.losses import Terms, plain_loss
from src.methods.base import Look, Method, MethodOptions, Parts
from src.registry import METHODS
from src.structures import WEIGHT, BackboneOutput, Batch, Bounds, DataInfo, option
from src.tasks import Task


@dataclass(frozen=True)
class RelearnOptions(MethodOptions):
    """Settings of diagnosing and re-learning."""

    relearn_lambda: float = option(3.0, "how strongly a difference of purities pulls back", bounds=WEIGHT,
                                   search=(1.0, 3.0, 10.0))
    relearn_every: int = option(20, "epochs between two diagnoses", search=(5, 10, 20),
                                bounds=Bounds(1, 10**6, "no run has more epochs"))
    relearn_times: int = option(3, "diagnoses at most", bounds=Bounds(0, 10**6, "no run has more epochs"))


@dataclass
class StatesOutput:
    """The backbone's answer with the states of the modalities."""

    logits: Tensor  # (B, C) z_m, the prediction
    backbone: BackboneOutput

    def per_sample(self) -> dict[str, Tensor]:
        """What an evaluation keeps of every sample; here also the states (B, H_x)."""
        return self.backbone.per_sample() | {f"state_{name}": x for name, x in self.backbone.states.items()}


def purity(clusters: Tensor, classes: Tensor) -> Tensor:
    """Share of samples that belong to the majority class of their cluster. (N,) x 2, numbers from 0 -> scalar."""
    size = int(classes.max()) + 1
    counts = torch.bincount(clusters * size + classes, minlength=(int(clusters.max()) + 1) * size).view(-1, size)
    return counts.amax(1).sum().double() / len(classes)


def relearning_strength(train: Tensor, held_out: Tensor, scale: float) -> Tensor:
    """tanh(lambda |difference of purities|). Scalars -> scalar."""
    return torch.tanh(scale * (train - held_out).abs())


def pulled(weight: Tensor, first: Tensor, strength: Tensor) -> Tensor:
    """strength theta_0 + (1 - strength) theta. Shapes stay."""
    return weight.lerp(first, strength.item())


def cluster(states: Tensor, count: int) -> Tensor:
    """Number of every sample's cluster, features scaled to [-1, 1]. (N, H) -> (N,)."""
    from sklearn.cluster import KMeans  # only here: every command would wait for it

    least, most = states.amin(0), states.amax(0)
    scaled = 2 * (states - least) / (most - least).clamp(min=1e-12) - 1
    found = KMeans(min(count, len(states)), n_init=10, random_state=0).fit_predict(scaled.double().cpu().numpy())
    return torch.from_numpy(found).long()


def sample_classes(labels: Tensor, task: Task) -> Tensor:
    """One class per sample, numbered from 0; several targets of a sample are one class. (N, ...) -> (N,)."""
    return task.targets(labels).reshape(len(labels), -1).unique(dim=0, return_inverse=True)[1].cpu()


@METHODS.register("relearn")
class Relearn(Method):
    """The plain loss; between epochs the modalities that learn by heart are pulled back to their first weights."""

    Options = RelearnOptions
    needs_classes = True
    needs_split = True
    options: RelearnOptions

    def __init__(self, info: DataInfo, options: RelearnOptions, parts: Parts) -> None:
        super().__init__()
        self.options, self.backbone = options, parts.backbone
        self.modalities = tuple(parts.backbone.state_widths)
        self.first = nn.Module()
        for name, weight in self._weights():
            self.first.register_buffer(name, weight.detach().clone())

    @classmethod
    def remarks(cls, task: Task, options: RelearnOptions, epochs: int) -> list[str]:
        """A run that is over before the first diagnosis is plain training."""
        return [f"relearn diagnoses first after epoch {options.relearn_every}, so that {epochs} epochs are plain "
                "training; give a lower --relearn_every"] * (epochs <= options.relearn_every)

    def _weights(self, modality: str = "") -> list[tuple[str, nn.Parameter]]:
        """What belongs to a modality, or to any, by the names of the buffers of its first values."""
        return [(f"{name}_{number}", weight) for name, weights in self.backbone.modality_parameters().items()
                if modality in ("", name) for number, weight in enumerate(weights)]

    def forward(self, batch: Batch) -> StatesOutput:
        """The backbone's answer."""
        backbone = self.backbone(batch)
        return StatesOutput(backbone.logits, backbone)

    def loss(self, output: StatesOutput, batch: Batch, task: Task) -> Terms:
        """The task loss and the backbone's auxiliary loss."""
        return plain_loss(output.backbone, task.targets(batch.known_labels), task.loss,
                          self.auxiliary_loss(output.backbone, batch.known_labels, task))

    def prepare(self, train: Split, task: Task) -> None:
        """The first weights are those that training begins with, also where a file gives them (`--init`)."""
        for name, weight in self._weights():
            getattr(self.first, name).copy_(weight.detach())

    @torch.no_grad()
    def before_epoch(self, number: int, look: Callable[[str], Look], task: Task) -> None:
        """Diagnose and pull back, where it is time to."""
        diagnoses, rest = divmod(number - 1, self.options.relearn_every)
        if rest or not 1 <= diagnoses <= self.options.relearn_times:
            return
        seen = {split: look(split) for split in ("train", "valid")}
        classes = {split: sample_classes(one.labels, task) for split, one in seen.items()}
        count = int(classes["train"].max()) + 1
        for modality in self.modalities:
            purities = [purity(cluster(one.values[f"state_{modality}"], count), classes[split])
                        for split, one in seen.items()]
            strength = relearning_strength(purities[0], purities[1], self.options.relearn_lambda)
            for name, weight in self._weights(modality):
                weight.copy_(pulled(weight, getattr(self.first, name), strength))
