"""Heatmap -> boxes: threshold, connected components, bounds."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from weakspot.errors import InputError
from weakspot.ops.checks import check_heatmap, check_threshold
from weakspot.ops.components import Component, component_stats, connected_components
from weakspot.ops.watershed import split_instances


def box_from_heatmap(heatmap: NDArray[np.floating], threshold: float = 0.2) -> NDArray[np.float64]:
    """Bound the largest connected region at or above a fraction of the heatmap's peak.

    Args:
        heatmap: Heatmap of shape (H, W), any finite values; negative counts as 0.
        threshold: Fraction of the peak, in (0, 1].

    Returns:
        ``[x1, y1, x2, y2]`` in heatmap pixels, 0 <= x1 < x2 <= W, 0 <= y1 < y2 <= H. The whole image when
        nothing is above 0: the classifier saw the class but pointed nowhere. Of equal areas the region whose
        first pixel comes first in raster order wins.

    Raises:
        InputError: If ``threshold`` is outside (0, 1] or ``heatmap`` is not a finite 2-D array.

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
) -> NDArray[np.float64]:
    """Bound every connected region at or above a fraction of the heatmap's peak, largest first.

    Args:
        heatmap: Heatmap of shape (H, W), any finite values; negative counts as 0.
        threshold: Fraction of the peak, in (0, 1].
        min_area: Least area of a region as a fraction of the heatmap's, in [0, 1]. The largest region is kept
            whatever its area, so 1.0 gives that one alone.
        split: Whether regions with several peaks are split, see :func:`~weakspot.ops.split_instances`.
        min_activation: Least heat of a region, the largest's too; see :func:`instances_from_heatmap`.

    Returns:
        Boxes of shape (n, 4), as in :func:`box_from_heatmap`; none at all where none is hot enough.

    Raises:
        InputError: As :func:`box_from_heatmap`, or if ``min_area`` is outside [0, 1].

    Example:
        >>> boxes_from_heatmap(np.array([[9.0, 0.0, 8.0, 8.0]])).tolist()
        [[2.0, 0.0, 4.0, 1.0], [0.0, 0.0, 1.0, 1.0]]
    """
    labels, kept = threshold_regions(heatmap, threshold, min_area, split=split, min_activation=min_activation)
    return _boxes(heatmap, labels, kept, min_activation)


def instances_from_heatmap(
    heatmap: NDArray[np.floating],
    threshold: float = 0.2,
    *,
    min_area: float = 0.0,
    split: bool = False,
    min_activation: float = 0.0,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Bound the regions of a heatmap as :func:`boxes_from_heatmap` does, and say how hot each is.

    Args:
        heatmap: As for :func:`boxes_from_heatmap`.
        threshold: Likewise.
        min_area: Likewise.
        split: Likewise.
        min_activation: Least heat of a region, the largest's too.

    Returns:
        Boxes of shape (n, 4), and the heat of each, shape (n,): the mean of the region's values as a fraction of the
        peak, in [0, 1]. Where nothing is above 0, the whole image with heat 0. None at all where none is hot enough.

    Raises:
        InputError: As :func:`boxes_from_heatmap`.

    Example:
        >>> boxes, heats = instances_from_heatmap(np.array([[8.0, 0.0, 6.0, 4.0]]), 0.5)
        >>> boxes.tolist(), heats.tolist()
        ([[2.0, 0.0, 4.0, 1.0], [0.0, 0.0, 1.0, 1.0]], [0.625, 1.0])
    """
    labels, kept = threshold_regions(heatmap, threshold, min_area, split=split, min_activation=min_activation)
    boxes = _boxes(heatmap, labels, kept, min_activation)
    return boxes, mean_activations(heatmap, labels, kept) if kept else np.zeros(len(boxes))


def _boxes(
    heatmap: NDArray[np.floating], labels: NDArray[np.int32], kept: list[Component], min_activation: float
) -> NDArray[np.float64]:
    """The bounds of the regions that are kept: of the whole image where there is none at all."""
    if not kept and min_activation <= 0 and not labels.any():
        return np.array([[0, 0, heatmap.shape[1], heatmap.shape[0]]], np.float64)
    return np.array([region.box for region in kept], np.float64).reshape(-1, 4)


def threshold_regions(
    heatmap: NDArray[np.floating], threshold: float, min_area: float, *, split: bool, min_activation: float
) -> tuple[NDArray[np.int32], list[Component]]:
    """Label the regions at or above the threshold, and list those large and hot enough, largest first."""
    check_threshold(threshold)
    if not 0 <= min_area <= 1:
        raise InputError(f"The minimum area {min_area} is outside [0, 1].", "Give a fraction of the image's area.")
    check_heatmap(heatmap)
    foreground = (heatmap >= absolute_threshold(heatmap, threshold)) & (heatmap > 0)
    labels, found = connected_components(foreground)
    if split:
        labels = split_instances(labels, heatmap)
        found = component_stats(labels)
    kept = found[:1] + [region for region in found[1:] if region.area >= min_area * heatmap.size]
    if min_activation > 0:
        heats = mean_activations(heatmap, labels, kept)
        kept = [region for region, heat in zip(kept, heats, strict=True) if heat >= min_activation]
    return labels, kept


def mean_activations(
    heatmap: NDArray[np.floating], labels: NDArray[np.int32], kept: list[Component]
) -> NDArray[np.float64]:
    """The mean value of each region, as a fraction of the heatmap's peak: shape (n,)."""
    if not kept:
        return np.zeros(0)
    sums = np.bincount(labels.ravel(), heatmap.ravel())
    return np.array([sums[region.label] / region.area for region in kept]) / float(heatmap.max())


def absolute_threshold(heatmap: NDArray[np.floating], threshold: Any) -> Any:
    """The value at which a heatmap is cut, in its own precision, so that 0.7 in single precision is at least 0.7.

    Of an array of thresholds an array.
    """
    return np.result_type(heatmap, np.float16).type(threshold * float(heatmap.max()))


def scale_boxes(
    boxes: NDArray[np.floating], *, from_size: tuple[int, int], to_size: tuple[int, int]
) -> NDArray[np.float64]:
    """Carry boxes from one frame to another that shows the same picture.

    Args:
        boxes: Boxes of shape (n, 4), xyxy, right and bottom excluded.
        from_size: ``(height, width)`` of the frame they are in.
        to_size: ``(height, width)`` of the frame wanted.

    Returns:
        Boxes of shape (n, 4), not rounded: the whole of one frame becomes the whole of the other.

    Example:
        >>> scale_boxes(np.array([[0, 0, 7, 7]]), from_size=(7, 7), to_size=(300, 400)).tolist()
        [[0.0, 0.0, 400.0, 300.0]]
    """
    to, of = (np.array([width, height, width, height], np.float64) for height, width in (to_size, from_size))
    scaled: NDArray[np.float64] = boxes * to / of
    return scaled
