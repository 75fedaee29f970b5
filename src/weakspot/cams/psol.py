"""PSOL: boxes that a network has found, drawn as class maps."""

import torch
from torch import Tensor

from weakspot.cams.normalization import apply_class_thresholds

# Where a drawn box is cut for the box itself; below it lie larger ones of the same shape, above it smaller ones.
BOX_LEVEL = 0.5
# A drawn box has round corners: what it bounds seldom fills them.
_ROUNDNESS = 4


def psol(drawn: Tensor) -> Tensor:
    """Give the drawn box of each image as it is: the network has found it, and no class map is weighed.

    Args:
        drawn: Shape (B, 1, h, w), see :func:`draw_boxes`.

    Returns:
        The same.

    Source:
        Zhang et al., "Rethinking the Route Towards Weakly Supervised Object Localization", CVPR 2020,
        arXiv 2002.11359.
    """
    return drawn


def draw_boxes(boxes: Tensor, *, height: int, width: int) -> Tensor:
    """Draw each box as a hill that, cut at half of its height, is bounded by that box.

    A regressor has no class map, and all that comes behind one cuts heatmaps. So level lines are drawn around the
    middle of the box, all of its shape: that of the box is at 0.5, and one s times as large at ``1 - s / 2``. It is a
    way to write a box down, and says no more of the image than the box does. It falls to 0 at twice the size of the
    box, or where the image ends before.

    Args:
        boxes: Shape (B, 4), xyxy in fractions of the image's sides, within [0, 1]. Sides of less than two pixels are
            drawn as two.
        height: Rows of the map, 8 or more.
        width: Columns of the map, 8 or more.

    Returns:
        Shape (B, 1, height, width), from 0 to 1.

    Example:
        >>> hill = draw_boxes(torch.tensor([[0.25, 0.25, 0.75, 0.75]]), height=8, width=8)[0, 0]
        >>> (hill >= BOX_LEVEL).int()[2].tolist(), (hill >= BOX_LEVEL).any(dim=0).int().tolist()
        ([0, 0, 1, 1, 1, 1, 0, 0], [0, 0, 1, 1, 1, 1, 0, 0])
    """
    x1, y1, x2, y2 = boxes.T[..., None, None]  # (B, 1, 1) each
    across = _from_middle(x1, x2, width)[:, None, None, :]
    down = _from_middle(y1, y2, height)[:, None, :, None]
    away = (across**_ROUNDNESS + down**_ROUNDNESS) ** (1 / _ROUNDNESS)  # 1 on the line that the box bounds
    hill = (2 - away).clamp(min=0)
    low, high = hill.amin(dim=(2, 3)), hill.amax(dim=(2, 3))
    return apply_class_thresholds(hill, (1 - low) / (high - low), BOX_LEVEL)


def _from_middle(begin: Tensor, end: Tensor, places: int) -> Tensor:
    """How far the pixels of a side lie from the middle of a span, whose ends are at 1: shape (B, places)."""
    middles = (torch.arange(places, device=begin.device, dtype=begin.dtype) + 0.5) / places
    half = ((end - begin) / 2).clamp(min=1 / places)
    return ((middles - (begin + end) / 2) / half).abs().flatten(1)
