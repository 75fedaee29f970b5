"""PSOL head: a class-agnostic box, regressed from feature maps."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.ops import box_iou, generalized_box_iou_loss

from weakspot.cams.self_correlation import resample
from weakspot.models.networks.losses import Criterion

if TYPE_CHECKING:
    from torchmetrics import Metric

WIDTH = 64
# Sharpness of the smooth maximum (logsumexp) over rows or columns.
_SHARPNESS = 4.0
# Minimum side of a box, as a fraction of the image's side.
_MIN_SIDE = 0.01


class PsolHead(nn.Module):
    """Project a predicted object mask onto both sides of the image, and return the box between its ends.

    Three convolutions predict for each position whether it belongs to the object; the smooth maximum of each column and
    of each row is its projection. x1 is the fraction of columns, from the left, before the object begins, each weighted
    by the probability that it has not begun; the other three sides likewise. So the head uses positions, which an
    average over all features would not, it can predict ends within a cell, and it has few weights, as pseudo boxes are
    few and noisy.

    Args:
        channels: Number of channels of its feature maps, the last one last. An intermediate map before the last one
            helps to locate the ends of objects.
        width: Number of hidden channels.

    Source:
        The approach, from pseudo boxes to a class-agnostic regressor: Zhang et al., "Rethinking the Route Towards
        Weakly Supervised Object Localization", CVPR 2020, arXiv 2002.11359, section 3, which has two fully connected
        layers after global average pooling. Supervision by projections: Tian et al., "BoxInst", CVPR 2021, section 3.1.
        The box of a projection is ours.
    """

    network = "psol"
    branches: tuple[str, ...] = ()
    pools_first = False
    max_maps = 2  # number of feature maps that it uses, if the backbone returns that many

    def __init__(self, channels: Sequence[int], *, width: int = WIDTH) -> None:
        super().__init__()
        self.depth = len(channels)
        self.layers = nn.Sequential(
            nn.BatchNorm2d(sum(channels), affine=False),
            nn.Conv2d(sum(channels), width, 1),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(width, 1, 1),
        )

    def projections(self, *maps: Tensor) -> tuple[Tensor, Tensor]:
        """Return the logits of columns (B, w) and rows (B, h) of feature maps, the last one of shape (B, K, h, w)."""
        grid = (maps[-1].shape[-2], maps[-1].shape[-1])
        features = torch.cat([resample(features, grid) for features in maps], dim=1)
        sharp = _SHARPNESS * self.layers(features)[:, 0]
        return sharp.logsumexp(dim=1) / _SHARPNESS, sharp.logsumexp(dim=2) / _SHARPNESS

    def forward(self, *maps: Tensor) -> Tensor:
        """Return boxes (B, 4), xyxy in fractions of the image's sides, of feature maps (B, K, h, w)."""
        return box_from_projections(*self.projections(*maps))

    def loss(self, maps: tuple[Tensor, ...], targets: Tensor, criterion: Criterion) -> tuple[Tensor, Tensor]:
        """Return the loss and the boxes of a batch, a random half of which is mirrored.

        The loss is the cross entropy of both projections with those of the pseudo boxes.
        """
        del criterion  # for validation only
        mirrored = torch.rand(len(targets), device=targets.device) < 0.5
        augmented = (torch.where(mirrored[:, None, None, None], features.flip(3), features) for features in maps)
        x1, y1, x2, y2 = torch.where(mirrored[:, None], flip_boxes(targets), targets).unbind(1)
        columns, rows = self.projections(*augmented)
        loss = F.binary_cross_entropy_with_logits(columns, cell_coverage(x1, x2, columns.shape[1]))
        loss = loss + F.binary_cross_entropy_with_logits(rows, cell_coverage(y1, y2, rows.shape[1]))
        return loss, box_from_projections(columns, rows)


def box_from_projections(columns: Tensor, rows: Tensor) -> Tensor:
    """Compute the box between the ends of both projections.

    Args:
        columns: Logits of shape (B, w).
        rows: Logits of shape (B, h).

    Returns:
        Shape (B, 4), xyxy in fractions of the image's sides, in [0, 1]; each side is at least 0.01.
    """
    (x1, x2), (y1, y2) = _ends(columns), _ends(rows)
    return torch.stack([x1, y1, x2, y2], dim=1)


def cell_coverage(begin: Tensor, end: Tensor, cells: int) -> Tensor:
    """Compute the fraction of each cell of a side that is inside an interval.

    Args:
        begin: Begin of each interval, shape (B,), as a fraction of the side.
        end: End of each interval.
        cells: Number of cells.

    Returns:
        Shape (B, cells), in [0, 1].

    Example:
        >>> cell_coverage(torch.tensor([0.125]), torch.tensor([0.75]), 4).tolist()
        [[0.5, 1.0, 1.0, 0.0]]
    """
    edges = torch.arange(cells + 1, device=begin.device, dtype=begin.dtype) / cells
    within = torch.minimum(edges[1:], end[:, None]) - torch.maximum(edges[:-1], begin[:, None])
    return cells * within.clamp(min=0)


def _ends(logits: Tensor) -> tuple[Tensor, Tensor]:
    """Return the begin and the end of a projection (B, n), in fractions of the side, shape (B,) each."""
    inside = torch.sigmoid(logits)[:, None]  # (B, 1, n)
    lower = torch.ones(logits.shape[1], logits.shape[1], dtype=torch.bool, device=logits.device).tril()
    # One minus the mean of the running maximum, written without cummax, which ONNX does not support.
    begin = 1 - (inside * lower).amax(dim=2).mean(dim=1)
    end = (inside * lower.T).amax(dim=2).mean(dim=1)
    begin = begin.clamp(max=1 - _MIN_SIDE)
    return begin, torch.maximum(end, begin + _MIN_SIDE)


class BoxCriterion(Criterion):
    """Generalized IoU loss with pseudo boxes: 0 for equal boxes, up to 2 for distant ones.

    Source:
        Rezatofighi et al., "Generalized Intersection over Union", CVPR 2019. The paper of PSOL uses the squared error
        of the sides instead.
    """

    def forward(self, boxes: Tensor, targets: Tensor) -> Tensor:
        """Return the loss, a scalar, of boxes (B, 4) and pseudo boxes (B, 4)."""
        loss: Tensor = generalized_box_iou_loss(boxes, targets, reduction="mean")
        return loss

    @property
    def metric_name(self) -> str:
        """Name of the validation metric: the mean IoU."""
        return "val_iou"

    def build_metric(self, classes: int) -> "Metric":
        """Build the validation metric."""
        from torchmetrics import MeanMetric

        del classes
        return MeanMetric()

    def update_metric(self, metric: "Metric", boxes: Tensor, targets: Tensor) -> None:
        """Add the IoU of each box of a batch to the metric."""
        metric.update(torch.diagonal(box_iou(boxes, targets)))


def flip_boxes(boxes: Tensor) -> Tensor:
    """Mirror boxes (B, 4), in fractions of the sides, horizontally."""
    x1, y1, x2, y2 = boxes.unbind(1)
    return torch.stack([1 - x2, y1, 1 - x1, y2], dim=1)
