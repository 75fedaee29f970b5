"""Class map -> heatmap: resize first, min-max normalise after."""

import numpy as np
from numpy.typing import NDArray

from weakspot.ops.checks import check_array
from weakspot.ops.resizing import resize

# A spread below float32's rounding noise is no evidence: stretching it to [0, 1] would draw that noise.
_NOISE = 1e-6


def heatmap_from_class_map(class_map: NDArray[np.floating], *, height: int, width: int) -> NDArray[np.float32]:
    """Resize a class map bicubically and min-max normalise it.

    Args:
        class_map: Raw class map of shape (h, w), any sign.
        height: Rows of the heatmap.
        width: Columns of the heatmap.

    Returns:
        Heatmap of shape (height, width) in [0, 1]. All zeros when the class map is constant or holds a NaN or
        an infinity.

    Source:
        Choe et al., "Evaluating Weakly Supervised Object Localization Methods Right", CVPR 2020, section 4
        (min-max normalisation); their code normalises after resizing.

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
    """Stretch a map linearly so that its least value is 0 and its greatest is 1.

    Args:
        values: Map of shape (h, w), any sign.

    Returns:
        Map of the same shape in [0, 1]; all zeros when the input is constant (to 1e-6 of its greatest
        magnitude) or holds a NaN or an infinity.

    Example:
        >>> normalize(np.array([[1.0, 2.0, 5.0]])).tolist()
        [[0.0, 0.25, 1.0]]
    """
    numbers = values.astype(np.float64, copy=False)
    low, high = float(numbers.min()), float(numbers.max())
    spread = high - low
    if not np.isfinite(spread) or spread <= _NOISE * max(abs(low), abs(high)):
        return np.zeros(values.shape, np.float32)
    stretched = numbers - low
    stretched /= spread
    return stretched.astype(np.float32)
