"""Convert masks to polygons and back; coordinates are those of pixel edges: the first pixel is from 0 to 1."""

from collections.abc import Sequence
from functools import reduce

import numpy as np
from numpy.typing import ArrayLike, NDArray

from weakspot.data.dataset import Box, round_box
from weakspot.data.decoding import MAX_PIXELS
from weakspot.errors import InputError

# Maximum distance of the polygon to the outline of the mask, in pixels.
TOLERANCE = 0.5

# Coordinates beyond this many pixels cannot belong to an image.
MAX_COORDINATE = 1e9


def mask_to_polygon(mask: NDArray[np.bool_], tolerance: float = TOLERANCE) -> NDArray[np.float64]:
    """Trace a mask, shape (H, W), as one polygon; components and holes are connected by edges of zero area.

    Filling it by the even-odd rule (:func:`polygon_to_mask`, pycocotools) returns the mask, except for pixels along its
    outline within about the tolerance, in pixels. The corners have shape (n, 2): x and y, 0 <= x <= W, 0 <= y <= H; not
    closed. n = 0 for an empty mask.
    """
    from skimage.measure import find_contours  # slower to import than everything that localizing needs

    box = mask_box(mask)
    if box is None:
        return np.zeros((0, 2))
    x1, y1, x2, y2 = map(int, box)
    padded = np.pad(mask[y1:y2, x1:x2], 1).astype(np.float64)
    contours = find_contours(padded, 0.5, fully_connected="high")
    # From centers of the padded pixels to edges of the mask's pixels; from row and column to x and y.
    rings = [_simplify(ring, tolerance)[:-1, ::-1] - 0.5 + [x1, y1] for ring in contours]
    return reduce(_join, rings)


def _simplify(ring: NDArray[np.float64], tolerance: float) -> NDArray[np.float64]:
    """Simplify a ring unless fewer than three corners would remain."""
    from skimage.measure import approximate_polygon

    simple: NDArray[np.float64] = approximate_polygon(ring, tolerance)
    return simple if len(simple) > 3 else ring


def _join(polygon: NDArray[np.float64], ring: NDArray[np.float64]) -> NDArray[np.float64]:
    """Insert a ring into a polygon at their nearest corners."""
    distances = ((polygon[:, None] - ring[None]) ** 2).sum(axis=2)
    corner, start = np.unravel_index(distances.argmin(), distances.shape)
    rotated = np.roll(ring, -start, axis=0)
    return np.concatenate([polygon[: corner + 1], rotated, rotated[:1], polygon[corner:]])


def scale_polygon(fractions: ArrayLike, *, height: int, width: int) -> NDArray[np.float64]:
    """Convert corners from fractions of the image size to pixels, shape (n, 2).

    The fractions are x and y of each corner, one after the other or in pairs.

    Example:
        >>> scale_polygon([0, 0, 1, 0, 1, 0.5], height=4, width=6).tolist()
        [[0.0, 0.0], [6.0, 0.0], [6.0, 2.0]]
    """
    corners = np.array(fractions, np.float64).reshape(-1, 2)
    if len(corners) < 3:
        raise InputError("polygon-invalid", "a polygon must have at least three corners")
    _check_corners(corners)
    return corners * [width, height]


def polygon_to_mask(polygon: NDArray[np.float64], *, height: int, width: int) -> NDArray[np.bool_]:
    """Fill a polygon, shape (n, 2), closed or not, by the even-odd rule: pixels whose centers are inside are True."""
    _check_corners(polygon)
    if height * width > MAX_PIXELS:
        raise InputError("mask-too-large", f"its mask must have at most {MAX_PIXELS:,} pixels")
    mask = np.zeros((height, width), bool)
    if len(polygon):
        (left, top), (right, bottom) = np.floor(polygon.min(axis=0)), np.ceil(polygon.max(axis=0))
        x1, x2 = (int(np.clip(side, 0, width)) for side in (left, right))
        y1, y2 = (int(np.clip(side, 0, height)) for side in (top, bottom))
        mask[y1:y2, x1:x2] = _fill(polygon - [x1, y1], y2 - y1, x2 - x1)
    return mask


def _check_corners(polygon: NDArray[np.float64]) -> None:
    if not (np.abs(polygon) <= MAX_COORDINATE).all():  # also False for NaN
        raise InputError("polygon-invalid", f"coordinates of a polygon must be within {MAX_COORDINATE:g} pixels")


def _fill(polygon: NDArray[np.float64], height: int, width: int) -> NDArray[np.bool_]:
    """Pixels with an odd number of edges to their left. skimage.draw.polygon2mask is quadratic."""
    crossings = np.zeros((height, width + 1), np.int32)
    for (x1, y1), (x2, y2) in zip(polygon, np.roll(polygon, -1, axis=0), strict=True):
        low, high = (np.clip(np.ceil(side - 0.5), 0, height) for side in sorted((y1, y2)))
        rows = np.arange(int(low), int(high))
        if len(rows):
            x = x1 + (rows + 0.5 - y1) * (x2 - x1) / (y2 - y1)
            crossings[rows, np.clip(np.ceil(x - 0.5), 0, width).astype(int)] += 1
    inside: NDArray[np.bool_] = crossings.cumsum(axis=1)[:, :width] % 2 == 1
    return inside


def polygon_box(polygon: NDArray[np.float64] | Sequence[Sequence[float]]) -> Box:
    """Return the bounding box of a polygon."""
    corners = np.asarray(polygon, np.float64)
    return round_box([*corners.min(axis=0), *corners.max(axis=0)])


def mask_box(mask: NDArray[np.bool_]) -> Box | None:
    """Return the bounding box of the True pixels; None if there are none."""
    rows, columns = np.nonzero(mask)
    if not len(rows):
        return None
    return round_box([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
