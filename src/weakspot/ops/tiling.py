"""Cut a large image into overlapping tiles, and blend the maps of the tiles into one map of the image."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray

from weakspot.errors import InputError
from weakspot.ops.resizing import matrix_at, multiply

# Least share of a tile that its neighbor also has (docs/benchmarks.md).
OVERLAP = 0.25


@dataclass(frozen=True)
class Tiling:
    """The tiles of an image: all of one size, evenly spaced, none beyond the border of the image.

    Attributes:
        height: Rows of the image.
        width: Columns of the image.
        tile_height: Rows of a tile.
        tile_width: Columns of a tile.
        tops: First row of each row of tiles.
        lefts: First column of each column of tiles.
    """

    height: int
    width: int
    tile_height: int
    tile_width: int
    tops: tuple[int, ...]
    lefts: tuple[int, ...]

    @property
    def corners(self) -> list[tuple[int, int]]:
        """``(top, left)`` of each tile, in raster order."""
        return [(top, left) for top in self.tops for left in self.lefts]

    @property
    def tile_share(self) -> float:
        """Area of a tile as a fraction of the image's."""
        return self.tile_height * self.tile_width / (self.height * self.width)


def tile_image(height: int, width: int, tile_height: int, tile_width: int, *, overlap: float = OVERLAP) -> Tiling:
    """Compute the tiles of an image.

    Args:
        height: Rows of the image.
        width: Columns of the image.
        tile_height: Rows of a tile, at most as many as the image has.
        tile_width: Columns of a tile, likewise.
        overlap: Least share of a tile that its neighbor also has, in [0, 1).

    Returns:
        As few tiles as have the overlap. The last ones end where the image ends.

    Raises:
        InputError: ``out-of-range`` for a tile that is larger than the image or has no pixel, or for the overlap.

    Example:
        >>> tile_image(100, 250, 100, 100).lefts
        (0, 75, 150)
    """
    if not 0 <= overlap < 1:
        raise InputError("out-of-range", f"overlap must be at least 0 and below 1, got {overlap}.")
    for name, tile, length in (("tile_height", tile_height, height), ("tile_width", tile_width, width)):
        if not 1 <= tile <= length:
            raise InputError("out-of-range", f"{name} must be between 1 and {length}, got {tile}.")
    tops, lefts = _starts(height, tile_height, overlap), _starts(width, tile_width, overlap)
    return Tiling(height, width, tile_height, tile_width, tops, lefts)


def _starts(length: int, tile: int, overlap: float) -> tuple[int, ...]:
    """Return the first pixel of each tile along a side."""
    step = max(1, int(tile * (1 - overlap)))
    return tuple(np.linspace(0, length - tile, ceil((length - tile) / step) + 1).round().astype(int).tolist())


def tile_weights(length: int, tile: int, starts: Sequence[int], pixels: int) -> NDArray[np.float64]:
    """Compute the weight of each tile along a side, at each of the pixels of a map of the image.

    A weight is 1 in pixels of a single tile. In the overlap with a neighbor, it falls to 0 at the tile's border as the
    square of a sine; at the border of the image, it does not fall.

    Args:
        length: Length of the image's side.
        tile: Length of a tile's side.
        starts: First pixel of each tile, as those of :func:`tile_image`.
        pixels: Length of the map's side.

    Returns:
        Shape (tiles, pixels); each column sums to 1.

    Example:
        >>> tile_weights(6, 4, (0, 2), 6).round(2).tolist()
        [[1.0, 1.0, 0.85, 0.15, 0.0, 0.0], [0.0, 0.0, 0.15, 0.85, 1.0, 1.0]]
    """
    first = np.array(starts)[:, None]
    centers = (np.arange(pixels) + 0.5) * length / pixels  # in pixels of the image
    before, after = centers - first, first + tile - centers  # distances from the left and right border of each tile
    gaps = np.diff(starts)
    ramps = np.minimum(tile - gaps, tile / 2)
    rise, fall = (_rise(distance[rows], ramps) for distance, rows in ((before, slice(1, None)), (after, slice(-1))))
    weights = np.ones((len(starts), pixels))
    weights[1:] *= rise
    weights[:-1] *= fall
    weights *= (before >= 0) & (after > 0)
    weights /= weights.sum(axis=0)
    return weights


def _rise(distance: NDArray[np.float64], ramps: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rise from 0 to 1 over a ramp, at a distance from its start: shapes (n, pixels), (n,). A ramp may be 0 long."""
    share = np.clip(distance / np.where(ramps > 0, ramps, 1)[:, None], 0, 1)
    rise: NDArray[np.float64] = np.where(ramps[:, None] > 0, np.sin(np.pi / 2 * share) ** 2, 1.0)
    return rise


def blend_tiles(maps: NDArray[np.floating], tiling: Tiling, *, height: int, width: int) -> NDArray[np.float32]:
    """Blend the maps of tiles into a map of the image, which has no seam.

    Each map is resized bicubically, as :func:`weakspot.ops.resize` does, and weighted by :func:`tile_weights`.

    Args:
        maps: Maps of shape (tiles, C, h, w), any finite values, of the tiles in raster order.
        tiling: The tiles.
        height: Rows of the result.
        width: Columns of the result.

    Returns:
        Shape (C, height, width). The maps of a single tile, resized, if the tile is the image.

    Raises:
        InputError: ``shape-mismatch`` if there is another number of maps than of tiles.

    Example:
        >>> tiling = tile_image(4, 6, 4, 4)
        >>> blend_tiles(np.array([1.0, 3.0])[:, None, None, None], tiling, height=1, width=6)[0].round(2).tolist()
        [[1.0, 1.0, 1.2899999618530273, 2.7100000381469727, 3.0, 3.0]]
    """
    if len(maps) != len(tiling.corners):
        problem = f"There must be one map for each of {len(tiling.corners)} tiles, got {len(maps)}."
        raise InputError("shape-mismatch", problem)
    rows = list(_placements(tiling.height, tiling.tile_height, tiling.tops, height, maps.shape[2]))
    columns = list(_placements(tiling.width, tiling.tile_width, tiling.lefts, width, maps.shape[3]))
    blended = np.zeros((maps.shape[1], height, width), np.float32)
    places = ((row, column) for row in rows for column in columns)
    for tile, ((top, matrix), (left, other)) in zip(maps, places, strict=True):
        placed = multiply(multiply(matrix, tile.astype(np.float64)), other.T)
        blended[:, top : top + len(matrix), left : left + len(other)] += placed
    return blended


def _placements(
    length: int, tile: int, starts: Sequence[int], pixels: int, cells: int
) -> Iterator[tuple[int, NDArray[np.float64]]]:
    """Yield the first pixel of each tile in a map of the image, and the weights of its cells in its pixels."""
    for start, weights in zip(starts, tile_weights(length, tile, starts, pixels), strict=True):
        inside = np.flatnonzero(weights)
        first = int(inside[0]) if len(inside) else 0
        centers = (inside + 0.5) * length / pixels - start  # in pixels of the tile
        yield first, weights[inside, None] * matrix_at(centers * cells / tile - 0.5, cells)
