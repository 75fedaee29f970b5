"""Turn the result of a refinement into a heatmap that is cut at the threshold of the original one."""

import numpy as np
from numpy.typing import NDArray


def remap_with_mask(heatmap: NDArray[np.floating], mask: NDArray[np.bool_], threshold: float) -> NDArray[np.float32]:
    """Raise the values inside a mask to a threshold or above, and lower those outside below it.

    The order of the values within both parts is preserved, so other thresholds remain meaningful. Heatmap and result
    have shape (H, W), in [0, 1]; at the threshold, in (0, 1), the foreground of the result is the mask.

    Example:
        >>> remap_with_mask(np.array([[0.0, 0.5, 1.0]]), np.array([[True, True, False]]), 0.5).tolist()
        [[0.5, 0.75, 0.4999999701976776]]
    """
    inside, outside = threshold + (1 - threshold) * heatmap, threshold * heatmap
    below = np.nextafter(np.float32(threshold), np.float32(0))
    remapped: NDArray[np.float32] = np.where(mask, inside, np.minimum(outside, below)).astype(np.float32)
    return remapped


def remap(probability: NDArray[np.floating], threshold: float) -> NDArray[np.float32]:
    """Map foreground probabilities in [0, 1] piecewise linearly such that 0.5 becomes the threshold.

    Example:
        >>> remap(np.array([[0.0, 0.25, 0.5, 1.0]]), 0.2).round(2).tolist()
        [[0.0, 0.10000000149011612, 0.20000000298023224, 1.0]]
    """
    low, high = 2 * threshold * probability, threshold + (2 * probability - 1) * (1 - threshold)
    return np.where(probability < 0.5, low, high).astype(np.float32)
