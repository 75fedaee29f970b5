"""Resize maps by two small matrix products, one for the rows and one for the columns."""

from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from weakspot.errors import InputError
from weakspot.ops.checks import check_array

Kernel = Literal["bilinear", "bicubic"]

# The cubic convolution coefficient that torch and OpenCV use (Keys, IEEE TASSP 1981, takes -0.5).
_A = -0.75


def resize(maps: NDArray[np.floating], *, height: int, width: int, kernel: Kernel = "bicubic") -> NDArray[np.float64]:
    """Resize maps with pixel centres aligned (``align_corners=False``), edges repeated, no antialiasing.

    Args:
        maps: Maps of shape (..., h, w), any finite values.
        height: Rows of the result, at least 1.
        width: Columns of the result, at least 1.
        kernel: ``"bicubic"`` may overshoot the range of its input; ``"bilinear"`` never does.

    Returns:
        Maps of shape (..., height, width).

    Source:
        Keys, "Cubic Convolution Interpolation for Digital Image Processing", IEEE TASSP 1981, with the
        coefficient -0.75 of OpenCV and PyTorch.

    Example:
        >>> resize(np.array([[0.0, 1.0]]), height=1, width=4, kernel="bilinear").tolist()
        [[0.0, 0.25, 0.75, 1.0]]
    """
    check_array(maps, "maps")
    if min(height, width) < 1:
        raise InputError(f"{height} x {width} is no size to resize to.", "Give 1 or more rows and columns.")
    rows = _interpolation_matrix(maps.shape[-2], height, kernel)  # (height, h)
    columns = _interpolation_matrix(maps.shape[-1], width, kernel)  # (width, w)
    resized: NDArray[np.float64] = rows @ maps.astype(np.float64) @ columns.T
    return resized


@lru_cache(maxsize=16)  # a photo's is some megabytes
def _interpolation_matrix(source: int, target: int, kernel: Kernel) -> NDArray[np.float64]:
    """Weights of the source pixels in each target pixel, shape (target, source); each row sums to 1."""
    centres = (np.arange(target) + 0.5) * source / target - 0.5
    first = np.floor(centres).astype(np.int64)
    taps = range(-1, 3) if kernel == "bicubic" else range(2)
    weigh = _cubic if kernel == "bicubic" else _triangle
    matrix = np.zeros((target, source))
    for tap in taps:
        index = np.clip(first + tap, 0, source - 1)
        np.add.at(matrix, (np.arange(target), index), weigh(np.abs(centres - first - tap)))
    matrix.setflags(write=False)
    return matrix


def _triangle(distance: NDArray[np.float64]) -> NDArray[np.float64]:
    return 1.0 - distance


def _cubic(distance: NDArray[np.float64]) -> NDArray[np.float64]:
    near = ((_A + 2) * distance - (_A + 3)) * distance**2 + 1
    far = ((_A * distance - 5 * _A) * distance + 8 * _A) * distance - 4 * _A
    return np.where(distance <= 1, near, far)
