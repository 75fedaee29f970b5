"""Connected components of a foreground, 8-connected."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

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

    Source:
        Runs of pixels, united by hooking and pointer jumping: Shiloach and Vishkin, "An O(log n) Parallel Connectivity
        Algorithm", Journal of Algorithms 1982.
    """
    labels = np.zeros(foreground.shape, np.int32)
    if not foreground.any():
        return labels, []
    runs = _runs(foreground)
    root = _united(len(runs.starts), *_touching(runs))
    # The root is a component's first run, so that components are numbered by their first pixel in raster order.
    numbers = np.cumsum(root == np.arange(len(root)))[root]
    labels[foreground] = np.repeat(numbers, runs.ends - runs.starts)
    return labels, _of_runs(runs, numbers)


class _Runs(NamedTuple):
    """Pixels in a row, one run behind the other in raster order, as if each row had one more pixel, an empty one.

    Attributes:
        starts: Index of the first pixel of each.
        ends: Index behind its last one.
        stride: From a pixel to the one below.
    """

    starts: NDArray[np.intp]
    ends: NDArray[np.intp]
    stride: int


def _runs(foreground: NDArray[np.bool_]) -> _Runs:
    height, width = foreground.shape
    flat = np.zeros(height * (width + 1) + 1, bool)
    flat[1:].reshape(height, width + 1)[:, :width] = foreground
    changes = np.flatnonzero(flat[1:] != flat[:-1])
    return _Runs(changes[::2], changes[1::2], width + 1)


def _touching(runs: _Runs) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Pairs of runs of which the second touches the first from below, at a side or a corner."""
    first = np.searchsorted(runs.ends, runs.starts + runs.stride)
    behind_last = np.searchsorted(runs.starts, runs.ends + runs.stride, side="right")
    counts = np.maximum(behind_last - first, 0)
    upper = np.repeat(np.arange(len(counts)), counts)
    among_its_own = np.arange(len(upper)) - np.repeat(np.cumsum(counts) - counts, counts)
    return upper, first[upper] + among_its_own


def _united(count: int, one: NDArray[np.intp], other: NDArray[np.intp]) -> NDArray[np.intp]:
    """Give each of so many things the first of those that pairs join it to, by hooking later roots to earlier ones."""
    root = np.arange(count)
    while True:
        a, b = root[one], root[other]
        if (a == b).all():
            return root
        np.minimum.at(root, np.maximum(a, b), np.minimum(a, b))
        while ((above := root[root]) != root).any():
            root = above


def _of_runs(runs: _Runs, numbers: NDArray[np.intp]) -> list[Component]:
    """List the components that runs belong to, by falling area; of equal areas in their order."""
    rows, columns = np.divmod(runs.starts, runs.stride)
    behind = columns + runs.ends - runs.starts
    count = int(numbers.max()) + 1
    areas = np.bincount(numbers, runs.ends - runs.starts, count).astype(np.intp)
    least, greatest = np.full((2, count), np.iinfo(np.intp).max), np.zeros((2, count), np.intp)
    for side, values in enumerate((columns, rows)):
        np.minimum.at(least[side], numbers, values)
    for side, values in enumerate((behind, rows + 1)):
        np.maximum.at(greatest[side], numbers, values)
    boxes = np.concatenate([least, greatest]).T.tolist()
    order = np.argsort(-areas[1:], kind="stable") + 1
    return [Component(int(i), int(areas[i]), tuple(boxes[i])) for i in order]


def component_stats(labels: NDArray[np.int32]) -> list[Component]:
    """List labelled regions, numbered from 1 on without a gap, by falling area; of equal areas in their order."""
    from scipy import ndimage  # for regions that are split, and takes a third of a second to load

    areas = np.bincount(labels.ravel(), minlength=1)[1:]
    slices = ndimage.find_objects(labels)
    order = np.argsort(-areas, kind="stable")
    return [Component(int(i) + 1, int(areas[i]), _box(*slices[i])) for i in order]


def _box(rows: slice, columns: slice) -> tuple[int, int, int, int]:
    return (columns.start, rows.start, columns.stop, rows.stop)
