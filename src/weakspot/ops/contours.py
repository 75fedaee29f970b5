"""Score map -> the contours that the field's reference evaluator sees at every threshold, from two component trees.

The reference (Choe et al., "Evaluating Weakly Supervised Object Localization Methods Right", CVPR 2020, and its code)
cuts a map of 8-bit values and calls OpenCV's ``findContours`` a thousand times. The outer contours are the 8-connected
components of the map; the contours of holes are the 4-connected components of its complement that do not reach the
border.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from weakspot.ops.checks import check_score_map

THRESHOLDS = np.arange(0, 1, 0.001)


@dataclass(frozen=True, eq=False)
class Contours:
    """Every contour of a score map, outer ones and holes, and the cuts at which it is there.

    At cut k the foreground is the 8-bit values above k.

    Attributes:
        peak: Greatest 8-bit value; there are as many cuts.
        birth: First cut of each contour, shape (n,).
        death: One more than its last cut, shape (n,).
        boxes: Its box as the reference writes it, shape (n, 4): ``[x, y, min(x + w, W - 1), min(y + h, H - 1)]``, the
            right and bottom included though one pixel further out. A hole's is grown by 1 on each side.
        outer: Whether it is an outer contour, shape (n,).
    """

    peak: int
    birth: NDArray[np.int32]
    death: NDArray[np.int32]
    boxes: NDArray[np.int32]
    outer: NDArray[np.bool_]
    _levels: NDArray[np.uint8] = field(repr=False)
    _components: NDArray[np.int32] = field(repr=False)

    def cut_indices(self, thresholds: NDArray[np.float64] = THRESHOLDS) -> NDArray[np.int64]:
        """The cut of each threshold, ``int(threshold * peak)``."""
        return (thresholds * self.peak).astype(np.int64)

    def largest_boxes(self) -> NDArray[np.int32]:
        """The box of the contour with the greatest polygon area at each cut, shape (peak, 4).

        The area is that within the polygon through the pixel centres, holes filled; of equal ones the contour whose
        first pixel in raster order comes last is taken.
        """
        from weakspot.ops.threshold_kernels import best_per_threshold
        from weakspot.ops.union_find import BIRTH, DEATH, FIRST_PIXEL

        found = self._components
        rank = _outline_areas(self._levels, found, self.peak) * (self._levels.size + 1) + found[:, FIRST_PIXEL]
        return self.boxes[: len(found)][best_per_threshold(found[:, BIRTH], found[:, DEATH], rank, self.peak)]

    def counts(self) -> NDArray[np.int64]:
        """Number of contours at each cut, shape (peak,)."""
        ends = np.zeros(self.peak + 1, np.int64)
        np.add.at(ends, self.birth, 1)
        np.add.at(ends, self.death, -1)
        counted: NDArray[np.int64] = ends.cumsum()[:-1]
        return counted


def reference_contours(score_map: NDArray[np.floating], *, holes: bool = True) -> Contours:
    """Find every contour of a score map at every threshold, as the reference evaluator does.

    Args:
        score_map: Shape (H, W), values in [0, 1].
        holes: Whether the contours of holes are wanted; without them the largest is the same.

    Returns:
        The contours, outer ones first. None when every value is below 1/255.

    Raises:
        InputError: If the map is not 2-D, or holds NaN or values outside [0, 1].

    Source:
        Choe et al., CVPR 2020, and its reference code.

    Example:
        >>> found = reference_contours(np.pad(np.array([[0.5, 1.0]]), 1))
        >>> found.boxes.tolist(), found.birth.tolist(), found.death.tolist()
        ([[2, 1, 3, 2], [1, 1, 3, 2]], [127, 0], [255, 127])
    """
    from weakspot.ops import union_find
    from weakspot.ops.union_find import BIRTH, DEATH, X1, Y2

    check_score_map(score_map)
    levels = (score_map.astype(np.float64) * 255).astype(np.uint8)  # truncates
    peak = int(levels.max())
    found = union_find.components_of_levels(levels)
    inner = _holes(levels, peak) if holes else found[:0]
    height, width = levels.shape
    grown = inner[:, X1 : Y2 + 1] + np.array([-1, -1, 1, 1], np.int32)
    boxes = np.concatenate([found[:, X1 : Y2 + 1], grown])
    np.minimum(boxes, np.array([width - 1, height - 1] * 2, np.int32), out=boxes)
    return Contours(
        peak=peak,
        birth=np.concatenate([found[:, BIRTH], peak - inner[:, DEATH]]),
        death=np.concatenate([found[:, DEATH], peak - inner[:, BIRTH]]),
        boxes=boxes,
        outer=np.arange(len(boxes)) < len(found),
        _levels=levels,
        _components=found,
    )


def _holes(levels: NDArray[np.uint8], peak: int) -> NDArray[np.int32]:
    """The 4-connected components of the complement that do not reach the border; their cuts count down from the peak.

    The background of cut k is ``peak - levels > peak - 1 - k``.
    """
    from weakspot.ops.union_find import X1, X2, Y1, Y2, components_of_levels

    height, width = levels.shape
    found = components_of_levels(peak - levels, diagonally=False)
    within: NDArray[np.bool_] = (
        (found[:, X1] > 0) & (found[:, Y1] > 0) & (found[:, X2] < width) & (found[:, Y2] < height)
    )
    holes: NDArray[np.int32] = found[within]
    return holes


def _outline_areas(levels: NDArray[np.uint8], found: NDArray[np.int32], cuts: int) -> NDArray[np.int64]:
    """Twice the area within each component's outline, where that may be the greatest of a cut; else too little."""
    from weakspot.ops.contour_area import fill_areas
    from weakspot.ops.threshold_kernels import best_per_threshold
    from weakspot.ops.union_find import BIRTH, DEATH, EULER, FIRST_PIXEL, POLYGON, X1, X2, Y1, Y2

    areas = found[:, POLYGON].astype(np.int64)  # right without holes, else too little
    holed = found[:, EULER] != 4
    if holed.any():
        sides = (found[:, X2] - found[:, X1] - 1).astype(np.int64) * (found[:, Y2] - found[:, Y1] - 1)
        least = areas[best_per_threshold(found[:, BIRTH], found[:, DEATH], areas, cuts)]
        fill_areas(levels, found[:, [BIRTH, DEATH, FIRST_PIXEL]], np.where(holed, 2 * sides, 0), least, areas)
    return areas
