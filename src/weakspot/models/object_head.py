"""A small head that predicts objects from intermediate features and class maps, taught by boxes."""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

WIDTH = 32
# Channels of each class: the propagated map, the map before propagation, and the foreground probability.
MAPS = 3
_STEPS, _BATCH, _RATE, _DECAY, _DROPOUT = 120, 8, 2e-3, 1e-2, 0.2


class ObjectHead(nn.Module):
    """Convolutions that predict for each class and position whether it belongs to an object of the class.

    Args:
        channels: Total number of channels of the intermediate features.
        width: Number of hidden channels.

    Attributes:
        share: Share of its probability in the final map, in [0, 1]; the propagated map has the rest.
    """

    share: Tensor

    def __init__(self, channels: int, width: int = WIDTH) -> None:
        super().__init__()
        self.channels = channels
        self.normalize = nn.BatchNorm2d(channels, affine=False)
        self.dropout = nn.Dropout2d(_DROPOUT)
        self.from_features = nn.Conv2d(channels, width, 1)
        self.from_maps = nn.Conv2d(MAPS, width, 1, bias=False)
        self.context = nn.Conv2d(width, width, 3, padding=2, dilation=2)
        self.output = nn.Conv2d(width, 1, 1)
        self.register_buffer("share", torch.tensor(0.3))

    def forward(self, features: Tensor, maps: Tensor) -> Tensor:
        """Return logits (B, C, h, w) of features (B, K, h, w) and maps (B, C, 3, h, w) in [0, 1]."""
        shared = self.from_features(self.dropout(self.normalize(features)))
        of_maps = self.from_maps(2 * maps.flatten(0, 1) - 1).unflatten(0, maps.shape[:2])
        hidden = F.relu(shared[:, None] + of_maps).flatten(0, 1)
        hidden = hidden + F.relu(self.context(hidden))
        logits: Tensor = self.output(hidden).unflatten(0, maps.shape[:2])[:, :, 0]
        return logits

    def combine(self, features: Tensor, maps: Tensor) -> Tensor:
        """Return final class maps (B, C, h, w) in [0, 1] of features and maps as for :meth:`forward`."""
        probability = torch.sigmoid(self(features, maps))
        return (1 - self.share) * maps[:, :, 0] + self.share * probability


def fit_object_head(
    features: Tensor,
    maps: Tensor,
    boxes: Sequence[Tensor],
    *,
    seed: int,
    on_step: Callable[[int, int], None] = lambda _done, _steps: None,
) -> ObjectHead:
    """Fit an object head to images whose objects of a class all have a box.

    Positions outside the boxes are background. Inside, each row and each column of a box holds at least one position of
    the object.

    Args:
        features: Intermediate features, shape (N, K, h, w), any floating type.
        maps: Maps of one class in each image, shape (N, 3, h, w), in [0, 1].
        boxes: Boxes of the class in each image, shape (n, 4), as fractions of its width and height; n may be 0.
        seed: Random seed of weights, order and flips.
        on_step: Called with the number of steps that are done, and of all.

    Returns:
        The head, in evaluation mode.

    Source:
        The projections of a box: Tian et al., "BoxInst: High-Performance Instance Segmentation with Box Annotations",
        CVPR 2021, equation (2), here with a maximum for each row and column and cross entropy. The head is ours.
    """
    with torch.inference_mode(False), torch.enable_grad(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        head = ObjectHead(features.shape[1]).train()
        optimizer = torch.optim.AdamW(head.parameters(), lr=_RATE, weight_decay=_DECAY)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _RATE, total_steps=_STEPS)
        grid = (features.shape[-2], features.shape[-1])
        cells = [grid_boxes(item, grid) for item in boxes]
        order: list[int] = []
        for step in range(_STEPS):
            while len(order) < _BATCH:
                order += torch.randperm(len(features)).tolist()
            batch, order = order[:_BATCH], order[_BATCH:]
            chosen = [cells[i] for i in batch]
            x, m = features[batch].float(), maps[batch].float()
            if torch.rand(()) < 0.5:
                width = features.shape[-1]
                x, m = x.flip(-1), m.flip(-1)
                chosen = [[(width - x2, y1, width - x1, y2) for x1, y1, x2, y2 in item] for item in chosen]
            loss = box_loss(head(x, m[:, None])[:, 0], chosen)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            on_step(step + 1, _STEPS)
    return head.eval().requires_grad_(False)


def grid_boxes(boxes: Tensor, grid: tuple[int, int]) -> list[tuple[int, int, int, int]]:
    """Round boxes, as fractions of the image, to cells of a grid ``(h, w)``; each has at least one cell.

    Example:
        >>> grid_boxes(torch.tensor([[0.26, 0.0, 0.74, 1.0], [0.99, 0.99, 1.0, 1.0]]), (4, 4))
        [(1, 0, 3, 4), (3, 3, 4, 4)]
    """
    height, width = grid
    cells = []
    for x1, y1, x2, y2 in boxes.tolist():
        left, top = min(max(round(x1 * width), 0), width - 1), min(max(round(y1 * height), 0), height - 1)
        right, bottom = min(max(round(x2 * width), left + 1), width), min(max(round(y2 * height), top + 1), height)
        cells.append((left, top, right, bottom))
    return cells


def box_loss(logits: Tensor, boxes: Sequence[Sequence[tuple[int, int, int, int]]]) -> Tensor:
    """Return the mean cross entropy outside all boxes, plus that of the rows and columns of the boxes.

    Args:
        logits: Shape (N, h, w).
        boxes: Cells of each image's boxes, from :func:`grid_boxes`.
    """
    outside = torch.ones_like(logits)
    projections = []
    for image, cells, of_image in zip(logits, boxes, outside, strict=True):
        for left, top, right, bottom in cells:
            of_image[top:bottom, left:right] = 0
            inside = image[top:bottom, left:right]
            projections.append((F.softplus(-inside.amax(dim=1)).mean() + F.softplus(-inside.amax(dim=0)).mean()) / 2)
    background = (F.softplus(logits) * outside).sum() / outside.sum().clamp(min=1)
    return background + torch.stack(projections).mean() if projections else background
