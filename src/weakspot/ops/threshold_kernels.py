"""Compiled loops over the thresholds of a map: digitizing, and the best component at each threshold.

Importing this module loads numba, which takes about a second.
"""

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray


def digitize(values: NDArray[np.floating], thresholds: NDArray[np.floating]) -> NDArray[np.integer[Any]]:
    """Count the thresholds that each value reaches, as ``numpy.searchsorted(..., side="right")`` does: shape (H, W).

    Thresholds are ascending, with the dtype of the values. It is faster than numpy if they are evenly spaced.
    """
    steps = np.diff(thresholds)
    if len(steps) and steps.min() > 0.5 * steps.mean() and thresholds[0] < 2 * steps.mean():
        values = values.astype(np.float32) if values.dtype == np.float16 else values  # numba does not support float16
        per_unit = len(thresholds) / float(thresholds[-1])
        return _search_from_guess(values, thresholds.astype(values.dtype), per_unit)  # type: ignore[no-any-return]
    return np.searchsorted(thresholds, values.ravel(), side="right").reshape(values.shape)


@njit(cache=True, nogil=True)
def _search_from_guess(values: Any, thresholds: Any, per_unit: float) -> Any:
    """Start from the position that even spacing implies, and step from there."""
    height, width = values.shape
    counts = np.empty((height, width), np.int32)
    last = len(thresholds)
    for y in range(height):
        for x in range(width):
            value = values[y, x]
            count = min(max(int(value * per_unit), 0), last)
            while count < last and thresholds[count] <= value:
                count += 1
            while count > 0 and thresholds[count - 1] > value:
                count -= 1
            counts[y, x] = count
    return counts


@njit(cache=True, nogil=True)
def best_per_threshold(
    birth: NDArray[np.int32], death: NDArray[np.int32], ranks: NDArray[np.generic], thresholds: int
) -> NDArray[np.intp]:
    """Find the component of the highest rank at each threshold; ties go to the first one, -1 if no component exists.

    Component i exists at the thresholds ``birth[i]`` to ``death[i] - 1``.
    """
    best = np.full(thresholds, -1, np.intp)
    for node in range(len(ranks)):
        for index in range(birth[node], death[node]):
            if best[index] < 0 or ranks[node] > ranks[best[index]]:
                best[index] = node
    return best
