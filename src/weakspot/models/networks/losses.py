"""The loss of image-level labels: one class, several, mixed ones, or none."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchmetrics import Metric
from torchmetrics.classification import MulticlassAccuracy, MultilabelF1Score


class Criterion(nn.Module):
    """Cross entropy against shares of classes, or against the presence of each.

    The loss of a batch is a plain mean over its images, weights or not: so the mean over the parts of a batch that
    several processes hold is the loss of the whole.

    Args:
        multi_label: Each class is present or not, for itself: binary cross entropy, summed over the classes. Else
            one class, or shares of classes that sum to 1: cross entropy over softmax.
        weights: One factor for each class, shape (C,): of its share, or of its presence. None weighs all the same.

    Example:
        >>> logits, cat = torch.tensor([[2.0, 2.0]]), torch.tensor([[1.0, 0.0]])
        >>> round(float(Criterion()(logits, cat)), 4), round(float(Criterion(multi_label=True)(logits, cat)), 4)
        (0.6931, 2.2539)
    """

    weights: Tensor | None

    def __init__(self, *, multi_label: bool = False, weights: Tensor | None = None) -> None:
        super().__init__()
        self.multi_label = multi_label
        self.register_buffer("weights", weights, persistent=False)

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Give the loss of logits (B, C) for targets (B, C) in [0, 1], a scalar."""
        if self.multi_label:
            losses = F.binary_cross_entropy_with_logits(logits, targets, pos_weight=self.weights, reduction="none")
        else:
            losses = -targets * F.log_softmax(logits, dim=1) * (1 if self.weights is None else self.weights)
        return losses.sum(dim=1).mean()

    @property
    def score_name(self) -> str:
        """What validation counts: accuracy, or F1 where images have several labels."""
        return "val_f1" if self.multi_label else "val_accuracy"

    def score(self, classes: int) -> Metric:
        """Make what that is counted with."""
        return MultilabelF1Score(classes) if self.multi_label else MulticlassAccuracy(classes, average="micro")

    def count(self, score: Metric, logits: Tensor, targets: Tensor) -> None:
        """Add the predictions of a batch."""
        score.update(logits, targets.int() if self.multi_label else targets.argmax(dim=1))


def class_weights(targets: Tensor, *, multi_label: bool) -> Tensor:
    """Weigh rare classes up, so that each class counts as much as any other.

    Args:
        targets: Labels of the training images, shape (N, C), 0 or 1.
        multi_label: As for :class:`Criterion`.

    Returns:
        Shape (C,): ``N / (C n_c)`` for one class an image, whose mean over the images is 1; else what is absent over
        what is present, within [1, 10], as a class that is nearly never there would drown all others. A class without
        images has weight 1.

    Source:
        King and Zeng, "Logistic Regression in Rare Events Data", Political Analysis 9, 2001.

    Example:
        >>> class_weights(torch.tensor([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]), multi_label=False).tolist()
        [0.6666666865348816, 2.0]
    """
    present = targets.sum(dim=0)
    some = present.clamp(min=1)
    rare = ((len(targets) - present) / some).clamp(1, 10) if multi_label else len(targets) / (targets.shape[1] * some)
    return torch.where(present > 0, rare, torch.ones_like(rare))
