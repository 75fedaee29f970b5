"""Pointing game: whether the peak of a map lies on an object."""

from collections.abc import Sequence
from math import inf
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from weakspot.errors import InputError
from weakspot.metrics.base import PerImageMetric, percent_of_images
from weakspot.metrics.check_inputs import box_lists, map_mask_pairs, maps_array
from weakspot.metrics.pixel_counts import check_mask
from weakspot.ops.checks import check_heatmap

TOLERANCE = 15  # pixels, of images of about 500 x 375


def find_peak(class_map: NDArray[np.floating]) -> tuple[int, int] | None:
    """Find the row and column of a map's maximum.

    Args:
        class_map: Shape (H, W), any finite values.

    Returns:
        The first maximum in raster order; None for a constant map.

    Raises:
        InputError: ``array-invalid``, ``dtype-mismatch``, ``shape-mismatch`` or ``not-finite``.

    Example:
        >>> find_peak(np.array([[0.0, 2.0], [2.0, 1.0]]))
        (0, 1)
    """
    check_heatmap(class_map)
    first = int(class_map.argmax())
    if class_map.flat[first] == class_map.min():
        return None
    row, column = divmod(first, class_map.shape[1])
    return row, column


def distance_to_mask(class_map: NDArray[np.floating], mask: NDArray[np.uint8]) -> float:
    """Compute the distance from a map's peak to the nearest pixel of an object.

    Args:
        class_map: Shape (H, W), any finite values.
        mask: Shape (H, W): 1 foreground, 0 background, 255 ignored, which is not the object.

    Returns:
        Euclidean distance of pixel centers, in pixels; 0 on the object. Infinite for a constant map, or a mask without
        foreground. Of equal peaks, the first in raster order counts.

    Raises:
        InputError: As :func:`find_peak` for the map, and as :func:`~weakspot.metrics.pixel_counts` for the mask.

    Example:
        >>> distance_to_mask(np.array([[0.0, 0.0, 9.0]]), np.array([[1, 0, 0]], np.uint8))
        2.0
    """
    peak = find_peak(class_map)
    check_mask(mask, class_map.shape)
    rows, columns = np.nonzero(mask == 1)
    if peak is None or not len(rows):
        return inf
    return float(np.hypot(rows - peak[0], columns - peak[1]).min())


def distance_to_boxes(class_map: NDArray[np.floating], boxes: NDArray[np.floating]) -> float:
    """Compute the distance from a map's peak to the nearest pixel of a box.

    Args:
        class_map: Shape (H, W), any finite values.
        boxes: Shape (n, 4), xyxy in pixels of the map, right and bottom excluded, not rounded. The pixels of a box are
            those whose centers it contains; if there is none, the one at its center.

    Returns:
        As :func:`distance_to_mask`; infinite without boxes.

    Raises:
        InputError: As :func:`find_peak` for the map; ``shape-mismatch`` or ``box-invalid`` for the boxes.

    Example:
        >>> distance_to_boxes(np.array([[0.0, 0.0, 9.0]]), np.array([[0.0, 0.0, 2.0, 1.0]]))
        1.0
    """
    peak = find_peak(class_map)
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise InputError("shape-mismatch", f"Boxes must have shape (n, 4), got {boxes.shape}.")
    if not (boxes[:, :2] < boxes[:, 2:]).all():
        raise InputError("box-invalid", f"A box must have x1 < x2 and y1 < y2, got {boxes.tolist()}.")
    if peak is None or not len(boxes):
        return inf
    low, high = np.ceil(boxes[:, :2] - 0.5), np.ceil(boxes[:, 2:] - 0.5) - 1  # the first and the last pixel
    center = np.floor((boxes[:, :2] + boxes[:, 2:]) / 2)
    low, high = np.where(low > high, center, low), np.where(low > high, center, high)
    position = np.array([peak[1], peak[0]])
    outside = np.maximum(np.maximum(low - position, position - high), 0)
    return float(np.hypot(*outside.T).min())


class PointingGame(PerImageMetric):
    """Percentage of maps whose peak lies on an object, or within a tolerance of it.

    The paper reports the mean over the classes; that is the mean of :meth:`per_group`. A constant map is a miss.

    Args:
        tolerance: Maximum distance of the peak from the object, in pixels of the map; the paper's 15 is for images of
            about 500 x 375 pixels, such as those of PASCAL VOC.
        groups: Number of groups, such as classes, for :meth:`per_group`.
        samples: Number of bootstrap samples for :meth:`interval`.
        seed: Random seed of the bootstrap.

    Raises:
        InputError: ``out-of-range`` if the tolerance is negative or NaN.

    Source:
        Zhang et al., "Top-down Neural Attention by Excitation Backprop", ECCV 2016, section 4.1; IJCV 2018.

    Example:
        >>> metric = PointingGame(tolerance=1)
        >>> metric.update([[[0.0, 0.2, 0.9]]], masks=np.array([[[1, 0, 0]]], np.uint8))  # two pixels away
        >>> metric.update([[[0.0, 0.2, 0.9]]], boxes=[[[0, 0, 2, 1]]])  # one pixel away
        >>> float(metric.compute())
        50.0
    """

    def __init__(self, tolerance: float = TOLERANCE, *, groups: int = 0, samples: int = 0, seed: int = 0) -> None:
        if not tolerance >= 0:
            raise InputError("out-of-range", f"tolerance must be at least 0, got {tolerance}.")
        super().__init__(1, groups=groups, samples=samples, seed=seed)
        self.tolerance = tolerance

    def update(
        self,
        score_maps: ArrayLike,
        *,
        masks: ArrayLike | None = None,
        boxes: Sequence[ArrayLike] | None = None,
        groups: NDArray[np.integer[Any]] | None = None,
    ) -> None:
        """Add images, with either masks or boxes.

        Args:
            score_maps: Shape (B, H, W), any finite values; a tensor or an array.
            masks: Shape (B, H, W), bool, or uint8: 1 foreground, 0 background, 255 ignored.
            boxes: Boxes of each image, shape (n, 4), see :func:`distance_to_boxes`.
            groups: Group of each image, shape (B,) or (B, k).

        Raises:
            InputError: ``options-conflict`` with masks and boxes, or neither; ``length-mismatch``; codes of
                :func:`distance_to_mask` and :func:`distance_to_boxes`.
        """
        if (masks is None) == (boxes is None):
            raise InputError("options-conflict", "The pointing game needs either masks or boxes.")
        if masks is not None:
            distances = [distance_to_mask(*pair) for pair in zip(*map_mask_pairs(score_maps, masks), strict=True)]
        else:
            maps = maps_array(score_maps)
            lists = [one.reshape(-1, 4) if one.size == 0 else one for one in box_lists(boxes or (), len(maps))]
            distances = [distance_to_boxes(*pair) for pair in zip(maps, lists, strict=True)]
        self.add_distances(distances, groups)

    def add_distances(self, distances: Sequence[float], groups: NDArray[np.integer[Any]] | None = None) -> None:
        """Add images by the distances of their peaks from the object, in pixels; a NaN is a miss."""
        self.add(np.array(distances)[:, None] <= self.tolerance, groups)

    def compute_from_sums(
        self, sums: NDArray[np.floating], totals: NDArray[np.floating], _at: Sequence[int] | None = None
    ) -> NDArray[np.float64]:
        """Compute the percentage of hits."""
        return percent_of_images(sums, totals)
