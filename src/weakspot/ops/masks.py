"""Mask of a heatmap in pixels of the image."""

import numpy as np
from numpy.typing import NDArray

from weakspot.ops.boxes import absolute_threshold, threshold_regions
from weakspot.ops.resizing import resize


def mask_from_heatmap(
    heatmap: NDArray[np.floating],
    threshold: float = 0.2,
    *,
    height: int,
    width: int,
    min_area: float = 1.0,
    split: bool = False,
    min_activation: float = 0.0,
    evidence: NDArray[np.number] | None = None,
) -> NDArray[np.bool_]:
    """Fill the regions that :func:`~weakspot.ops.instances_from_heatmap` bounds, at the size of the image.

    Other regions are set to 0; then the heatmap is resized bilinearly and thresholded, so the outline is smooth even
    for a coarse heatmap.

    Args:
        heatmap: Heatmap of shape (H, W), any finite values; negative values count as 0.
        threshold: Fraction of the maximum, in (0, 1].
        height: Rows of the mask.
        width: Columns of the mask.
        min_area: Minimum area of a region as a fraction of the heatmap's; the default keeps only the default region.
        split: Whether to split regions with several peaks and filter their pieces separately.
        min_activation: Minimum mean activation of a region.
        evidence: Evidence in each pixel, by which the default region is chosen instead of the largest one.

    Returns:
        Mask of shape (height, width). All True if no value of the heatmap is above 0, since the box is the whole
        image then. At least one pixel is True, unless no region has the minimum activation.

    Raises:
        InputError: As :func:`~weakspot.ops.boxes_from_heatmap`.

    Example:
        >>> mask_from_heatmap(np.array([[9.0, 0.0], [0.0, 0.0]]), 0.5, height=2, width=2).tolist()
        [[True, False], [False, False]]
    """
    labels, regions = threshold_regions(
        heatmap, threshold, min_area, split=split, min_activation=min_activation, evidence=evidence
    )
    if not regions:
        return np.full((height, width), not labels.any() and min_activation <= 0)
    excluded = (labels > 0) & ~np.isin(labels, [region.label for region in regions])
    absolute = absolute_threshold(heatmap, threshold)
    resized = resize(np.where(excluded, 0, np.maximum(heatmap, 0)), height=height, width=width, kernel="bilinear")
    mask: NDArray[np.bool_] = resized.astype(absolute.dtype) >= absolute
    if not mask.any():  # a region between the sampled points
        y, x = np.unravel_index(np.where(excluded, 0, heatmap).argmax(), heatmap.shape)
        mask[y * height // heatmap.shape[0], x * width // heatmap.shape[1]] = True
    return mask
