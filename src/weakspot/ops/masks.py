"""Heatmap -> mask in the image's own pixels."""

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
) -> NDArray[np.bool_]:
    """Fill the regions that :func:`~weakspot.ops.instances_from_heatmap` bounds, at another size.

    The heatmap is resized bilinearly and thresholded there, so the outline is smooth however coarse the
    heatmap was; regions that were not kept are blanked before.

    Args:
        heatmap: Heatmap of shape (H, W), any finite values; negative counts as 0.
        threshold: Fraction of the peak, in (0, 1].
        height: Rows of the mask.
        width: Columns of the mask.
        min_area: Least area of a region as a fraction of the heatmap's; the default keeps the largest alone.
        split: Whether regions with several peaks are split, and their pieces kept or not by themselves.
        min_activation: Least heat of a region.

    Returns:
        Mask of shape (height, width). All True when nothing in the heatmap is above 0, as the box is then the
        whole image. At least one pixel is True, unless no region is hot enough.

    Raises:
        InputError: As :func:`~weakspot.ops.boxes_from_heatmap`.

    Example:
        >>> mask_from_heatmap(np.array([[9.0, 0.0], [0.0, 0.0]]), 0.5, height=2, width=2).tolist()
        [[True, False], [False, False]]
    """
    labels, kept = threshold_regions(heatmap, threshold, min_area, split=split, min_activation=min_activation)
    if not kept:
        return np.full((height, width), not labels.any() and min_activation <= 0)
    dropped = (labels > 0) & ~np.isin(labels, [region.label for region in kept])
    level = absolute_threshold(heatmap, threshold)
    resized = resize(np.where(dropped, 0, np.maximum(heatmap, 0)), height=height, width=width, kernel="bilinear")
    mask: NDArray[np.bool_] = resized.astype(level.dtype) >= level
    if not mask.any():  # a region between the sampled points
        y, x = np.unravel_index(np.where(dropped, 0, heatmap).argmax(), heatmap.shape)
        mask[y * height // heatmap.shape[0], x * width // heatmap.shape[1]] = True
    return mask
