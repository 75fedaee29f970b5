"""Heatmap -> component tree: every connected component at every threshold, from one pass over the map."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from weakspot.errors import InputError
from weakspot.ops.boxes import absolute_threshold
from weakspot.ops.checks import check_heatmap, check_threshold


@dataclass(frozen=True, eq=False)
class ComponentTree:
    """Every 8-connected component of a heatmap at every cut.

    A node is a set of pixels that is a component at one cut or at several in a row.

    Attributes:
        thresholds: Absolute thresholds, ascending, shape (T,); the foreground of each is ``heatmap >= threshold``.
        birth: First cut at which a node is a component, shape (n,).
        death: One more than the last such cut, shape (n,).
        areas: Number of pixels of each node, shape (n,).
        boxes: Bounding boxes, shape (n, 4), xyxy in heatmap pixels, right and bottom excluded.
        first_pixel: Each node's first pixel in raster order, ``y * width + x``, shape (n,).
    """

    thresholds: NDArray[np.floating]
    birth: NDArray[np.int32]
    death: NDArray[np.int32]
    areas: NDArray[np.int32]
    boxes: NDArray[np.int32]
    first_pixel: NDArray[np.int32]
    _heatmap: NDArray[np.floating] = field(repr=False)
    _fractions: NDArray[np.float64] | None = field(repr=False)

    @property
    def shape(self) -> tuple[int, int]:
        """``(height, width)`` of the heatmap."""
        height, width = self._heatmap.shape
        return height, width

    def nodes(self, threshold: float) -> NDArray[np.intp]:
        """Find the components at a threshold, largest first; of equal areas the first in raster order is first.

        Args:
            threshold: Fraction of the heatmap's peak, in (0, 1].

        Returns:
            Indices of nodes; none when nothing in the heatmap is above 0.

        Raises:
            InputError: If the threshold is outside (0, 1], or not one of those that the tree was made for.
        """
        cut = self._cut(threshold)
        alive = np.flatnonzero((self.birth <= cut) & (cut < self.death))
        return alive[np.lexsort((self.first_pixel[alive], -self.areas[alive]))]

    def boxes_at(self, threshold: float, *, min_area: float = 0.0) -> NDArray[np.float64]:
        """Bound every component at a threshold, as :func:`~weakspot.ops.boxes_from_heatmap` does.

        Args:
            threshold: Fraction of the heatmap's peak, in (0, 1].
            min_area: Least area of a component as a fraction of the heatmap's; the largest is kept whatever its area.

        Returns:
            Boxes of shape (n, 4), n >= 1, largest component first; the whole image when nothing is above 0.
        """
        alive = self.nodes(threshold)
        kept = [*alive[:1], *(i for i in alive[1:] if self.areas[i] >= min_area * self._heatmap.size)]
        return self.boxes[kept].astype(np.float64) if kept else self._whole()

    def largest_boxes(self) -> NDArray[np.float64]:
        """Bound the largest component at each cut: shape (C, 4), the whole image where nothing is above 0."""
        from weakspot.ops.threshold_kernels import best_per_threshold

        # A larger area wins, and among equal areas the earlier first pixel.
        rank = self.areas.astype(np.int64) * (self._heatmap.size + 1) - self.first_pixel
        largest = best_per_threshold(self.birth, self.death, rank, len(self.thresholds))
        return (
            self.boxes[largest].astype(np.float64) if len(self.boxes) else self._whole().repeat(len(self.thresholds), 0)
        )

    def counts(self) -> NDArray[np.int64]:
        """Count the components at each cut: shape (C,)."""
        ends = np.zeros(len(self.thresholds) + 1, np.int64)
        np.add.at(ends, self.birth, 1)
        np.add.at(ends, self.death, -1)
        counted: NDArray[np.int64] = ends.cumsum()[:-1]
        return counted

    def _cut(self, threshold: float) -> int:
        check_threshold(threshold)
        if self._fractions is not None and threshold not in self._fractions:
            raise InputError(
                f"The component tree was not made for the threshold {threshold}.",
                "Make it with that threshold among its own, or with none for all of them.",
            )
        return int(
            np.searchsorted(self.thresholds, _above_zero(np.asarray(absolute_threshold(self._heatmap, threshold))))
        )

    def _whole(self) -> NDArray[np.float64]:
        return np.array([[0, 0, self._heatmap.shape[1], self._heatmap.shape[0]]], np.float64)


def component_tree(
    heatmap: NDArray[np.floating], thresholds: Sequence[float] | NDArray[np.floating] | None = None
) -> ComponentTree:
    """Find every connected component of a heatmap at every threshold, in one pass.

    Args:
        heatmap: Heatmap of shape (H, W), any finite values; negative counts as 0.
        thresholds: Rising fractions of the peak, in (0, 1], for which the tree is wanted: fewer make it smaller.
            None makes it for all, with a cut at each value that the heatmap has.

    Returns:
        The tree; at each threshold its components are those that :func:`~weakspot.ops.connected_components` finds.
        Without nodes when nothing in the heatmap is above 0.

    Raises:
        InputError: If the heatmap is not a finite 2-D array, or a threshold is outside (0, 1] or out of order.

    Source:
        Najman and Couprie, "Building the Component Tree in Quasi-Linear Time", IEEE TIP 2006.

    Example:
        >>> tree = component_tree(np.array([[9.0, 0.0, 5.0, 8.0]]))
        >>> tree.boxes_at(0.5).tolist()
        [[2.0, 0.0, 4.0, 1.0], [0.0, 0.0, 1.0, 1.0]]
        >>> tree.thresholds.tolist(), tree.counts().tolist()
        ([5.0, 8.0, 9.0], [2, 2, 1])
    """
    from weakspot.ops import union_find  # numba takes a second to load
    from weakspot.ops.threshold_kernels import digitize

    check_heatmap(heatmap)
    wanted = None if thresholds is None else _checked(np.asarray(thresholds, np.float64))
    cuts = _values(heatmap) if wanted is None else _above_zero(absolute_threshold(heatmap, wanted))
    found = union_find.components_of_levels(digitize(heatmap, cuts))
    return ComponentTree(
        thresholds=cuts,
        birth=found[:, union_find.BIRTH],
        death=found[:, union_find.DEATH],
        areas=found[:, union_find.AREA],
        boxes=found[:, union_find.X1 : union_find.Y2 + 1],
        first_pixel=found[:, union_find.FIRST_PIXEL],
        _heatmap=heatmap,
        _fractions=wanted,
    )


def _values(heatmap: NDArray[np.floating]) -> NDArray[np.floating]:
    """The values above 0 that a heatmap has, rising."""
    values = np.unique(heatmap)
    return values[values > 0]


def _above_zero(cuts: NDArray[Any]) -> NDArray[Any]:
    """Where the peak is 0, or so small that its fraction is, no pixel of value 0 must pass."""
    above: NDArray[Any] = np.maximum(cuts, np.finfo(cuts.dtype).smallest_subnormal)
    return above


def _checked(thresholds: NDArray[np.float64]) -> NDArray[np.float64]:
    for threshold in thresholds:
        check_threshold(float(threshold))
    if (np.diff(thresholds) <= 0).any():
        raise InputError("The thresholds of a component tree must rise.", "Sort them, each once.")
    return thresholds
