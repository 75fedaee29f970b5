"""Loss and validation metric for image-level labels: one class, several, mixed ones, or none."""

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

if TYPE_CHECKING:
    from torchmetrics import Metric


class Criterion(nn.Module):
    """Cross entropy with class probabilities, or binary cross entropy with the presence of each class.

    The loss of a batch is the plain mean over its images, with or without weights, so that the mean over the parts of a
    batch on several processes is the loss of the whole batch.

    Args:
        multi_label: Use binary cross entropy for each class, summed over the classes. Else cross entropy over a
            softmax; the targets of an image are one class or probabilities that sum to 1.
        weights: Weight of each class, shape (C,); None for equal weights.
    """

    weights: Tensor | None

    def __init__(self, *, multi_label: bool = False, weights: Tensor | None = None) -> None:
        super().__init__()
        self.multi_label = multi_label
        self.register_buffer("weights", weights, persistent=False)

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return the loss, a scalar, of logits (B, C) and targets (B, C) in [0, 1]."""
        if self.multi_label:
            losses = F.binary_cross_entropy_with_logits(logits, targets, pos_weight=self.weights, reduction="none")
        else:
            losses = -targets * F.log_softmax(logits, dim=1) * (1 if self.weights is None else self.weights)
        return losses.sum(dim=1).mean()

    @property
    def metric_name(self) -> str:
        """Name of the validation metric: accuracy, or F1 with several labels per image."""
        return "val_f1" if self.multi_label else "val_accuracy"

    def build_metric(self, classes: int) -> "Metric":
        """Build the validation metric."""
        from torchmetrics.classification import MulticlassAccuracy, MultilabelF1Score

        return MultilabelF1Score(classes) if self.multi_label else MulticlassAccuracy(classes, average="micro")

    def update_metric(self, metric: "Metric", logits: Tensor, targets: Tensor) -> None:
        """Add the predictions of a batch to the metric."""
        metric.update(logits, targets.int() if self.multi_label else targets.argmax(dim=1))


def class_weights(targets: Tensor, *, multi_label: bool) -> Tensor:
    """Compute weights by which rare classes count as much as any other.

    Args:
        targets: Labels of the training images, shape (N, C), 0 or 1.
        multi_label: As for :class:`Criterion`.

    Returns:
        Shape (C,): ``N / (C n_c)`` for one class per image, whose mean over the images is 1; else the ratio of absent
        to present, clamped to [1, 10] so that a very rare class does not dominate. A class without images has weight 1.

    Source:
        King and Zeng, "Logistic Regression in Rare Events Data", Political Analysis 9, 2001.
    """
    present = targets.sum(dim=0)
    counts = present.clamp(min=1)
    if multi_label:
        weights = ((len(targets) - present) / counts).clamp(1, 10)
    else:
        weights = len(targets) / (targets.shape[1] * counts)
    return torch.where(present > 0, weights, torch.ones_like(weights))
