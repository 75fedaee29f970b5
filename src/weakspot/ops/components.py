"""Connected components of a foreground, 8-connected."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

EIGHT_CONNECTED = np.ones((3, 3), dtype=bool)


class Component(NamedTuple):
    """A connected component of a foreground.

    Attributes:
        label: Its number in the labelled array, 1 or more.
        area: Its number of pixels.
        box: ``(x1, y1, x2, y2)`` in pixels, right and bottom excluded.
    """

    label: int
    area: int
    box: tuple[int, int, int, int]


def connected_components(foreground: NDArray[np.bool_]) -> tuple[NDArray[np.int32], list[Component]]:
    """Label the 8-connected components of a foreground, largest first.

    Args:
        foreground: Shape (H, W).

    Returns:
        The labelled array of shape (H, W), 0 for background, and the components by falling area; of equal
        areas the one whose first pixel comes first in raster order is first. No component gives an empty list.

    Example:
        >>> labels, found = connected_components(np.array([[1, 0, 0], [0, 1, 0], [0, 0, 0]], dtype=bool))
        >>> found
        [Component(label=1, area=2, box=(0, 0, 2, 2))]
    """
    labels = np.zeros(foreground.shape, np.int32)
    if not foreground.any():
        return labels, []
    rows, columns = _bounds(foreground)
    # Components are numbered by their first pixel in raster order.
    part, count = ndimage.label(foreground[rows, columns], structure=EIGHT_CONNECTED)
    labels[rows, columns] = part
    if count == 1:
        return labels, [Component(1, int(np.count_nonzero(part)), _box(rows, columns, 0, 0))]
    return labels, _listed(part, columns.start, rows.start)


def listed(labels: NDArray[np.int32]) -> list[Component]:
    """List labelled regions, numbered from 1 on without a gap, by falling area; of equal areas in their order."""
    return _listed(labels, 0, 0)


def _listed(labels: NDArray[np.int32], left: int, top: int) -> list[Component]:
    """List the regions of a part of an array, whose first column and row are given."""
    areas = np.bincount(labels.ravel(), minlength=1)[1:]
    slices = ndimage.find_objects(labels)
    order = np.argsort(-areas, kind="stable")
    return [Component(int(i) + 1, int(areas[i]), _box(*slices[i], left, top)) for i in order]


def _bounds(foreground: NDArray[np.bool_]) -> tuple[slice, slice]:
    """The rows and columns that hold all of a foreground: less to go through than the whole."""
    rows, columns = foreground.any(axis=1).nonzero()[0], foreground.any(axis=0).nonzero()[0]
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def _box(rows: slice, columns: slice, left: int, top: int) -> tuple[int, int, int, int]:
    sides = (columns.start + left, rows.start + top, columns.stop + left, rows.stop + top)
    x1, y1, x2, y2 = (int(side) for side in sides)
    return x1, y1, x2, y2
