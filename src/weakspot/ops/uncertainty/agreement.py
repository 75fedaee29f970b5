"""Doubt that maps of the same image give which do not agree."""

import numpy as np
from numpy.typing import NDArray

from weakspot.ops import heatmap_from_class_map
from weakspot.ops.boxes import absolute_threshold


def region_disagreement(heatmap: NDArray[np.floating], other: NDArray[np.floating], threshold: float) -> float:
    """How far two maps differ in where their greatest values are: as many places of the one as of the other.

    It takes no notice of how high the values are, so the other map needs no threshold of its own.

    Args:
        heatmap: Shape (H, W), in [0, 1].
        other: The same place in another map, shape (H, W); of equal values those earlier in raster order count.
        threshold: Fraction of the heatmap's peak at which it is cut.

    Returns:
        1 less the overlap (IoU) of the places above the threshold with the other map's greatest, in [0, 1]; 1 where
        either map is empty.

    Example:
        >>> region_disagreement(np.array([[0.9, 0.8, 0.0]]), np.array([[0.0, 0.2, 0.1]]), 0.5)
        0.6666666666666667
    """
    inside = (heatmap >= absolute_threshold(heatmap, threshold)) & (heatmap > 0)
    count = int(inside.sum())
    if not count or not other.any():
        return 1.0
    greatest = np.zeros(heatmap.size, bool)
    greatest[np.argsort(-other, axis=None, kind="stable")[:count]] = True
    shared = int((greatest & inside.ravel()).sum())
    return 1 - shared / (2 * count - shared)


def map_difference(heatmap: NDArray[np.floating], other: NDArray[np.floating]) -> float:
    """How little two maps rise and fall together.

    Args:
        heatmap: Shape (H, W).
        other: Shape (h, w), resized to it.

    Returns:
        (1 - r) / 2 of Pearson's correlation r, in [0, 1]: 0 for the same map, 0.5 where one of them is constant.

    Example:
        >>> round(map_difference(np.array([[0.0, 1.0]]), np.array([[1.0, 0.0]])), 6)
        1.0
    """
    height, width = heatmap.shape
    one, two = (
        x.astype(np.float64) - x.mean() for x in (heatmap, heatmap_from_class_map(other, height=height, width=width))
    )
    norm = float(np.linalg.norm(one) * np.linalg.norm(two))
    return float(np.clip((1 - (one * two).sum() / norm) / 2, 0.0, 1.0)) if norm > 0 else 0.5
