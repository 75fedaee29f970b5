"""Split the mask of an image into masks of its boxes."""

import numpy as np
from numpy.typing import NDArray

from weakspot.ops import connected_components
from weakspot.ops.iou import box_iou


def split_mask(mask: NDArray[np.bool_], boxes: NDArray[np.float64]) -> list[NDArray[np.bool_]]:
    """Split a mask, shape (H, W), into one mask per box: each component belongs to the box of the highest IoU.

    Boxes whose best component belongs to another box come from touching objects: they share the component, and each
    pixel belongs to the box whose center is nearest, relative to its sides. The n >= 1 boxes are xyxy in pixels of the
    mask; the first wins a tie. The masks are disjoint, and their union is the mask.
    """
    if len(boxes) == 1:
        return [mask]
    labels, components = connected_components(mask)
    bounds = np.array([component.box for component in components], np.float64).reshape(-1, 4)
    iou = box_iou(boxes, bounds)  # (boxes, components)
    best = iou.argmax(axis=1) if components else np.zeros(0)
    owner = np.full(mask.shape, -1)
    for i, component in enumerate(components):
        candidates = np.union1d(np.flatnonzero((best == i) & (iou[:, i] > 0)), iou[:, i].argmax())
        rows, columns = np.nonzero(labels == component.label)
        owner[rows, columns] = candidates[_distances(boxes[candidates], rows, columns).argmin(axis=0)]
    return [owner == position for position in range(len(boxes))]


def _distances(boxes: NDArray[np.float64], rows: NDArray[np.intp], columns: NDArray[np.intp]) -> NDArray[np.float64]:
    """Distances of pixels to the center of each box, relative to its sides: shape (boxes, pixels)."""
    x1, y1, x2, y2 = boxes.T[:, :, None]
    across = np.abs(columns + 0.5 - (x1 + x2) / 2) / np.maximum(x2 - x1, 1e-9)
    down = np.abs(rows + 0.5 - (y1 + y2) / 2) / np.maximum(y2 - y1, 1e-9)
    distances: NDArray[np.float64] = np.maximum(across, down)
    return distances
