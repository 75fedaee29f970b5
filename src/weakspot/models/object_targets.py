"""What is known of a class in an image, and the loss of logits against it."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch
import torch.nn.functional as F
from torch import Tensor

# Weight of all positions inside a box; its rows and columns have the rest.
_INSIDE = 0.15

Grid = tuple[int, int]


def _none(width: int) -> Tensor:
    return torch.zeros(0, width)


@dataclass(frozen=True, eq=False)
class ObjectTarget:
    """What is known of a class in an image.

    Attributes:
        boxes: Boxes of its objects, shape (n, 4), as fractions of the width and height of the image.
        points: Points ``(x, y)`` on its objects, shape (n, 2), likewise.
        mask: Share of each position that its objects cover, shape (h, w), in [0, 1]; it replaces boxes and points.
        is_complete: Whether boxes or mask contain all its objects, so that the rest is background: without any, the
            whole image.
    """

    boxes: Tensor = field(default_factory=lambda: _none(4))
    points: Tensor = field(default_factory=lambda: _none(2))
    mask: Tensor | None = None
    is_complete: bool = True

    def flip(self) -> "ObjectTarget":
        """Return the target of the image mirrored from left to right."""
        x1, y1, x2, y2 = self.boxes.unbind(dim=1)
        x, y = self.points.unbind(dim=1)
        boxes, points = torch.stack([1 - x2, y1, 1 - x1, y2], dim=1), torch.stack([1 - x, y], dim=1)
        return replace(self, boxes=boxes, points=points, mask=None if self.mask is None else self.mask.flip(-1))


def coverage(target: ObjectTarget, grid: Grid) -> Tensor:
    """Return how much of each position is known to be part of an object or of its box, shape (h, w), in [0, 1].

    Example:
        >>> target = ObjectTarget(torch.tensor([[0.0, 0.0, 0.5, 0.5]]), torch.tensor([[0.9, 0.9]]))
        >>> coverage(target, (2, 3)).tolist()
        [[1.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    """
    if target.mask is not None:
        return target.mask
    covered = torch.zeros(grid)
    for left, top, right, bottom in grid_boxes(target.boxes, grid):
        covered[top:bottom, left:right] = 1
    for x, y in _grid_points(target.points, grid):
        covered[y, x] = 1
    return covered


def background(target: ObjectTarget, grid: Grid) -> Tensor:
    """Return how much of each position is known to be background, shape (h, w), in [0, 1]."""
    return 1 - coverage(target, grid) if target.is_complete else torch.zeros(grid)


def object_loss(logits: Tensor, targets: Sequence[ObjectTarget]) -> Tensor:
    """Compute the loss of logits against what is known of each image.

    It is the mean cross entropy of all positions that are background, plus the mean over all objects of that of an
    object: the positions of a mask; a point; each row and each column of a box, as these contain at least one position
    of the object, and with a small weight all positions inside.

    Args:
        logits: Shape (N, h, w); positive is object.
        targets: What is known of each image.

    Returns:
        The sum of both means; 0 for the part of which nothing is known.

    Source:
        The projections of a box: Tian et al., "BoxInst: High-Performance Instance Segmentation with Box Annotations",
        CVPR 2021, equation (2), here with a maximum for each row and column and cross entropy. The rest is ours.

    Example:
        >>> target = ObjectTarget(torch.tensor([[0.0, 0.0, 0.5, 1.0]]))
        >>> logits = torch.tensor([[[9.0, -9.0], [9.0, -9.0]]])
        >>> [round(float(object_loss(scale * logits, [target])), 2) for scale in (1, 0, -1)]
        [0.0, 1.39, 18.0]
    """
    grid = (logits.shape[-2], logits.shape[-1])
    outside = torch.stack([background(target, grid) for target in targets])
    losses = [loss for image, target in zip(logits, targets, strict=True) for loss in _object_losses(image, target)]
    loss = (F.softplus(logits) * outside).sum() / outside.sum().clamp(min=1)
    return loss + torch.stack(losses).mean() if losses else loss


def grid_boxes(boxes: Tensor, grid: Grid) -> list[tuple[int, int, int, int]]:
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


def _grid_points(points: Tensor, grid: Grid) -> list[tuple[int, int]]:
    """Return the cells ``(x, y)`` that contain points."""
    height, width = grid
    return [
        (min(max(int(x * width), 0), width - 1), min(max(int(y * height), 0), height - 1)) for x, y in points.tolist()
    ]


def _object_losses(logits: Tensor, target: ObjectTarget) -> list[Tensor]:
    """Return the loss of each object, or one of all objects in a mask; none if the mask is empty."""
    grid = (logits.shape[-2], logits.shape[-1])
    if target.mask is not None:
        covered = target.mask.sum()
        return [(F.softplus(-logits) * target.mask).sum() / covered] if covered > 0 else []
    cells = grid_boxes(target.boxes, grid)
    boxes = [_box_loss(logits[top:bottom, left:right]) for left, top, right, bottom in cells]
    return boxes + [F.softplus(-logits[y, x]) for x, y in _grid_points(target.points, grid)]


def _box_loss(logits: Tensor) -> Tensor:
    """Return the loss of the positions inside a box."""
    rows, columns = F.softplus(-logits.amax(dim=1)).mean(), F.softplus(-logits.amax(dim=0)).mean()
    return (1 - _INSIDE) * (rows + columns) / 2 + _INSIDE * F.softplus(-logits).mean()
