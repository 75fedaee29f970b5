"""Leave corners out of a line."""

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray


def simplify_polyline(line: NDArray[np.float64], tolerance: float) -> NDArray[np.bool_]:
    """Choose the corners of a line that lies no farther than the tolerance from all that are left out.

    Args:
        line: Shape (n, 2), n >= 1; a ring ends where it begins.
        tolerance: Greatest distance from the new line, >= 0.

    Returns:
        Shape (n,); the first and the last corner are kept.

    Source:
        Douglas and Peucker, "Algorithms for the Reduction of the Number of Points Required to Represent a Digitized
        Line or its Caricature", Cartographica 1973.

    Example:
        >>> simplify_polyline(np.array([[0.0, 0.0], [1.0, 0.1], [2.0, 0.0], [3.0, 5.0]]), 0.5).tolist()
        [True, False, True, True]
    """
    kept: NDArray[np.bool_] = _kept(np.ascontiguousarray(line, np.float64), float(tolerance))
    return kept


@njit(cache=True, nogil=True)
def _kept(line: Any, tolerance: float) -> Any:
    kept = np.zeros(len(line), np.bool_)
    kept[0] = kept[-1] = True
    pending = [(0, len(line) - 1)]
    while pending:
        start, end = pending.pop()
        farthest, squared = start, tolerance * tolerance
        for i in range(start + 1, end):
            distance = _squared_distance(line[i], line[start], line[end])
            if distance > squared:
                farthest, squared = i, distance
        if farthest > start:
            kept[farthest] = True
            pending.append((start, farthest))
            pending.append((farthest, end))
    return kept


@njit(cache=True, nogil=True)
def _squared_distance(point: Any, start: Any, end: Any) -> float:
    """Squared distance of a point from a segment, which may be a point."""
    across, down = end[0] - start[0], end[1] - start[1]
    from_start = (point[0] - start[0]) * across + (point[1] - start[1]) * down
    length = across * across + down * down
    share = min(max(from_start / length, 0.0), 1.0) if length > 0 else 0.0
    x, y = start[0] + share * across - point[0], start[1] + share * down - point[1]
    return float(x * x + y * y)
