"""Bounding boxes of a heatmap: threshold, connected components, bounds."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from weakspot.errors import InputError, check_fraction
from weakspot.ops.checks import check_heatmap, check_threshold
from weakspot.ops.components import Component, component_stats, connected_components
from weakspot.ops.watershed import split_instances


def box_from_heatmap(heatmap: NDArray[np.floating], threshold: float = 0.2) -> NDArray[np.float64]:
    """Bound the largest connected region at or above a fraction of the heatmap's maximum.

    Args:
        heatmap: Heatmap of shape (H, W), any finite values; negative values count as 0.
        threshold: Fraction of the maximum, in (0, 1].

    Returns:
        ``[x1, y1, x2, y2]`` in heatmap pixels, 0 <= x1 < x2 <= W, 0 <= y1 < y2 <= H. Of equally large regions, the one
        whose first pixel comes first in raster order. The whole image if no value is above 0.

    Raises:
        InputError: ``out-of-range`` for the threshold; ``array-invalid``, ``dtype-mismatch``, ``shape-mismatch`` or
            ``not-finite`` for the heatmap.

    Source:
        Zhou et al., "Learning Deep Features for Discriminative Localization", CVPR 2016 (20 % of the maximum,
        largest connected component).

    Example:
        >>> box_from_heatmap(np.array([[0, 0, 0], [0, 9, 8], [0, 0, 0]], dtype=float)).tolist()
        [1.0, 1.0, 3.0, 2.0]
    """
    largest: NDArray[np.float64] = boxes_from_heatmap(heatmap, threshold, min_area=1.0)[0]
    return largest


def boxes_from_heatmap(
    heatmap: NDArray[np.floating],
    threshold: float = 0.2,
    *,
    min_area: float = 0.0,
    split: bool = False,
    min_activation: float = 0.0,
    evidence: NDArray[np.number] | None = None,
) -> NDArray[np.float64]:
    """Bound every connected region at or above a fraction of the heatmap's maximum, the default one first.

    The default region is that of the most evidence, or without ``evidence`` the largest one; the others follow in the
    same order.

    Args:
        heatmap: Heatmap of shape (H, W), any finite values; negative values count as 0.
        threshold: Fraction of the maximum, in (0, 1].
        min_area: Minimum area of a region as a fraction of the heatmap's, in [0, 1]. The default region is always kept,
            so 1.0 returns that region alone.
        split: Whether to split regions with several peaks, see :func:`~weakspot.ops.split_instances`.
        min_activation: Minimum mean activation of a region, also of the default one; see
            :func:`instances_from_heatmap`.
        evidence: Evidence in each pixel, shape (H, W), from :func:`~weakspot.ops.evidence_per_pixel`; a region has the
            sum of its pixels, and of equal sums the larger region comes first.

    Returns:
        Boxes of shape (n, 4), as in :func:`box_from_heatmap`; n = 0 if no region has the minimum activation.

    Raises:
        InputError: As :func:`box_from_heatmap`, and ``out-of-range`` for ``min_area``.

    Example:
        >>> boxes_from_heatmap(np.array([[9.0, 0.0, 8.0, 8.0]])).tolist()
        [[2.0, 0.0, 4.0, 1.0], [0.0, 0.0, 1.0, 1.0]]
        >>> boxes_from_heatmap(np.array([[9.0, 0.0, 8.0, 8.0]]), evidence=np.array([[5, 0, 1, 1]])).tolist()
        [[0.0, 0.0, 1.0, 1.0], [2.0, 0.0, 4.0, 1.0]]
    """
    labels, regions = threshold_regions(
        heatmap, threshold, min_area, split=split, min_activation=min_activation, evidence=evidence
    )
    return _boxes(heatmap, labels, regions, min_activation)


def instances_from_heatmap(
    heatmap: NDArray[np.floating],
    threshold: float = 0.2,
    *,
    min_area: float = 0.0,
    split: bool = False,
    min_activation: float = 0.0,
    evidence: NDArray[np.number] | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Bound the regions of a heatmap and compute the mean activation of each.

    Args:
        heatmap: See :func:`boxes_from_heatmap`.
        threshold: See :func:`boxes_from_heatmap`.
        min_area: See :func:`boxes_from_heatmap`.
        split: See :func:`boxes_from_heatmap`.
        min_activation: Minimum mean activation of a region, also of the default one.
        evidence: See :func:`boxes_from_heatmap`.

    Returns:
        Boxes of shape (n, 4) and mean activations of shape (n,): the mean value of each region as a fraction of the
        heatmap's maximum, in [0, 1]. The whole image with activation 0 if no value is above 0. n = 0 if no region has
        the minimum activation.

    Raises:
        InputError: As :func:`boxes_from_heatmap`.

    Example:
        >>> boxes, activations = instances_from_heatmap(np.array([[8.0, 0.0, 6.0, 4.0]]), 0.5)
        >>> boxes.tolist(), activations.tolist()
        ([[2.0, 0.0, 4.0, 1.0], [0.0, 0.0, 1.0, 1.0]], [0.625, 1.0])
    """
    labels, regions = threshold_regions(
        heatmap, threshold, min_area, split=split, min_activation=min_activation, evidence=evidence
    )
    boxes = _boxes(heatmap, labels, regions, min_activation)
    return boxes, mean_activations(heatmap, labels, regions) if regions else np.zeros(len(boxes))


def boxes_with_evidence(
    heatmap: NDArray[np.floating],
    threshold: float,
    evidence: NDArray[np.number],
    *,
    by_evidence: bool = True,
    min_area: float = 0.0,
    split: bool = False,
    min_activation: float = 0.0,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Bound the regions of a heatmap and compute the share of all evidence in each.

    The arguments are those of :func:`boxes_from_heatmap`; without ``by_evidence``, the largest region comes first.

    Returns:
        Boxes of shape (n, 4) and shares of shape (n,), in [0, 1]; 0 without evidence.

    Example:
        >>> boxes, shares = boxes_with_evidence(np.array([[9.0, 0.0, 8.0, 8.0]]), 0.5, np.array([[6, 1, 2, 1]]))
        >>> boxes.tolist(), shares.tolist()
        ([[0.0, 0.0, 1.0, 1.0], [2.0, 0.0, 4.0, 1.0]], [0.6, 0.3])
    """
    labels, regions = threshold_regions(
        heatmap,
        threshold,
        min_area,
        split=split,
        min_activation=min_activation,
        evidence=evidence if by_evidence else None,
    )
    boxes = _boxes(heatmap, labels, regions, min_activation)
    if not regions:
        return boxes, np.zeros(len(boxes))
    sums = np.bincount(labels.ravel(), evidence.ravel())
    total = max(float(sums.sum()), 1.0)
    return boxes, np.array([sums[region.label] for region in regions]) / total


def _boxes(
    heatmap: NDArray[np.floating], labels: NDArray[np.int32], regions: list[Component], min_activation: float
) -> NDArray[np.float64]:
    """Return the bounds of the regions, or the whole image if the heatmap has no foreground."""
    if not regions and min_activation <= 0 and not labels.any():
        return np.array([[0, 0, heatmap.shape[1], heatmap.shape[0]]], np.float64)
    return np.array([region.box for region in regions], np.float64).reshape(-1, 4)


def threshold_regions(
    heatmap: NDArray[np.floating],
    threshold: float,
    min_area: float,
    *,
    split: bool,
    min_activation: float,
    evidence: NDArray[np.number] | None,
) -> tuple[NDArray[np.int32], list[Component]]:
    """Label the regions at or above the threshold, and list those of sufficient area and activation, best first.

    The arguments are those of :func:`boxes_from_heatmap`.
    """
    check_threshold(threshold)
    check_fraction(min_area, "min_area")
    check_heatmap(heatmap)
    foreground = (heatmap >= absolute_threshold(heatmap, threshold)) & (heatmap > 0)
    labels, components = connected_components(foreground)
    if split:
        labels = split_instances(labels, heatmap)
        components = component_stats(labels)
    if evidence is not None and len(components) > 1:
        components = _by_evidence(labels, components, evidence)
    regions = components[:1] + [region for region in components[1:] if region.area >= min_area * heatmap.size]
    if min_activation > 0:
        means = mean_activations(heatmap, labels, regions)
        regions = [region for region, mean in zip(regions, means, strict=True) if mean >= min_activation]
    return labels, regions


def _by_evidence(
    labels: NDArray[np.int32], components: list[Component], evidence: NDArray[np.number]
) -> list[Component]:
    """Sort components, largest first, by descending evidence; ties keep their order."""
    if evidence.shape != labels.shape:
        problem = f"evidence must have the shape of the heatmap, {labels.shape}, got {evidence.shape}."
        raise InputError("shape-mismatch", problem)
    sums = np.bincount(labels.ravel(), evidence.ravel())
    return sorted(components, key=lambda component: -sums[component.label])


def mean_activations(
    heatmap: NDArray[np.floating], labels: NDArray[np.int32], regions: list[Component]
) -> NDArray[np.float64]:
    """Compute the mean value of each region as a fraction of the heatmap's maximum, shape (n,)."""
    if not regions:
        return np.zeros(0)
    sums = np.bincount(labels.ravel(), heatmap.ravel())
    return np.array([sums[region.label] / region.area for region in regions]) / float(heatmap.max())


def absolute_threshold(heatmap: NDArray[np.floating], threshold: Any) -> Any:
    """Convert a threshold, or an array of them, from a fraction of the maximum to a value of the heatmap.

    The result has the heatmap's precision, so that 0.7 in single precision reaches a threshold of 0.7.
    """
    return np.result_type(heatmap, np.float16).type(threshold * float(heatmap.max()))


def scale_boxes(
    boxes: NDArray[np.floating], *, from_size: tuple[int, int], to_size: tuple[int, int]
) -> NDArray[np.float64]:
    """Scale boxes from one size of an image to another.

    Args:
        boxes: Boxes of shape (n, 4), xyxy, right and bottom excluded.
        from_size: ``(height, width)`` that the boxes refer to.
        to_size: ``(height, width)`` that the result refers to.

    Returns:
        Boxes of shape (n, 4), not rounded. A box of the whole image stays a box of the whole image.

    Example:
        >>> scale_boxes(np.array([[0, 0, 7, 7]]), from_size=(7, 7), to_size=(300, 400)).tolist()
        [[0.0, 0.0, 400.0, 300.0]]
    """
    new, old = (np.array([width, height, width, height], np.float64) for height, width in (to_size, from_size))
    scaled: NDArray[np.float64] = boxes * new / old
    return scaled
