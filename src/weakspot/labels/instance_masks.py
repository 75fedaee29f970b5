"""Share the mask of an image out among its boxes."""

import numpy as np
from numpy.typing import NDArray

from weakspot.ops import connected_components
from weakspot.ops.iou import box_iou


def split_mask(mask: NDArray[np.bool_], boxes: NDArray[np.float64]) -> list[NDArray[np.bool_]]:
    """Share a mask out among boxes: each connected part goes to the box with which its own overlaps most.

    Boxes that overlap no part more than one that goes elsewhere have been split, as objects that touch are: they share
    it, each pixel going to the box in which it lies deepest.

    Args:
        mask: Shape (H, W).
        boxes: Shape (n, 4), xyxy in pixels of the mask, n >= 1. A tie goes to the first.

    Returns:
        n masks of shape (H, W) that add up to the whole.

    Example:
        >>> one, two = split_mask(np.array([[True, False, True]]), np.array([[0, 0, 1, 1], [2, 0, 3, 1]]))
        >>> one.tolist(), two.tolist()
        ([[True, False, False]], [[False, False, True]])
        >>> [part.tolist() for part in split_mask(np.ones((1, 4), bool), np.array([[0, 0, 1, 1], [1, 0, 4, 1]]))]
        [[[True, False, False, False]], [[False, True, True, True]]]
    """
    if len(boxes) == 1:
        return [mask]
    labels, components = connected_components(mask)
    bounds = np.array([component.box for component in components], np.float64).reshape(-1, 4)
    shared = box_iou(boxes, bounds)  # (boxes, parts)
    liked = shared.argmax(axis=1) if components else np.zeros(0)
    owner = np.full(mask.shape, -1)
    for i, component in enumerate(components):
        claiming = np.union1d(np.flatnonzero((liked == i) & (shared[:, i] > 0)), shared[:, i].argmax())
        rows, columns = np.nonzero(labels == component.label)
        owner[rows, columns] = claiming[_distances(boxes[claiming], rows, columns).argmin(axis=0)]
    return [owner == position for position in range(len(boxes))]


def _distances(boxes: NDArray[np.float64], rows: NDArray[np.intp], columns: NDArray[np.intp]) -> NDArray[np.float64]:
    """How far pixels lie from the middle of each box, a side being 1: shape (boxes, pixels)."""
    x1, y1, x2, y2 = boxes.T[:, :, None]
    across = np.abs(columns + 0.5 - (x1 + x2) / 2) / np.maximum(x2 - x1, 1e-9)
    down = np.abs(rows + 0.5 - (y1 + y2) / 2) / np.maximum(y2 - y1, 1e-9)
    distances: NDArray[np.float64] = np.maximum(across, down)
    return distances
