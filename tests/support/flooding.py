"""Connected components the slow and obvious way: flood each region from its first pixel in raster order."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Pixel = tuple[int, int]


def flooded(foreground: NDArray[np.bool_]) -> list[set[Pixel]]:
    """List the 8-connected regions as sets of (row, column), by their first pixel in raster order.

    Example:
        >>> [sorted(region) for region in flooded(np.array([[1, 0, 0], [0, 1, 0], [0, 0, 0], [1, 0, 0]], dtype=bool))]
        [[(0, 0), (1, 1)], [(3, 0)]]
    """
    left = {(int(row), int(column)) for row, column in np.argwhere(foreground)}
    regions = []
    while left:
        reached, waiting = set(), {min(left)}
        while waiting:
            reached |= waiting
            waiting = {near for pixel in waiting for near in around(pixel)} & left - reached
        left -= reached
        regions.append(reached)
    return regions


def around(pixel: Pixel) -> Iterator[Pixel]:
    row, column = pixel
    return ((row + down, column + right) for down in (-1, 0, 1) for right in (-1, 0, 1))


def bounds(region: set[Pixel]) -> tuple[int, int, int, int]:
    """Bound a region: ``(x1, y1, x2, y2)``, right and bottom excluded."""
    rows, columns = zip(*region, strict=True)
    return min(columns), min(rows), max(columns) + 1, max(rows) + 1
