"""PSOL: a box regressed from a feature map, whatever the class."""

import torch
from torch import Tensor, nn
from torchmetrics import MeanMetric, Metric
from torchvision.ops import box_iou, generalized_box_iou_loss

from weakspot.networks.criterion import Criterion

WIDTH = 64
_SIDES = 4


class PsolHead(nn.Module):
    """Each place of the feature map votes for a box, and says how much its vote counts.

    A vote is how far the box reaches from the place to each side, in (0, 1); the box is the mean of all votes, weighed
    by a softmax. So the head knows where a place is without learning it, as a mean over all features would not, and it
    has few weights: pseudo boxes are few, and wrong in their own ways.

    Args:
        channels: Channels of the activations.
        width: Channels in between.

    Source:
        The route, from pseudo boxes to a class-agnostic regressor: Zhang et al., "Rethinking the Route Towards Weakly
        Supervised Object Localization", CVPR 2020, arXiv 2002.11359, section 3. Distances to the four sides from each
        place: Tian et al., "FCOS", ICCV 2019, equation (1). Their mean over places is ours; the paper has two fully
        connected layers behind global average pooling.

    Example:
        >>> PsolHead(8, width=4)(torch.zeros(2, 8, 7, 7)).shape
        torch.Size([2, 4])
    """

    network = "psol"
    branches: tuple[str, ...] = ()
    depth = 1
    pools_first = False

    def __init__(self, channels: int, *, width: int = WIDTH) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.BatchNorm2d(channels, affine=False),
            nn.Conv2d(channels, width, 1),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(width, _SIDES + 1, 1),
        )

    def forward(self, activations: Tensor) -> Tensor:
        """Give boxes (B, 4), xyxy in fractions of the image's sides, of activations (B, K, h, w)."""
        *reach, says = self.layers(activations).unbind(1)  # (B, h, w) each
        left, up, right, down = (torch.sigmoid(one) for one in reach)
        x, y = _middles(says)
        votes = torch.stack([x - left, y - up, x + right, y + down], dim=1).flatten(2)  # (B, 4, h w)
        boxes: Tensor = (votes * says.flatten(1).softmax(dim=1)[:, None]).sum(dim=2)
        return boxes.clamp(0, 1)

    def loss(self, maps: tuple[Tensor, ...], targets: Tensor, criterion: Criterion) -> tuple[Tensor, Tensor]:
        """Give the loss and the boxes of a batch, half of which is looked at in a mirror."""
        activations, mirrored = maps[-1], torch.rand(len(targets), device=targets.device) < 0.5
        turned = torch.where(mirrored[:, None, None, None], activations.flip(3), activations)
        boxes = self(turned)
        return criterion(boxes, torch.where(mirrored[:, None], flipped(targets), targets)), boxes


class BoxCriterion(Criterion):
    """Generalized IoU against pseudo boxes: 0 where both are one, up to 2 where they lie far apart.

    Source:
        Rezatofighi et al., "Generalized Intersection over Union", CVPR 2019. The paper of PSOL has the squared error
        of sides instead.

    Example:
        >>> float(BoxCriterion()(torch.tensor([[0.0, 0.0, 0.5, 1.0]]), torch.tensor([[0.0, 0.0, 1.0, 1.0]])))
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


def _middles(grid: Tensor) -> tuple[Tensor, Tensor]:
    """The middles of the places of a grid (B, h, w), in fractions: x of shape (1, w), y of shape (h, 1)."""
    h, w = grid.shape[1:]
    along = ((torch.arange(n, device=grid.device, dtype=grid.dtype) + 0.5) / n for n in (w, h))
    x, y = along
    return x[None, :].expand(h, w), y[:, None].expand(h, w)
