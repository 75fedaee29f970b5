"""Contours of a score map at every threshold, as the reference evaluator finds them, from two component trees.

The reference (Choe et al., "Evaluating Weakly Supervised Object Localization Methods Right", CVPR 2020, and its code)
thresholds a map of 8-bit values and calls OpenCV's ``findContours`` a thousand times. The outer contours are the
8-connected components of the map; the contours of holes are the 4-connected components of its complement that do not
reach the border.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from weakspot.ops.checks import check_score_map

THRESHOLDS = np.arange(0, 1, 0.001)


@dataclass(frozen=True, eq=False)
class Contours:
    """Every contour of a score map, outer ones and holes, and the cuts at which it exists.

    Cut k is a threshold between 8-bit values: its foreground is the values above k.

    Attributes:
        peak: Maximum 8-bit value, which is also the number of cuts.
        birth: First cut of each contour, shape (n,).
        death: One more than its last cut, shape (n,).
        boxes: Box of each contour as the reference computes it, shape (n, 4):
            ``[x, y, min(x + w, W - 1), min(y + h, H - 1)]``, right and bottom included although they are one pixel
            further out. The box of a hole is larger by 1 on each side.
        outer: Whether a contour is an outer one, shape (n,).
    """

    peak: int
    birth: NDArray[np.int32]
    death: NDArray[np.int32]
    boxes: NDArray[np.int32]
    outer: NDArray[np.bool_]
    _levels: NDArray[np.uint8] = field(repr=False)
    _components: NDArray[np.int32] = field(repr=False)

    def cut_indices(self, thresholds: NDArray[np.float64] = THRESHOLDS) -> NDArray[np.int64]:
        """Return the cut of each threshold, ``int(threshold * peak)``."""
        return (thresholds * self.peak).astype(np.int64)

    def largest_boxes(self) -> NDArray[np.int32]:
        """Return the box of the contour with the largest polygon area at each cut, shape (peak, 4).

        The polygon passes through the pixel centers, and its holes are filled. Of equally large contours, the one whose
        first pixel in raster order comes last is used.
        """
        from weakspot.ops.threshold_kernels import best_per_threshold
        from weakspot.ops.union_find import BIRTH, DEATH, FIRST_PIXEL

        outer = self._components
        rank = _outline_areas(self._levels, outer, self.peak) * (self._levels.size + 1) + outer[:, FIRST_PIXEL]
        return self.boxes[: len(outer)][best_per_threshold(outer[:, BIRTH], outer[:, DEATH], rank, self.peak)]

    def counts(self) -> NDArray[np.int64]:
        """Count the contours at each cut, shape (peak,)."""
        changes = np.zeros(self.peak + 1, np.int64)
        np.add.at(changes, self.birth, 1)
        np.add.at(changes, self.death, -1)
        counts: NDArray[np.int64] = changes.cumsum()[:-1]
        return counts


def reference_contours(score_map: NDArray[np.floating], *, holes: bool = True) -> Contours:
    """Find every contour of a score map at every threshold, as the reference evaluator does.

    Args:
        score_map: Shape (H, W), values in [0, 1].
        holes: Whether to include the contours of holes; the largest contour is the same without them.

    Returns:
        The contours, outer ones first; none if every value is below 1/255.

    Raises:
        InputError: ``shape-mismatch``, ``not-finite`` or ``out-of-range``.

    Source:
        Choe et al., CVPR 2020, and its reference code.

    Example:
        >>> contours = reference_contours(np.pad(np.array([[0.5, 1.0]]), 1))
        >>> contours.boxes.tolist(), contours.birth.tolist(), contours.death.tolist()
        ([[2, 1, 3, 2], [1, 1, 3, 2]], [127, 0], [255, 127])
    """
    from weakspot.ops import union_find
    from weakspot.ops.union_find import BIRTH, DEATH, X1, Y2

    check_score_map(score_map)
    levels = (score_map.astype(np.float64) * 255).astype(np.uint8)  # truncates
    peak = int(levels.max())
    outer = union_find.components_of_levels(levels)
    inner = _holes(levels, peak) if holes else outer[:0]
    height, width = levels.shape
    grown = inner[:, X1 : Y2 + 1] + np.array([-1, -1, 1, 1], np.int32)
    boxes = np.concatenate([outer[:, X1 : Y2 + 1], grown])
    np.minimum(boxes, np.array([width - 1, height - 1] * 2, np.int32), out=boxes)
    return Contours(
        peak=peak,
        birth=np.concatenate([outer[:, BIRTH], peak - inner[:, DEATH]]),
        death=np.concatenate([outer[:, DEATH], peak - inner[:, BIRTH]]),
        boxes=boxes,
        outer=np.arange(len(boxes)) < len(outer),
        _levels=levels,
        _components=outer,
    )


def _holes(levels: NDArray[np.uint8], peak: int) -> NDArray[np.int32]:
    """Find the 4-connected components of the complement that do not reach the border; cuts count down from the peak.

    The background of cut k is ``peak - levels > peak - 1 - k``.
    """
    from weakspot.ops.union_find import X1, X2, Y1, Y2, components_of_levels

    height, width = levels.shape
    components = components_of_levels(peak - levels, diagonal=False)
    inside: NDArray[np.bool_] = (
        (components[:, X1] > 0) & (components[:, Y1] > 0) & (components[:, X2] < width) & (components[:, Y2] < height)
    )
    holes: NDArray[np.int32] = components[inside]
    return holes


def _outline_areas(levels: NDArray[np.uint8], components: NDArray[np.int32], cuts: int) -> NDArray[np.int64]:
    """Compute twice the area within each outline that may be the largest of a cut, and a lower bound of the others."""
    from weakspot.ops.contour_area import fill_areas
    from weakspot.ops.threshold_kernels import best_per_threshold
    from weakspot.ops.union_find import BIRTH, DEATH, EULER, FIRST_PIXEL, POLYGON, X1, X2, Y1, Y2

    areas = components[:, POLYGON].astype(np.int64)  # exact without holes, else a lower bound
    has_holes = components[:, EULER] != 4
    if has_holes.any():
        box_areas = (components[:, X2] - components[:, X1] - 1).astype(np.int64) * (
            components[:, Y2] - components[:, Y1] - 1
        )
        lower_bounds = areas[best_per_threshold(components[:, BIRTH], components[:, DEATH], areas, cuts)]
        upper_bounds = np.where(has_holes, 2 * box_areas, 0)
        fill_areas(levels, components[:, [BIRTH, DEATH, FIRST_PIXEL]], upper_bounds, lower_bounds, areas)
    return areas
