"""How many of some rising cuts each value of a map passes."""

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray


def digitize(values: NDArray[np.floating], cuts: NDArray[np.floating]) -> NDArray[np.integer[Any]]:
    """Count the cuts that each value is at or above.

    Args:
        values: Shape (H, W), finite.
        cuts: Rising, shape (C,), in the precision of the values.

    Returns:
        Shape (H, W), 0 to C: what ``numpy.searchsorted`` gives with ``side="right"``, faster where the cuts are evenly
        spaced.

    Example:
        >>> digitize(np.array([[0.1, 0.5, 0.9]]), np.array([0.25, 0.5, 0.75])).tolist()
        [[0, 2, 3]]
    """
    steps = np.diff(cuts)
    if len(steps) and steps.min() > 0.5 * steps.mean() and cuts[0] < 2 * steps.mean():
        values = values.astype(np.float32) if values.dtype == np.float16 else values  # which numba has not
        return _near_guess(values, cuts.astype(values.dtype), len(cuts) / float(cuts[-1]))  # type: ignore[no-any-return]
    return np.searchsorted(cuts, values.ravel(), side="right").reshape(values.shape)


@njit(cache=True, nogil=True)
def _near_guess(values: Any, cuts: Any, per_unit: float) -> Any:
    """Begin where an even spacing would have it, and go from there."""
    height, width = values.shape
    passed = np.empty((height, width), np.int32)
    last = len(cuts)
    for y in range(height):
        for x in range(width):
            value = values[y, x]
            level = min(max(int(value * per_unit), 0), last)
            while level < last and cuts[level] <= value:
                level += 1
            while level > 0 and cuts[level - 1] > value:
                level -= 1
            passed[y, x] = level
    return passed
