"""Every connected component of a map of levels, at every cut, in one pass of union-find over counting-sorted pixels.

Pixels are added from the highest level down. A component that is about to change is written down first: from its own
level to the one at which it changes it was the same set of pixels.
"""

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

# What is known of a component, a column each. It is one set of pixels at the cuts BIRTH <= cut < DEATH, at which the
# pixels with level > cut are the foreground. FIRST_PIXEL is its first pixel in raster order; its box is half open.
BIRTH, DEATH, AREA, FIRST_PIXEL, X1, Y1, X2, Y2, POLYGON, EULER = range(10)

# The eight neighbours, clockwise from the upper left: (row, column) steps.
_RING = ((-1, -1), (-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1))


def _touching(diagonally: bool) -> NDArray[np.int64]:
    """For each set of neighbours, those to be joined: one for each group that is connected without the pixel itself."""
    linked = range(8) if diagonally else (1, 3, 5, 7)
    chosen = np.zeros(256, np.int64)
    for mask in range(256):
        for start in _group_starts(mask, diagonally):
            group = _group(mask, start, diagonally)
            member = next((i for i in group if i in linked), None)
            chosen[mask] |= 0 if member is None else 1 << member
    return chosen


def _group_starts(mask: int, diagonally: bool) -> list[int]:
    """The least member of each connected group of a set of neighbours."""
    members = [i for i in range(8) if mask >> i & 1]
    return [i for i in members if min(_group(mask, i, diagonally)) == i]


def _group(mask: int, start: int, diagonally: bool) -> set[int]:
    """The neighbours in a set that are connected to one of them along the ring."""
    group, waiting = {start}, [start]
    while waiting:
        i = waiting.pop()
        across = [(i + 2) % 8, (i - 2) % 8] if diagonally and i % 2 == 1 else []
        near = [j for j in [(i + 1) % 8, (i - 1) % 8, *across] if mask >> j & 1 and j not in group]
        group.update(near)
        waiting.extend(near)
    return group


def _windows() -> NDArray[np.int64]:
    """What a new pixel adds to POLYGON and EULER, for each set of neighbours: shape (256, 2).

    POLYGON is twice the area of the polygon through the pixel centres: a 2 x 2 window with 3 pixels adds 1, one with
    4 pixels 2. EULER is four times the Euler number of an 8-connected component: Q1 - Q3 - 2 QD over its 2 x 2
    windows (Gray, "Local Properties of Binary Images in Two Dimensions", IEEE Transactions on Computers 1971).
    """
    changes = np.zeros((256, 2), np.int64)
    for mask in range(256):
        for corner in (0, 2, 4, 6):  # the window that reaches to this diagonal neighbour
            before, diagonal, after = (mask >> i % 8 & 1 for i in (corner - 1, corner, corner + 1))
            sides = before + after
            changes[mask, 0] += sides + diagonal >= 2
            # Quads without and with the pixel: their share of Q1 - Q3 - 2 QD.
            alone = {0: 0, 1: 1, 2: -2 if sides == 2 else 0, 3: -1}[sides + diagonal]
            together = {0: 1, 1: -2 if diagonal else 0, 2: -1, 3: 0}[sides + diagonal]
            changes[mask, 1] += together - alone
    return changes


_TOUCHING_8, _TOUCHING_4, _WINDOWS = _touching(True), _touching(False), _windows()


def components_of_levels(levels: NDArray[np.integer[Any]], *, diagonally: bool = True) -> NDArray[np.int32]:
    """List the connected components of ``levels > cut``, for every cut.

    Args:
        levels: Shape (H, W), 0 or more.
        diagonally: Whether pixels that meet at a corner are connected (8-connected), or only those that share a
            side (4-connected).

    Returns:
        Shape (n, 10), the columns named by this module; POLYGON and EULER hold for 8-connected components only.

    Example:
        >>> found = components_of_levels(np.array([[2, 1, 0, 1]]))
        >>> found[:, [BIRTH, DEATH, X1, X2]].tolist()
        [[1, 2, 0, 1], [0, 1, 0, 2], [0, 1, 3, 4]]
    """
    touching = _TOUCHING_8 if diagonally else _TOUCHING_4
    found: NDArray[np.int32] = _sweep(levels, int(levels.max(initial=0)), touching, _WINDOWS)
    rows, columns = np.divmod(found[:, FIRST_PIXEL], levels.shape[1] + 2)  # in the bordered map
    found[:, Y1], found[:, Y2] = rows - 1, found[:, Y2] // (levels.shape[1] + 2)
    found[:, FIRST_PIXEL] = (rows - 1) * levels.shape[1] + columns - 1
    return found


@njit(cache=True, nogil=True)
def _sweep(levels: Any, top: int, touching: Any, windows: Any) -> Any:  # noqa: C901 - in parts it is 3 x slower
    height, width = levels.shape
    stride = width + 2  # a border of one pixel, which never belongs to a component
    order, across, starts = _counting_sort(levels, top)
    offsets = np.array([-stride - 1, -stride, -stride + 1, 1, stride + 1, stride, stride - 1, -1], np.int32)
    parent = np.zeros((height + 2) * stride, np.uint32)  # unsigned: an index whose sign need not be looked at
    there = np.zeros(parent.size, np.uint8)  # which pixels were added: small enough to stay in the fastest cache
    known = np.empty((parent.size, 10), np.int32)  # by root
    found = np.empty((order.size, 10), np.int32)
    count = 0
    for level in range(top, 0, -1):
        for i in range(starts[level + 1], starts[level]):
            pixel = order[i]
            around = _around(there, pixel, stride)
            root = np.uint32(0)  # the border's corner: none
            to_join = touching[around]
            neighbour = 0
            while to_join:
                if to_join & 1:
                    other = _find(parent, np.uint32(pixel + offsets[neighbour]))
                    if known[other, DEATH] > level:  # it changes here: write down what it was
                        known[other, BIRTH] = level
                        found[count] = known[other]
                        count += 1
                        known[other, DEATH] = level
                    if root == 0:
                        root = other
                    elif root != other:
                        root = _join(parent, known, root, other)
                to_join >>= 1
                neighbour += 1
            x = across[i]
            if root == 0:
                root = pixel
                _begin(known[root], level, pixel, x)
            parent[pixel] = root
            there[pixel] = 1
            _add(known[root], pixel, x)
            known[root, POLYGON] += windows[around, 0]
            known[root, EULER] += windows[around, 1]
    for pixel in order:
        if parent[pixel] == pixel:
            known[pixel, BIRTH] = 0
            found[count] = known[pixel]
            count += 1
    return found[:count].copy()


@njit(cache=True, nogil=True, inline="always")
def _around(there: Any, pixel: Any, stride: int) -> Any:
    """Which of the neighbours are there, a bit for each; unsigned positions need no look at their sign."""
    above = np.uintp(pixel - stride - 1)
    beside, below = above + np.uintp(stride), above + np.uintp(2 * stride)
    one, two = np.uintp(1), np.uintp(2)
    return (
        np.int64(there[above])
        | np.int64(there[above + one]) << 1
        | np.int64(there[above + two]) << 2
        | np.int64(there[beside + two]) << 3
        | np.int64(there[below + two]) << 4
        | np.int64(there[below + one]) << 5
        | np.int64(there[below]) << 6
        | np.int64(there[beside]) << 7
    )


@njit(cache=True, nogil=True)
def _counting_sort(levels: Any, top: int) -> Any:
    """Positions in the bordered map of the pixels above level 0, from the top level down, each in raster order.

    And their columns; those of a level are at ``starts[level + 1]`` to ``starts[level]``.
    """
    height, width = levels.shape
    starts = np.zeros(top + 2, np.int32)
    for y in range(height):
        for x in range(width):
            starts[levels[y, x]] += 1
    below = starts[0]
    total = height * width - below
    filled = np.zeros(top + 2, np.int32)
    for level in range(top, 0, -1):
        filled[level] = filled[level + 1] + starts[level + 1]
    order, across = np.empty(total, np.uint32), np.empty(total, np.int32)
    for y in range(height):
        for x in range(width):
            level = levels[y, x]
            if level > 0:
                order[filled[level]], across[filled[level]] = (y + 1) * (width + 2) + x + 1, x
                filled[level] += 1
    return order, across, filled


@njit(cache=True, nogil=True)
def _find(parent: Any, pixel: Any) -> Any:
    """The root of a pixel's component; paths are halved on the way."""
    while parent[pixel] != pixel:
        parent[pixel] = parent[parent[pixel]]
        pixel = parent[pixel]
    return pixel


@njit(cache=True, nogil=True)
def _join(parent: Any, known: Any, one: Any, other: Any) -> Any:
    """Join two components of the same level, the smaller one into the larger one."""
    if known[one, AREA] < known[other, AREA]:
        one, other = other, one
    parent[other] = one
    for column in (AREA, POLYGON, EULER):
        known[one, column] += known[other, column]
    for column in (FIRST_PIXEL, X1):
        known[one, column] = min(known[one, column], known[other, column])
    for column in (X2, Y2):
        known[one, column] = max(known[one, column], known[other, column])
    return one


@njit(cache=True, nogil=True)
def _begin(component: Any, level: int, pixel: int, x: int) -> None:
    component[DEATH], component[AREA], component[POLYGON], component[EULER] = level, 0, 0, 0
    component[FIRST_PIXEL], component[X1], component[X2], component[Y2] = pixel, x, x + 1, pixel


@njit(cache=True, nogil=True)
def _add(component: Any, pixel: int, x: int) -> None:
    component[AREA] += 1
    # While pixels are added, Y2 holds the last one: with the first one it says what the rows are.
    component[FIRST_PIXEL], component[Y2] = min(component[FIRST_PIXEL], pixel), max(component[Y2], pixel)
    component[X1], component[X2] = min(component[X1], x), max(component[X2], x + 1)
