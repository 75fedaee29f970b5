"""Arrays drawn as text, so that a test can be checked by eye."""

import numpy as np
from numpy.typing import NDArray

LEVELS = {".": 0.0, "-": 0.25, "+": 0.5, "#": 1.0}


def drawn(*rows: str) -> NDArray[np.float64]:
    """Turn rows of text into an array.

    Example:
        >>> drawn(".+", "#-").tolist()
        [[0.0, 0.5], [1.0, 0.25]]
    """
    return np.array([[LEVELS[level] for level in row] for row in rows])
