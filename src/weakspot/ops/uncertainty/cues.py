"""Uncertainty cues of a heatmap, each in [0, 1], 0 if the cue raises no doubt about the box."""

import numpy as np
from numpy.typing import NDArray

from weakspot.ops import ComponentTree, component_tree, heatmap_from_class_map
from weakspot.ops.boxes import absolute_threshold
from weakspot.ops.iou import box_iou

# Thresholds around the chosen one, as multiples of it.
_BAND = np.array([0.7, 0.775, 0.85, 0.925, 1.0, 1.075, 1.15, 1.225, 1.3])


def band_tree(
    heatmap: NDArray[np.floating], threshold: float, evidence: NDArray[np.int32] | None = None
) -> ComponentTree:
    """Build the component tree of a heatmap, in [0, 1], for nine thresholds around the chosen one."""
    return component_tree(heatmap, np.unique(np.minimum(threshold * _BAND, 1.0)), evidence=evidence)


def box_instability(tree: ComponentTree, threshold: float) -> float:
    """Measure how much the default region's box changes if the threshold varies from 0.7 to 1.3 times its value.

    1 - mean IoU of the box with those at the other thresholds of a :func:`band_tree`; 0 for an empty heatmap.
    """
    box = tree.boxes_at(threshold, min_area=1.0)
    return float(1 - box_iou(box, tree.best_boxes()).mean())


def competing_area(tree: ComponentTree, threshold: float) -> float:
    """Compute the fraction of the area above the threshold outside the default region; 0 for an empty heatmap."""
    areas = tree.areas[tree.nodes(threshold)]
    return float(1 - areas[0] / areas.sum()) if len(areas) else 0.0


def inseparability(heatmap: NDArray[np.floating]) -> float:
    """Compute the fraction of a heatmap's variance that its best threshold (Otsu's) does not explain.

    1 - between-class variance / total variance, for a heatmap in [0, 1]; 1 for a constant one.

    Source:
        Otsu, "A Threshold Selection Method from Gray-Level Histograms", IEEE SMC 1979: the separability eta.
    """
    counts, edges = np.histogram(heatmap, bins=256, range=(0.0, 1.0))
    centers = (edges[:-1] + edges[1:]) / 2
    mean = (counts * centers).sum() / counts.sum()
    variance = (counts * (centers - mean) ** 2).sum() / counts.sum()
    if variance <= 0:
        return 1.0
    below = counts.cumsum()[:-1] / counts.sum()
    distance = mean * below - (counts * centers).cumsum()[:-1] / counts.sum()
    weight = below * (1 - below)
    between = np.divide(distance**2, weight, out=np.zeros_like(weight), where=weight > 0)
    return float(np.clip(1 - between.max() / variance, 0.0, 1.0))


def region_disagreement(heatmap: NDArray[np.floating], other: NDArray[np.floating], threshold: float) -> float:
    """Compare the region above the threshold with the equally many highest pixels of another map of the same shape.

    1 - IoU of both sets of pixels; 1 if either map is empty. Only the order of the other map's values matters, so it
    needs no threshold of its own; ties go to the first pixel in raster order.
    """
    inside = (heatmap >= absolute_threshold(heatmap, threshold)) & (heatmap > 0)
    count = int(inside.sum())
    if not count or not other.any():
        return 1.0
    shared = int((_highest(other.ravel(), count) & inside.ravel()).sum())
    return 1 - shared / (2 * count - shared)


def _highest(values: NDArray[np.floating], count: int) -> NDArray[np.bool_]:
    """Return which values are the ``count`` highest ones, at least one; ties go to the first ones."""
    lowest = np.partition(values, -count)[-count]
    highest: NDArray[np.bool_] = values > lowest
    highest[np.flatnonzero(values == lowest)[: count - int(highest.sum())]] = True
    return highest


def map_difference(heatmap: NDArray[np.floating], other: NDArray[np.floating]) -> float:
    """Measure how weakly two maps are correlated, after resizing the other one, shape (h, w), to the heatmap's size.

    (1 - r) / 2 for Pearson's correlation r: 0 for equal maps, 0.5 if one of them is constant.
    """
    height, width = heatmap.shape
    resized = heatmap_from_class_map(other, height=height, width=width)
    a, b = (values - values.mean() for values in (heatmap.astype(np.float64), resized.astype(np.float64)))
    norm = float(np.sqrt((a * a).sum() * (b * b).sum()))  # not np.linalg.norm, whose threads would wait for each other
    return float(np.clip((1 - (a * b).sum() / norm) / 2, 0.0, 1.0)) if norm > 0 else 0.5
