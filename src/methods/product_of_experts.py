"""Product of experts (Clark, Yatskar, Zettlemoyer, EMNLP 2019; Karimi Mahabadi et al., ACL 2020).

In training the backbone's opinion is multiplied with that of the branches, so that it need not say what one modality
says alone; at test time it stands by itself.
"""

from dataclasses import dataclass

from torch import Tensor, nn

from src.losses import Terms
from src.methods.base import BranchOptions, Method, Parts, Predictor
from src.registry import METHODS
from src.structures import BackboneOutput, Batch, Bounds, DataInfo, option
from src.tasks import Task


@dataclass(frozen=True)
class ProductOptions(BranchOptions):
    """Settings of the product of experts."""

    strength: float = option(1.0, "how much of the branches' opinion is multiplied in; 0 trains the backbone plainly",
                             bounds=Bounds(0, 100, "the branches' opinion is log-probabilities, 1 is the product"))


@dataclass
class ProductOutput:
    """The backbone's answer beside the branches'."""

    logits: Tensor  # (B, C) z_m, the prediction
    product: Tensor  # (B, C) z_m + strength (z_t + z_a + z_v); gradients reach z_m only
    branch_logits: dict[str, Tensor]  # modality -> (B, C)
    backbone: BackboneOutput

    def per_sample(self) -> dict[str, Tensor]:
        """What an evaluation keeps of every sample. -> name -> (B, C), and the joint state (B, H)."""
        return self.backbone.per_sample() | {"product": self.product}


@METHODS.register("product_of_experts")
class ProductOfExperts(Method):
    """L(z_m + strength sum_x sg[z_x]) + sum_x L(z_x); normalising the experts first would change nothing."""

    Options = ProductOptions
    predictors = {"prediction": Predictor("logits", "z_m (the prediction)"),
                  "product": Predictor("product", "product of all experts")}

    def __init__(self, info: DataInfo, options: ProductOptions, parts: Parts) -> None:
        super().__init__()
        self.options, self.backbone, self.branches = options, parts.backbone, nn.ModuleDict(parts.branches)

    def forward(self, batch: Batch) -> ProductOutput:
        """Predict by the backbone alone."""
        backbone, branches = self.backbone(batch), self.branch_logits(batch)
        opinion = sum(logits.detach() for logits in branches.values())
        return ProductOutput(backbone.logits, backbone.logits + self.options.strength * opinion, branches, backbone)

    def loss(self, output: ProductOutput, batch: Batch, task: Task) -> Terms:
        """The loss of the product trains the backbone, a loss of its own each branch."""
        targets = task.targets(batch.labels)
        branches = sum(task.loss(logits, targets) for logits in output.branch_logits.values())
        product = task.loss(output.product, targets)
        auxiliary = self.auxiliary_loss(output.backbone, batch.labels, task)
        return {"loss": product + branches + auxiliary, "product": product.detach(), "branches": branches.detach()}

    @classmethod
    def remarks(cls, task: Task) -> list[str]:
        """A score has no product of opinions."""
        return ["with one output the branches' scores are added to the backbone's, which is no product of opinions; "
                "prefer --mosei_task cls"] if task.outputs == 1 else []
