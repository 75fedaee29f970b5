"""Doubt that the regions of a heatmap give: boxes that hang on the threshold, and rivals."""

import numpy as np
from numpy.typing import NDArray

from weakspot.ops import ComponentTree, component_tree
from weakspot.ops.iou import box_iou

# Cuts about the threshold, as multiples of it.
_BAND = np.array([0.7, 0.775, 0.85, 0.925, 1.0, 1.075, 1.15, 1.225, 1.3])


def band_tree(heatmap: NDArray[np.floating], threshold: float) -> ComponentTree:
    """Make the component tree of a heatmap for nine thresholds about the one that it is cut at.

    Args:
        heatmap: Shape (H, W), in [0, 1].
        threshold: Fraction of the heatmap's peak, in (0, 1].
    """
    return component_tree(heatmap, np.unique(np.minimum(threshold * _BAND, 1.0)))


def box_instability(tree: ComponentTree, threshold: float) -> float:
    """How far the largest region's box changes when the threshold does, from 0.7 to 1.3 times of it.

    A box that stands on a steep edge stays; one on a slope could as well be another.

    Args:
        tree: Of a heatmap, as :func:`band_tree` makes it.
        threshold: The one that the heatmap is cut at.

    Returns:
        1 less the mean overlap (IoU) of the box with those at the other thresholds, in [0, 1]; 0 for an empty heatmap.

    Example:
        >>> hard, soft = np.zeros((1, 9)), np.linspace(0, 1, 9)[None]
        >>> hard[0, 3:6] = 1
        >>> box_instability(band_tree(hard, 0.5), 0.5), round(box_instability(band_tree(soft, 0.5), 0.5), 2)
        (0.0, 0.13)
    """
    box = tree.boxes_at(threshold, min_area=1.0)
    return float(1 - box_iou(box, tree.largest_boxes()).mean())


def competing_area(tree: ComponentTree, threshold: float) -> float:
    """How much of what is above the threshold lies outside the largest region.

    Args:
        tree: Of a heatmap, as :func:`band_tree` makes it.
        threshold: The one that the heatmap is cut at.

    Returns:
        That share of the area, in [0, 1); 0 for an empty heatmap.

    Example:
        >>> competing_area(band_tree(np.array([[1.0, 1.0, 0.0, 1.0]]), 0.5), 0.5)
        0.33333333333333337
    """
    areas = tree.areas[tree.nodes(threshold)]
    return float(1 - areas[0] / areas.sum()) if len(areas) else 0.0
