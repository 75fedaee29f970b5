"""Resize maps by two matrix products, one for the rows and one for the columns."""

from collections.abc import Iterator
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from weakspot.errors import check_positive
from weakspot.ops.checks import check_array

Kernel = Literal["bilinear", "bicubic"]

# Longest side to which a matrix resizes, as it has an entry for each pixel of both sides.
_MAX_MATRIX_SIDE = 65_536

# Larger products are shared among OpenBLAS's own threads. If all cores run the pipeline, these wait for one another,
# which takes a hundred times as long as the product.
_MAX_MULTIPLICATIONS = 2**18

# The cubic convolution coefficient that torch and OpenCV use (Keys, IEEE TASSP 1981, has -0.5).
_A = -0.75


def resize(maps: NDArray[np.floating], *, height: int, width: int, kernel: Kernel = "bicubic") -> NDArray[np.float64]:
    """Resize maps with pixel centers aligned (``align_corners=False``), edges repeated, no antialiasing.

    Args:
        maps: Maps of shape (..., h, w), any finite values.
        height: Number of rows of the result, at least 1.
        width: Number of columns of the result, at least 1.
        kernel: ``"bicubic"`` may overshoot the range of its input; ``"bilinear"`` never does.

    Returns:
        Maps of shape (..., height, width).

    Raises:
        InputError: ``array-invalid`` or ``dtype-mismatch``; ``out-of-range`` for a size below 1.

    Source:
        Keys, "Cubic Convolution Interpolation for Digital Image Processing", IEEE TASSP 1981, with the
        coefficient -0.75 of OpenCV and PyTorch.

    Example:
        >>> resize(np.array([[0.0, 1.0]]), height=1, width=4, kernel="bilinear").tolist()
        [[0.0, 0.25, 0.75, 1.0]]
    """
    check_array(maps, "maps")
    check_positive(height, "height")
    check_positive(width, "width")
    if maps.shape[-2:] == (height, width):  # the matrices are those of the identity
        return maps.astype(np.float64)
    if max(height, width) > _MAX_MATRIX_SIDE:
        return _resize_long(maps.astype(np.float64), height, width, kernel)
    rows = _interpolation_matrix(maps.shape[-2], height, kernel)  # (height, h)
    columns = _interpolation_matrix(maps.shape[-1], width, kernel)  # (width, w)
    return multiply(multiply(rows, maps.astype(np.float64)), columns.T)


def _resize_long(maps: NDArray[np.float64], height: int, width: int, kernel: Kernel) -> NDArray[np.float64]:
    """Resize to a side of millions of pixels: the shorter side first, and the longer one without a matrix."""
    if width > height:
        return _resize_long(maps.swapaxes(-1, -2), width, height, kernel).swapaxes(-1, -2)
    narrow = multiply(maps, _interpolation_matrix(maps.shape[-1], width, kernel).T)
    resized = np.zeros((*maps.shape[:-2], height, width))
    for index, weights in _taps(maps.shape[-2], height, kernel):
        resized += weights[:, None] * narrow[..., index, :]
    return resized


def multiply(left: NDArray[np.float64], right: NDArray[np.float64]) -> NDArray[np.float64]:
    """Multiply matrices (..., m, k) and (..., k, n), some rows at a time, each on this thread alone."""
    multiplications = left.shape[-2] * left.shape[-1] * right.shape[-1]
    blocks = np.array_split(left, multiplications // _MAX_MULTIPLICATIONS + 1, axis=-2)
    return np.concatenate([block @ right for block in blocks], axis=-2)


@lru_cache(maxsize=16)  # the matrix of a large image has some megabytes
def _interpolation_matrix(source: int, target: int, kernel: Kernel) -> NDArray[np.float64]:
    """Compute the weights of the source pixels in each target pixel, shape (target, source); each row sums to 1."""
    matrix = matrix_at(_centers(source, target), source, kernel)
    matrix.setflags(write=False)
    return matrix


def matrix_at(centers: NDArray[np.float64], source: int, kernel: Kernel = "bicubic") -> NDArray[np.float64]:
    """Compute the weights of ``source`` pixels in values at any positions; each row sums to 1.

    Args:
        centers: Positions of shape (n,), in pixels of the source, 0 in the center of its first pixel. Beyond its first
            and last pixel, the edge is repeated.
        source: Number of pixels of the source.
        kernel: As for :func:`resize`.

    Returns:
        Shape (n, source).

    Example:
        >>> matrix_at(np.array([0.0, 0.5, 9.0]), 2, "bilinear").tolist()
        [[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]]
    """
    matrix = np.zeros((len(centers), source))
    for index, weights in _taps_at(centers, source, kernel):
        np.add.at(matrix, (np.arange(len(centers)), index), weights)
    return matrix


def _centers(source: int, target: int) -> NDArray[np.float64]:
    """Return the centers of the target pixels, in pixels of the source."""
    centers: NDArray[np.float64] = (np.arange(target) + 0.5) * source / target - 0.5
    return centers


def _taps(source: int, target: int, kernel: Kernel) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float64]]]:
    """Yield the source pixel and its weight in each target pixel, for each of the two or four that are mixed."""
    return _taps_at(_centers(source, target), source, kernel)


def _taps_at(
    centers: NDArray[np.float64], source: int, kernel: Kernel
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float64]]]:
    first = np.floor(centers).astype(np.int64)
    weight_at = _cubic if kernel == "bicubic" else _triangle
    for tap in range(-1, 3) if kernel == "bicubic" else range(2):
        yield np.clip(first + tap, 0, source - 1), weight_at(np.abs(centers - first - tap))


def _triangle(distance: NDArray[np.float64]) -> NDArray[np.float64]:
    return 1.0 - distance


def _cubic(distance: NDArray[np.float64]) -> NDArray[np.float64]:
    near = ((_A + 2) * distance - (_A + 3)) * distance**2 + 1
    far = ((_A * distance - 5 * _A) * distance + 8 * _A) * distance - 4 * _A
    return np.where(distance <= 1, near, far)
