"""PSOL: a box regressed from a feature map, whatever the class."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchmetrics import MeanMetric, Metric
from torchvision.ops import box_iou, generalized_box_iou_loss

from weakspot.cams.self_correlation import resample
from weakspot.models.networks.losses import Criterion

WIDTH = 64
# How much the greatest value of a column counts before its others.
_SHARPNESS = 4.0
# No box is smaller, in fractions of a side.
_LEAST = 0.01


class PsolHead(nn.Module):
    """What a feature map shows is projected onto both sides of the image, and the box is where it begins and ends.

    Three convolutions say of each place whether it belongs to the object; the (smooth) greatest value of a column is
    that column's, of a row that row's. Seen from the left, the box begins behind the columns in which nothing has been
    seen yet: their number, each counted by how surely nothing has, is x1. The other three sides likewise. So the head
    keeps places apart, which a mean over all features would not, ends within a column as it is half seen, and has few
    weights: pseudo boxes are few, and wrong in their own ways.

    Args:
        channels: Channels of the feature maps that it reads, the last one last. A mid-level map beside that one shows
            where things end.
        width: Channels in between.

    Source:
        The route, from pseudo boxes to a class-agnostic regressor: Zhang et al., "Rethinking the Route Towards Weakly
        Supervised Object Localization", CVPR 2020, arXiv 2002.11359, section 3, which has two fully connected layers
        behind global average pooling. Boxes that teach by projections: Tian et al., "BoxInst", CVPR 2021, section 3.1.
        The box of a projection is ours.

    Example:
        >>> PsolHead([4, 8], width=4)(torch.zeros(2, 4, 14, 14), torch.zeros(2, 8, 7, 7)).shape
        torch.Size([2, 4])
    """

    network = "psol"
    branches: tuple[str, ...] = ()
    pools_first = False
    most = 2  # maps that it reads, where the backbone gives so many

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
        """Give the logits of columns (B, w) and of rows (B, h) of feature maps, the last one of shape (B, K, h, w)."""
        grid = (maps[-1].shape[-2], maps[-1].shape[-1])
        sharp = _SHARPNESS * self.layers(torch.cat([resample(one, grid) for one in maps], dim=1))[:, 0]
        return sharp.logsumexp(dim=1) / _SHARPNESS, sharp.logsumexp(dim=2) / _SHARPNESS

    def forward(self, *maps: Tensor) -> Tensor:
        """Give boxes (B, 4), xyxy in fractions of the image's sides, of feature maps (B, K, h, w)."""
        return box_of(*self.projections(*maps))

    def loss(self, maps: tuple[Tensor, ...], targets: Tensor, criterion: Criterion) -> tuple[Tensor, Tensor]:
        """Give the loss and the boxes of a batch, half of which is looked at in a mirror.

        The loss is the cross entropy of both projections against those of the pseudo boxes.
        """
        del criterion  # which validates: it sees boxes
        mirrored = torch.rand(len(targets), device=targets.device) < 0.5
        turned = (torch.where(mirrored[:, None, None, None], one.flip(3), one) for one in maps)
        x1, y1, x2, y2 = torch.where(mirrored[:, None], flipped(targets), targets).unbind(1)
        columns, rows = self.projections(*turned)
        loss = F.binary_cross_entropy_with_logits(columns, covered(x1, x2, columns.shape[1]))
        loss = loss + F.binary_cross_entropy_with_logits(rows, covered(y1, y2, rows.shape[1]))
        return loss, box_of(columns, rows)


def box_of(columns: Tensor, rows: Tensor) -> Tensor:
    """Give the box that projections begin and end at.

    Args:
        columns: Logits of shape (B, w).
        rows: Logits of shape (B, h).

    Returns:
        Shape (B, 4), xyxy in fractions of the image's sides, in [0, 1], of a side of a hundredth or more.

    Example:
        >>> box_of(torch.tensor([[-99.0, 99.0, 99.0, -99.0]]), torch.tensor([[0.0, 99.0]])).tolist()
        [[0.25, 0.25, 0.75, 1.0]]
    """
    (x1, x2), (y1, y2) = _ends(columns), _ends(rows)
    return torch.stack([x1, y1, x2, y2], dim=1)


def covered(begin: Tensor, end: Tensor, places: int) -> Tensor:
    """Tell how much of each place of a side lies within a span, in [0, 1].

    Args:
        begin: Where the spans begin, shape (B,), in fractions of the side.
        end: Where they end.
        places: Number of places.

    Returns:
        Shape (B, places).

    Example:
        >>> covered(torch.tensor([0.125]), torch.tensor([0.75]), 4).tolist()
        [[0.5, 1.0, 1.0, 0.0]]
    """
    edges = torch.arange(places + 1, device=begin.device, dtype=begin.dtype) / places
    within = torch.minimum(edges[1:], end[:, None]) - torch.maximum(edges[:-1], begin[:, None])
    return places * within.clamp(min=0)


def _ends(logits: Tensor) -> tuple[Tensor, Tensor]:
    """Where a projection (B, n) begins and ends, in fractions of the side, shape (B,) each."""
    seen = torch.sigmoid(logits)[:, None]  # (B, 1, n)
    so_far = torch.ones(logits.shape[1], logits.shape[1], dtype=torch.bool, device=logits.device).tril()
    begin = 1 - (seen * so_far).amax(dim=2).mean(dim=1)  # of the running maximum, which ONNX does not know
    end = (seen * so_far.T).amax(dim=2).mean(dim=1)
    begin = begin.clamp(max=1 - _LEAST)
    return begin, torch.maximum(end, begin + _LEAST)


class BoxCriterion(Criterion):
    """Generalized IoU against pseudo boxes: 0 where both are one, up to 2 where they lie far apart.

    Source:
        Rezatofighi et al., "Generalized Intersection over Union", CVPR 2019. The paper of PSOL has the squared error
        of sides instead.

    Example:
        >>> left, whole = torch.tensor([[0.0, 0.0, 0.5, 1.0]]), torch.tensor([[0.0, 0.0, 1.0, 1.0]])
        >>> round(float(BoxCriterion()(left, whole)), 4)
        0.5
    """

    def forward(self, boxes: Tensor, targets: Tensor) -> Tensor:
        """Give the loss of boxes (B, 4) for pseudo boxes (B, 4), a scalar."""
        loss: Tensor = generalized_box_iou_loss(boxes, targets, reduction="mean")
        return loss

    @property
    def score_name(self) -> str:
        """What validation counts: the mean IoU."""
        return "val_iou"

    def score(self, classes: int) -> Metric:
        """Make what that is counted with."""
        del classes
        return MeanMetric()

    def count(self, score: Metric, boxes: Tensor, targets: Tensor) -> None:
        """Add the IoU of a batch."""
        score.update(torch.diagonal(box_iou(boxes, targets)))


def flipped(boxes: Tensor) -> Tensor:
    """Give boxes (B, 4), in fractions of the sides, as they are in the mirrored image.

    Example:
        >>> flipped(torch.tensor([[0.0, 0.25, 0.25, 1.0]])).tolist()
        [[0.75, 0.25, 1.0, 1.0]]
    """
    x1, y1, x2, y2 = boxes.unbind(1)
    return torch.stack([1 - x2, y1, 1 - x1, y2], dim=1)
