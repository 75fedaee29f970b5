"""Turn class maps into heatmaps: resize first, then min-max normalize."""

import numpy as np
from numpy.typing import NDArray

from weakspot.ops.checks import check_array
from weakspot.ops.resizing import resize

# A smaller relative range is rounding noise of float32, which must not be scaled to [0, 1].
_NOISE = 1e-6


def heatmap_from_class_map(class_map: NDArray[np.floating], *, height: int, width: int) -> NDArray[np.float32]:
    """Resize a class map bicubically and min-max normalize it.

    Args:
        class_map: Raw class map of shape (h, w), any sign.
        height: Rows of the heatmap.
        width: Columns of the heatmap.

    Returns:
        Heatmap of shape (height, width) in [0, 1]. All zeros if the class map is constant or contains NaN or
        infinity.

    Raises:
        InputError: ``array-invalid`` or ``dtype-mismatch``; ``out-of-range`` for a size below 1.

    Source:
        Choe et al., "Evaluating Weakly Supervised Object Localization Methods Right", CVPR 2020, section 4
        (min-max normalization); their code normalizes after resizing.

    Example:
        >>> heatmap_from_class_map(np.array([[-2.0, 2.0]]), height=1, width=2).tolist()
        [[0.0, 1.0]]
        >>> heatmap_from_class_map(np.array([[3.0, 3.0]]), height=1, width=2).tolist()
        [[0.0, 0.0]]
    """
    check_array(class_map, "class_map")
    if not np.isfinite(class_map).all():
        return np.zeros((height, width), np.float32)
    return normalize(resize(class_map, height=height, width=width))


def normalize(values: NDArray[np.floating]) -> NDArray[np.float32]:
    """Scale a map linearly such that its minimum is 0 and its maximum is 1.

    Args:
        values: Map of shape (h, w), any sign.

    Returns:
        Map of the same shape in [0, 1]; all zeros if the input is constant (to 1e-6 of its maximum magnitude) or
        contains NaN or infinity.

    Example:
        >>> normalize(np.array([[1.0, 2.0, 5.0]])).tolist()
        [[0.0, 0.25, 1.0]]
    """
    scaled = values.astype(np.float64, copy=False)
    low, high = float(scaled.min()), float(scaled.max())
    extent = high - low
    if not np.isfinite(extent) or extent <= _NOISE * max(abs(low), abs(high)):
        return np.zeros(values.shape, np.float32)
    scaled = scaled - low
    scaled /= extent
    return scaled.astype(np.float32)


def move_threshold(values: NDArray[np.floating], old: float, new: float) -> NDArray[np.floating]:
    """Map values in [0, 1] piecewise linearly such that an old threshold becomes a new one, both in (0, 1).

    0 and 1 stay as they are. The opposite mapping restores the values.

    Example:
        >>> move_threshold(np.array([0.0, 0.25, 0.5, 1.0]), 0.5, 0.75).tolist()
        [0.0, 0.375, 0.75, 1.0]
    """
    below, above = values * (new / old), 1 - (1 - values) * ((1 - new) / (1 - old))
    return np.where(values < old, below, above)
