"""Component tree of a heatmap: every connected component at every threshold, from one pass over the map."""

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
    """Every 8-connected component of a heatmap at every threshold.

    A node is a set of pixels that is a component at one threshold or at several consecutive ones.

    Attributes:
        thresholds: Absolute thresholds, ascending, shape (T,); the foreground of each is ``heatmap >= threshold``.
        birth: Index of the first threshold at which a node is a component, shape (n,).
        death: Index after the last such threshold, shape (n,).
        areas: Number of pixels of each node, shape (n,).
        boxes: Bounding boxes, shape (n, 4), xyxy in heatmap pixels, right and bottom excluded.
        first_pixel: Each node's first pixel in raster order, ``y * width + x``, shape (n,).
        evidence: Sum of the evidence in the pixels of each node, shape (n,); all 0 without evidence.
    """

    thresholds: NDArray[np.floating]
    birth: NDArray[np.int32]
    death: NDArray[np.int32]
    areas: NDArray[np.int32]
    boxes: NDArray[np.int32]
    first_pixel: NDArray[np.int32]
    evidence: NDArray[np.int32]
    _heatmap: NDArray[np.floating] = field(repr=False)
    _fractions: NDArray[np.float64] | None = field(repr=False)

    @property
    def shape(self) -> tuple[int, int]:
        """``(height, width)`` of the heatmap."""
        height, width = self._heatmap.shape
        return height, width

    def nodes(self, threshold: float) -> NDArray[np.intp]:
        """Find the components at a threshold: by descending evidence, then area, then in raster order.

        Args:
            threshold: Fraction of the heatmap's maximum, in (0, 1].

        Returns:
            Indices of nodes; none if no value of the heatmap is above 0.

        Raises:
            InputError: ``out-of-range`` for the threshold; ``unknown-threshold`` if the tree was built for others.
        """
        index = self._index(threshold)
        alive = np.flatnonzero((self.birth <= index) & (index < self.death))
        return alive[np.lexsort((self.first_pixel[alive], -self.areas[alive], -self.evidence[alive]))]

    def boxes_at(self, threshold: float, *, min_area: float = 0.0) -> NDArray[np.float64]:
        """Bound every component at a threshold, as :func:`~weakspot.ops.boxes_from_heatmap` does.

        Args:
            threshold: Fraction of the heatmap's maximum, in (0, 1].
            min_area: Minimum area of a component as a fraction of the heatmap's; the first is always kept.

        Returns:
            Boxes of shape (n, 4), n >= 1, in the order of :meth:`nodes`; the whole image if no value is above 0.

        Raises:
            InputError: As :meth:`nodes`.
        """
        nodes = self.nodes(threshold)
        selected = [*nodes[:1], *(i for i in nodes[1:] if self.areas[i] >= min_area * self._heatmap.size)]
        return self.boxes[selected].astype(np.float64) if selected else self._whole()

    def best_boxes(self) -> NDArray[np.float64]:
        """Bound the first of :meth:`nodes` at each threshold, shape (T, 4); the whole image if no value is above 0."""
        return self._boxes_of_first(self.first_pixel, -self.areas, -self.evidence)

    def largest_boxes(self) -> NDArray[np.float64]:
        """Bound the largest component at each threshold: shape (T, 4), the whole image if no value is above 0."""
        return self._boxes_of_first(self.first_pixel, -self.areas)

    def _boxes_of_first(self, *keys: NDArray[np.int32]) -> NDArray[np.float64]:
        """Bound the first component at each threshold in ascending order of the last key, ties by those before it."""
        from weakspot.ops.threshold_kernels import best_per_threshold

        if not len(self.boxes):
            return self._whole().repeat(len(self.thresholds), 0)
        rank = np.empty(len(self.boxes), np.intp)
        rank[np.lexsort(keys)[::-1]] = np.arange(len(rank))
        best = best_per_threshold(self.birth, self.death, rank, len(self.thresholds))
        return self.boxes[best].astype(np.float64)

    def counts(self) -> NDArray[np.int64]:
        """Count the components at each threshold: shape (T,)."""
        changes = np.zeros(len(self.thresholds) + 1, np.int64)
        np.add.at(changes, self.birth, 1)
        np.add.at(changes, self.death, -1)
        counts: NDArray[np.int64] = changes.cumsum()[:-1]
        return counts

    def _index(self, threshold: float) -> int:
        check_threshold(threshold)
        if self._fractions is not None and threshold not in self._fractions:
            raise InputError(
                "unknown-threshold",
                f"The component tree does not contain the threshold {threshold}.",
                "Build it with this threshold, or without thresholds for all of them.",
            )
        absolute = _above_zero(np.asarray(absolute_threshold(self._heatmap, threshold)))
        return int(np.searchsorted(self.thresholds, absolute))

    def _whole(self) -> NDArray[np.float64]:
        return np.array([[0, 0, self._heatmap.shape[1], self._heatmap.shape[0]]], np.float64)


def component_tree(
    heatmap: NDArray[np.floating],
    thresholds: Sequence[float] | NDArray[np.floating] | None = None,
    *,
    evidence: NDArray[np.int32] | None = None,
) -> ComponentTree:
    """Find every connected component of a heatmap at every threshold, in one pass.

    Args:
        heatmap: Heatmap of shape (H, W), any finite values; negative values count as 0.
        thresholds: Ascending fractions of the maximum, in (0, 1]; fewer thresholds make a smaller tree. None builds a
            tree for every threshold, with one at each value of the heatmap.
        evidence: Evidence in each pixel, shape (H, W), from :func:`~weakspot.ops.evidence_per_pixel`.

    Returns:
        The tree, whose components at each threshold are those of :func:`~weakspot.ops.connected_components`. It has no
        nodes if no value of the heatmap is above 0.

    Raises:
        InputError: ``array-invalid``, ``dtype-mismatch``, ``shape-mismatch`` or ``not-finite`` for the heatmap;
            ``out-of-range`` or ``thresholds-invalid`` for the thresholds.

    Source:
        Najman and Couprie, "Building the Component Tree in Quasi-Linear Time", IEEE TIP 2006.

    Example:
        >>> tree = component_tree(np.array([[9.0, 0.0, 5.0, 8.0]]))
        >>> tree.boxes_at(0.5).tolist()
        [[2.0, 0.0, 4.0, 1.0], [0.0, 0.0, 1.0, 1.0]]
        >>> tree.thresholds.tolist(), tree.counts().tolist()
        ([5.0, 8.0, 9.0], [2, 2, 1])
    """
    from weakspot.ops import union_find  # imports numba, which takes a second
    from weakspot.ops.threshold_kernels import digitize

    check_heatmap(heatmap)
    fractions = None if thresholds is None else _checked(np.asarray(thresholds, np.float64))
    absolute = _positive_values(heatmap) if fractions is None else _above_zero(absolute_threshold(heatmap, fractions))
    components = union_find.components_of_levels(digitize(heatmap, absolute), evidence=evidence)
    return ComponentTree(
        thresholds=absolute,
        birth=components[:, union_find.BIRTH],
        death=components[:, union_find.DEATH],
        areas=components[:, union_find.AREA],
        boxes=components[:, union_find.X1 : union_find.Y2 + 1],
        first_pixel=components[:, union_find.FIRST_PIXEL],
        evidence=components[:, union_find.EVIDENCE],
        _heatmap=heatmap,
        _fractions=fractions,
    )


def _positive_values(heatmap: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return the distinct values above 0, ascending."""
    values = np.unique(heatmap)
    return values[values > 0]


def _above_zero(thresholds: NDArray[Any]) -> NDArray[Any]:
    """Raise thresholds of 0 to the smallest positive number, so that pixels of value 0 never pass."""
    above: NDArray[Any] = np.maximum(thresholds, np.finfo(thresholds.dtype).smallest_subnormal)
    return above


def _checked(thresholds: NDArray[np.float64]) -> NDArray[np.float64]:
    for threshold in thresholds:
        check_threshold(float(threshold))
    if (np.diff(thresholds) <= 0).any():
        raise InputError("thresholds-invalid", f"thresholds must be strictly ascending, got {thresholds.tolist()}.")
    return thresholds
