"""What is best among the nodes of a component tree that are alive at each cut."""

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray


def best_per_threshold(
    lows: NDArray[np.int32], highs: NDArray[np.int32], ranks: NDArray[np.generic], cuts: int
) -> NDArray[np.intp]:
    """Find the node of the highest rank at each cut.

    Args:
        lows: First cut at which each node is alive, shape (n,).
        highs: One more than the last such cut, shape (n,).
        ranks: Shape (n,); of equal ranks the first node is taken.
        cuts: Number of cuts.

    Returns:
        Index of a node for each cut, shape (cuts,); -1 where none is alive.

    Example:
        >>> best_per_threshold(np.array([0, 1], np.int32), np.array([2, 3], np.int32), np.array([5, 7]), 4).tolist()
        [0, 1, 1, -1]
    """
    best: NDArray[np.intp] = _best_alive(lows, highs, ranks, cuts)
    return best


@njit(cache=True, nogil=True)
def _best_alive(lows: Any, highs: Any, ranks: Any, cuts: int) -> Any:
    best = np.full(cuts, -1, np.intp)
    for node in range(len(ranks)):
        for cut in range(lows[node], highs[node]):
            if best[cut] < 0 or ranks[node] > ranks[best[cut]]:
                best[cut] = node
    return best
