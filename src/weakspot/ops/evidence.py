"""Evidence for a class: how classes share an image, and how it is spread over the pixels of a heatmap."""

import numpy as np
from numpy.typing import NDArray

from weakspot.ops.boxes import scale_boxes
from weakspot.ops.resizing import resize

# All evidence of an image, as a sum of integers: exact in any order, and it fits 32 bits.
_TOTAL = 2**30
# Share of the evidence for a class that must be left to it.
_MIN_UNCONTESTED = 0.1


def competition_margins(class_maps: NDArray[np.floating]) -> NDArray[np.floating]:
    """Compute by how much each class map exceeds the highest of the others, at each position.

    Args:
        class_maps: Class maps of one image and at least two classes, shape (C, h, w), any sign, in the same unit.

    Returns:
        Shape (C, h, w); 0 or more where the class has the highest map, also if it shares it with another class.

    Example:
        >>> competition_margins(np.array([[[3.0, 1.0]], [[2.0, 2.0]]])).tolist()
        [[[1.0, -1.0]], [[-1.0, 1.0]]]
    """
    second, first = np.partition(class_maps, -2, axis=0)[-2:]
    margins: NDArray[np.floating] = class_maps - np.where(class_maps == first, second, first)
    return margins


def keep_claimed(heatmap: NDArray[np.floating], margin: NDArray[np.floating]) -> NDArray[np.floating]:
    """Set the pixels of a heatmap to 0 that another class claims, and normalize the rest to a maximum of 1.

    Args:
        heatmap: Shape (H, W), in [0, 1].
        margin: Margin of the class over the others, shape (h, w), from :func:`competition_margins`; it is resized
            bilinearly, and pixels where it is 0 or more are kept.

    Returns:
        The heatmap of the same shape and type; the same array if nothing would be left.

    Example:
        >>> keep_claimed(np.array([[0.5, 1.0]]), np.array([[0.1, -0.1]])).tolist()
        [[1.0, 0.0]]
    """
    height, width = heatmap.shape
    claimed = heatmap * (resize(margin, height=height, width=width, kernel="bilinear") >= 0)
    return claimed / claimed.max() if claimed.any() else heatmap


def uncontested(class_map: NDArray[np.floating], rivals: NDArray[np.floating]) -> NDArray[np.floating]:
    """Set a class map to 0 where that of another class is higher.

    Args:
        class_map: Shape (h, w), any sign.
        rivals: Class maps of other classes in the same unit, shape (n, h, w); n may be 0.

    Returns:
        Shape (h, w); the class map itself if less than a tenth of its positive part would be left.

    Example:
        >>> uncontested(np.array([[3.0, 1.0]]), np.array([[[2.0, 2.0]]])).tolist()
        [[3.0, 0.0]]
    """
    highest = rivals.max(axis=0, initial=-np.inf)
    kept = np.where(class_map >= highest, class_map, 0).astype(class_map.dtype)
    is_enough = np.maximum(kept, 0).sum() >= _MIN_UNCONTESTED * np.maximum(class_map, 0).sum()
    return kept if is_enough else class_map


def evidence_per_pixel(class_map: NDArray[np.floating], *, height: int, width: int) -> NDArray[np.int32]:
    """Spread the positive part of a class map over the pixels of a heatmap.

    Args:
        class_map: Shape (h, w), any values; negative ones count as 0.
        height: Rows of the heatmap.
        width: Columns of the heatmap.

    Returns:
        Shape (height, width), 0 or more, with a sum of about 2^30; all 0 if the class map has no positive value, or
        values that are not finite. They are integers, so that sums do not depend on the order of the pixels.

    Example:
        >>> (evidence_per_pixel(np.array([[3.0, -1.0], [0.0, 1.0]]), height=2, width=2) / 2**30).tolist()
        [[0.75, 0.0], [0.0, 0.25]]
    """
    positive = resize(np.maximum(class_map, 0), height=height, width=width, kernel="bilinear").astype(np.float64)
    total = positive.sum()
    shares = positive / total * _TOTAL if 0 < total < np.inf else np.zeros_like(positive)
    rounded: NDArray[np.int32] = np.rint(shares).astype(np.int32)
    return rounded


def evidence_in_box(
    box: NDArray[np.floating], image_size: tuple[int, int], heatmap_size: tuple[int, int]
) -> NDArray[np.float64]:
    """Place evidence inside a box and none outside, so that its region is the default one of a heatmap.

    Args:
        box: ``[x1, y1, x2, y2]`` in pixels of the image.
        image_size: ``(height, width)`` of the image.
        heatmap_size: ``(height, width)`` of the heatmap.

    Returns:
        Shape of the heatmap: 1 in the pixels inside the box, at least one of them, and 0 outside.

    Example:
        >>> evidence_in_box(np.array([20.0, 0.0, 40.0, 10.0]), (10, 40), (1, 4)).tolist()
        [[0.0, 0.0, 1.0, 1.0]]
    """
    evidence = np.zeros(heatmap_size)
    x1, y1, x2, y2 = scale_boxes(box, from_size=image_size, to_size=heatmap_size).round().astype(int)
    evidence[min(y1, len(evidence) - 1) : max(y2, y1 + 1), min(x1, evidence.shape[1] - 1) : max(x2, x1 + 1)] = 1
    return evidence
