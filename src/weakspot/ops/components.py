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
    # Components are numbered by their first pixel in raster order.
    labels, _ = ndimage.label(foreground, structure=EIGHT_CONNECTED)
    return labels, listed(labels)


def listed(labels: NDArray[np.int32]) -> list[Component]:
    """List labelled regions, numbered from 1 on without a gap, by falling area; of equal areas in their order."""
    areas = np.bincount(labels.ravel(), minlength=1)[1:]
    slices = ndimage.find_objects(labels)
    order = np.argsort(-areas, kind="stable")
    return [Component(int(i) + 1, int(areas[i]), _box(*slices[i])) for i in order]


def _box(rows: slice, columns: slice) -> tuple[int, int, int, int]:
    return (columns.start, rows.start, columns.stop, rows.stop)
