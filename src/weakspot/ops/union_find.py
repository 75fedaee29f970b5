"""Find every connected component of a map of integer levels at every cut, by union-find over counting-sorted pixels.

Pixels are added from the highest level down. A component that is about to change is recorded first: between its own
level and the one at which it changes it is the same set of pixels.
"""

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

# The columns of a component. It is one set of pixels at the cuts BIRTH <= cut < DEATH, whose foreground are the pixels
# with level > cut. FIRST_PIXEL is its first pixel in raster order; its box is half open. EVIDENCE is a sum over pixels.
BIRTH, DEATH, AREA, FIRST_PIXEL, X1, Y1, X2, Y2, POLYGON, EULER, EVIDENCE = range(11)
_NO_EVIDENCE = np.zeros((0, 0), np.int32)


def _touching(diagonal: bool) -> NDArray[np.int64]:
    """Select the neighbors to join, for each set: one of each group that is connected without the pixel itself."""
    linked = range(8) if diagonal else (1, 3, 5, 7)
    selected = np.zeros(256, np.int64)
    for mask in range(256):
        for start in _group_starts(mask, diagonal):
            group = _group(mask, start, diagonal)
            member = next((i for i in group if i in linked), None)
            selected[mask] |= 0 if member is None else 1 << member
    return selected


def _group_starts(mask: int, diagonal: bool) -> list[int]:
    """Return the first member of each connected group of a set of neighbors."""
    members = [i for i in range(8) if mask >> i & 1]
    return [i for i in members if min(_group(mask, i, diagonal)) == i]


def _group(mask: int, start: int, diagonal: bool) -> set[int]:
    """Return the neighbors in a set that are connected to one of them along the ring."""
    group, pending = {start}, [start]
    while pending:
        i = pending.pop()
        across = [(i + 2) % 8, (i - 2) % 8] if diagonal and i % 2 == 1 else []
        near = [j for j in [(i + 1) % 8, (i - 1) % 8, *across] if mask >> j & 1 and j not in group]
        group.update(near)
        pending.extend(near)
    return group


def _windows() -> NDArray[np.int64]:
    """Compute what a new pixel adds to POLYGON and EULER, for each set of neighbors: shape (256, 2).

    POLYGON is twice the area of the polygon through the pixel centers: a 2 x 2 window with 3 pixels adds 1, one with
    4 pixels 2. EULER is four times the Euler number of an 8-connected component: Q1 - Q3 - 2 QD over its 2 x 2
    windows (Gray, "Local Properties of Binary Images in Two Dimensions", IEEE Transactions on Computers 1971).
    """
    changes = np.zeros((256, 2), np.int64)
    for mask in range(256):
        for corner in (0, 2, 4, 6):  # the window that contains this diagonal neighbor
            before, diagonal, after = (mask >> i % 8 & 1 for i in (corner - 1, corner, corner + 1))
            sides = before + after
            changes[mask, 0] += sides + diagonal >= 2
            # Contribution of the window to Q1 - Q3 - 2 QD, without and with the pixel.
            without = {0: 0, 1: 1, 2: -2 if sides == 2 else 0, 3: -1}[sides + diagonal]
            with_pixel = {0: 1, 1: -2 if diagonal else 0, 2: -1, 3: 0}[sides + diagonal]
            changes[mask, 1] += with_pixel - without
    return changes


_TOUCHING_8, _TOUCHING_4, _WINDOWS = _touching(True), _touching(False), _windows()


def components_of_levels(
    levels: NDArray[np.integer[Any]], *, diagonal: bool = True, evidence: NDArray[np.int32] | None = None
) -> NDArray[np.int32]:
    """List the connected components of ``levels > cut``, for every cut; levels have shape (H, W), 0 or more.

    With ``diagonal``, pixels that touch at a corner are connected (8-connected), else only those that share a side.
    ``evidence`` (H, W), with a sum below 2^31, is summed over the pixels of each component; without it the sums are 0.
    The result has shape (n, 11), with the columns named in this module; POLYGON and EULER suit 8-connected ones only.

    Example:
        >>> components = components_of_levels(np.array([[2, 1, 0, 1]]))
        >>> components[:, [BIRTH, DEATH, X1, X2]].tolist()
        [[1, 2, 0, 1], [0, 1, 0, 2], [0, 1, 3, 4]]
    """
    touching = _TOUCHING_8 if diagonal else _TOUCHING_4
    components: NDArray[np.int32] = _sweep(
        levels, int(levels.max(initial=0)), touching, _WINDOWS, _NO_EVIDENCE if evidence is None else evidence
    )
    rows, columns = np.divmod(components[:, FIRST_PIXEL], levels.shape[1] + 2)  # in the bordered map
    components[:, Y1], components[:, Y2] = rows - 1, components[:, Y2] // (levels.shape[1] + 2)
    components[:, FIRST_PIXEL] = (rows - 1) * levels.shape[1] + columns - 1
    return components


@njit(cache=True, nogil=True)
def _sweep(levels: Any, top: int, touching: Any, windows: Any, evidence: Any) -> Any:  # noqa: C901 - in parts it is 3 x slower
    height, width = levels.shape
    stride = width + 2  # a border of one pixel, which never belongs to a component
    order, across, starts = _counting_sort(levels, top)
    offsets = np.array([-stride - 1, -stride, -stride + 1, 1, stride + 1, stride, stride - 1, -1], np.int32)
    parent = np.zeros((height + 2) * stride, np.uint32)  # unsigned: an index whose sign is not checked
    added = np.zeros(parent.size, np.uint8)  # small enough to stay in the fastest cache
    current = np.empty((parent.size, 11), np.int32)  # by root
    finished = np.empty((order.size, 11), np.int32)
    count = 0
    for level in range(top, 0, -1):
        for i in range(starts[level + 1], starts[level]):
            pixel = order[i]
            neighbors = _neighbors(added, pixel, stride)
            root = np.uint32(0)  # the corner of the border: no root
            to_join = touching[neighbors]
            neighbor = 0
            while to_join:
                if to_join & 1:
                    other = _find(parent, np.uint32(pixel + offsets[neighbor]))
                    if current[other, DEATH] > level:  # it changes here: record what it was
                        current[other, BIRTH] = level
                        finished[count] = current[other]
                        count += 1
                        current[other, DEATH] = level
                    if root == 0:
                        root = other
                    elif root != other:
                        root = _join(parent, current, root, other)
                to_join >>= 1
                neighbor += 1
            x = across[i]
            if root == 0:
                root = pixel
                _begin(current[root], level, pixel, x)
            parent[pixel] = root
            added[pixel] = 1
            _add(current[root], pixel, x)
            current[root, POLYGON] += windows[neighbors, 0]
            current[root, EULER] += windows[neighbors, 1]
            if evidence.size:
                current[root, EVIDENCE] += evidence[pixel // stride - 1, x]
    for pixel in order:
        if parent[pixel] == pixel:
            current[pixel, BIRTH] = 0
            finished[count] = current[pixel]
            count += 1
    return finished[:count].copy()


@njit(cache=True, nogil=True, inline="always")
def _neighbors(added: Any, pixel: Any, stride: int) -> Any:
    """Return which of the neighbors were added, a bit for each; the sign of unsigned positions is not checked."""
    above = np.uintp(pixel - stride - 1)
    same_row, below = above + np.uintp(stride), above + np.uintp(2 * stride)
    one, two = np.uintp(1), np.uintp(2)
    return (
        np.int64(added[above])
        | np.int64(added[above + one]) << 1
        | np.int64(added[above + two]) << 2
        | np.int64(added[same_row + two]) << 3
        | np.int64(added[below + two]) << 4
        | np.int64(added[below + one]) << 5
        | np.int64(added[below]) << 6
        | np.int64(added[same_row]) << 7
    )


@njit(cache=True, nogil=True)
def _counting_sort(levels: Any, top: int) -> Any:
    """Sort the pixels above level 0 by descending level, those of a level in raster order.

    Return their positions in the bordered map, their columns, and starts: the pixels of a level are at ``starts[level +
    1]`` to ``starts[level]``.
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
    """Find the root of a pixel's component, halving the path."""
    while parent[pixel] != pixel:
        parent[pixel] = parent[parent[pixel]]
        pixel = parent[pixel]
    return pixel


@njit(cache=True, nogil=True)
def _join(parent: Any, components: Any, root: Any, other: Any) -> Any:
    """Join two components of the same level, the smaller one into the larger one."""
    if components[root, AREA] < components[other, AREA]:
        root, other = other, root
    parent[other] = root
    for column in (AREA, POLYGON, EULER, EVIDENCE):
        components[root, column] += components[other, column]
    for column in (FIRST_PIXEL, X1):
        components[root, column] = min(components[root, column], components[other, column])
    for column in (X2, Y2):
        components[root, column] = max(components[root, column], components[other, column])
    return root


@njit(cache=True, nogil=True)
def _begin(component: Any, level: int, pixel: int, x: int) -> None:
    component[DEATH] = level
    component[AREA], component[POLYGON], component[EULER], component[EVIDENCE] = 0, 0, 0, 0
    component[FIRST_PIXEL], component[X1], component[X2], component[Y2] = pixel, x, x + 1, pixel


@njit(cache=True, nogil=True)
def _add(component: Any, pixel: int, x: int) -> None:
    component[AREA] += 1
    # While pixels are added, Y2 contains the last pixel: the first and the last one determine the rows.
    component[FIRST_PIXEL], component[Y2] = min(component[FIRST_PIXEL], pixel), max(component[Y2], pixel)
    component[X1], component[X2] = min(component[X1], x), max(component[X2], x + 1)
