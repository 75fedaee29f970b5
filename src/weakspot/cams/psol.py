"""PSOL: boxes of a box regressor, rendered as class maps."""

import torch
from torch import Tensor

from weakspot.cams.normalization import apply_class_thresholds

# Threshold at which a box map has exactly its box; lower thresholds have larger boxes, higher ones smaller boxes.
BOX_LEVEL = 0.5
# Exponent of the rounded corners; objects rarely fill the corners of their box.
_ROUNDNESS = 4


def psol(box_maps: Tensor) -> Tensor:
    """Return the box map of each image, shape (B, 1, h, w), unchanged; see :func:`draw_boxes`.

    Source:
        Zhang et al., "Rethinking the Route Towards Weakly Supervised Object Localization", CVPR 2020,
        arXiv 2002.11359.
    """
    return box_maps


def draw_boxes(boxes: Tensor, *, height: int, width: int) -> Tensor:
    """Render each box as a map in [0, 1] whose foreground at the threshold 0.5 is bounded by that box.

    A box regressor has no class map, but later steps expect a heatmap. The level lines of the box map have the shape of
    the box: the line of the box itself is at 0.5, and that of a box s times as large at ``1 - s / 2``. The map contains
    no information beyond the box. It reaches 0 at twice the size of the box, or at the edge of the image.

    Boxes have shape (B, 4), xyxy in fractions of the image's sides; sides of less than two pixels are rendered as two.
    The maps have shape (B, 1, height, width), with 8 rows and columns or more.

    Example:
        >>> box_map = draw_boxes(torch.tensor([[0.25, 0.25, 0.75, 0.75]]), height=8, width=8)[0, 0]
        >>> (box_map >= BOX_LEVEL).int()[2].tolist(), (box_map >= BOX_LEVEL).any(dim=0).int().tolist()
        ([0, 0, 1, 1, 1, 1, 0, 0], [0, 0, 1, 1, 1, 1, 0, 0])
    """
    x1, y1, x2, y2 = boxes.T[..., None, None]  # (B, 1, 1) each
    horizontal = _center_distance(x1, x2, width)[:, None, None, :]
    vertical = _center_distance(y1, y2, height)[:, None, :, None]
    distance = (horizontal**_ROUNDNESS + vertical**_ROUNDNESS) ** (1 / _ROUNDNESS)  # 1 on the line of the box
    maps = (2 - distance).clamp(min=0)
    low, high = maps.amin(dim=(2, 3)), maps.amax(dim=(2, 3))
    return apply_class_thresholds(maps, (1 - low) / (high - low), BOX_LEVEL)


def _center_distance(start: Tensor, end: Tensor, pixels: int) -> Tensor:
    """Compute the distance of each pixel from the center of an interval, 1 at its ends: shape (B, pixels)."""
    centers = (torch.arange(pixels, device=start.device, dtype=start.dtype) + 0.5) / pixels
    half = ((end - start) / 2).clamp(min=1 / pixels)
    return ((centers - (start + end) / 2) / half).abs().flatten(1)
