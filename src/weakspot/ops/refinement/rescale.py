"""What a refinement finds, as a heatmap that is cut where the heatmap before it was."""

import numpy as np
from numpy.typing import NDArray


def remap_with_mask(heatmap: NDArray[np.floating], mask: NDArray[np.bool_], level: float) -> NDArray[np.float32]:
    """Lift what is inside of a mask to a level or above it, and press what is outside below it.

    Within both parts the order of values stays, so that other thresholds still mean something.

    Args:
        heatmap: Shape (H, W), in [0, 1].
        mask: Shape (H, W).
        level: In (0, 1).

    Returns:
        Shape (H, W), in [0, 1]: cut at the level, it is the mask.

    Example:
        >>> remap_with_mask(np.array([[0.0, 0.5, 1.0]]), np.array([[True, True, False]]), 0.5).tolist()
        [[0.5, 0.75, 0.4999999701976776]]
    """
    inside, outside = level + (1 - level) * heatmap, level * heatmap
    below = np.nextafter(np.float32(level), np.float32(0))
    lifted: NDArray[np.float32] = np.where(mask, inside, np.minimum(outside, below)).astype(np.float32)
    return lifted


def remap(likely: NDArray[np.floating], level: float) -> NDArray[np.float32]:
    """Bend probabilities of foreground so that what was a half comes to lie at a level; the order of values stays.

    Args:
        likely: Shape (H, W), in [0, 1].
        level: In (0, 1).

    Example:
        >>> remap(np.array([[0.0, 0.25, 0.5, 1.0]]), 0.2).round(2).tolist()
        [[0.0, 0.10000000149011612, 0.20000000298023224, 1.0]]
    """
    low, high = 2 * level * likely, level + (2 * likely - 1) * (1 - level)
    return np.where(likely < 0.5, low, high).astype(np.float32)
