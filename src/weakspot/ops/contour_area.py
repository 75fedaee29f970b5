"""Area within the outline of a component, by tracing the outline."""

from typing import Any

import numpy as np
from numba import njit

# The eight neighbors, clockwise from the left.
_ROWS = np.array([0, -1, -1, -1, 0, 1, 1, 1])
_COLUMNS = np.array([-1, -1, 0, 1, 1, 1, 0, -1])


@njit(cache=True, nogil=True)
def outline_area(levels: Any, cut: int, first: int) -> int:
    """Compute twice the area of the polygon through the pixel centers of a component's outline, holes filled.

    The foreground is ``levels > cut``; ``first`` is the component's first pixel in raster order, ``y * width + x``. The
    result is an integer, since the corners are pixel centers; 0 for a component that is one pixel wide.

    Source:
        Moore-neighbor tracing with Jacob's stopping criterion; Gauss's area formula.
    """
    height, width = levels.shape
    y, x = first // width, first % width
    start_y, start_x, came_from = y, x, 0  # the pixel to the left of the first one is background
    doubled, leaving = 0, -1
    while True:
        direction = -1
        for turn in range(1, 9):
            candidate = (came_from + turn) % 8
            next_y, next_x = y + _ROWS[candidate], x + _COLUMNS[candidate]
            if 0 <= next_y < height and 0 <= next_x < width and levels[next_y, next_x] > cut:
                direction = candidate
                break
        if direction < 0 or (y == start_y and x == start_x and direction == leaving):
            return abs(doubled)
        if leaving < 0:
            leaving = direction
        next_y, next_x = y + _ROWS[direction], x + _COLUMNS[direction]
        doubled += x * next_y - next_x * y
        y, x = next_y, next_x
        # Continue from the last background pixel that was passed, as a direction from the new pixel.
        came_from = (direction + 5) % 8 if direction % 2 else (direction + 6) % 8


@njit(cache=True, nogil=True)
def fill_areas(levels: Any, nodes: Any, upper_bounds: Any, lower_bounds: Any, areas: Any) -> None:
    """Trace the outlines of those components with holes that may have the largest area at one of their cuts.

    ``nodes`` are the first cut, last cut + 1 and first pixel of each component, shape (n, 3). Upper bounds of twice the
    areas, shape (n,), are 0 for components that need no tracing; lower bounds of the largest one, shape (cuts,), are
    for each cut. In ``areas``, twice the areas, shape (n,), those of the traced components are overwritten.
    """
    for node in range(len(nodes)):
        for cut in range(nodes[node, 0], nodes[node, 1]):
            if upper_bounds[node] >= lower_bounds[cut] and upper_bounds[node] > 0:
                areas[node] = outline_area(levels, nodes[node, 1] - 1, nodes[node, 2])
                break
