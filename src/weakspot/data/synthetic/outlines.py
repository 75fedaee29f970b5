"""Outlines of objects: how far the edge is from the centre in each direction."""

from collections.abc import Callable
from math import pi
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from weakspot.data.synthetic.textures import Floats

DIRECTIONS = 1024  # a power of 2, so that an index wraps by its lowest bits
ANGLES = np.arange(DIRECTIONS, dtype=np.float32) * (2 * pi / DIRECTIONS)


class Placed(NamedTuple):
    """An outline in an image.

    Attributes:
        rows: The window's rows in the image.
        columns: Its columns.
        x: Shape (1, w), columns in pixels from the outline's centre.
        y: Shape (h, 1), rows.
        radii: Shape (directions,), pixels from the centre to the edge.
        mask: Shape (h, w), the pixels within the outline.
    """

    rows: slice
    columns: slice
    x: Floats
    y: Floats
    radii: Floats
    mask: NDArray[np.bool_]


def place(extent: float, size: int, random: np.random.Generator) -> Placed:
    """Draw an outline, and put it anywhere in a square image.

    Args:
        extent: Longer side of its box, in pixels, at most ``size``.
        size: Side of the image.
        random: Draws kind, proportions, turn and position.

    Example:
        >>> place(20, 64, np.random.default_rng(0)).mask.shape
        (20, 20)
    """
    radii = np.roll(OUTLINES[random.integers(len(OUTLINES))](random), random.integers(DIRECTIONS))
    corners = radii * np.stack([np.cos(ANGLES), np.sin(ANGLES)])  # (2, directions), x and y
    low, high = corners.min(axis=1), corners.max(axis=1)
    scale = extent / (high - low).max()
    width, height = np.ceil(scale * (high - low)).clip(1, size).astype(int)
    left, top = random.integers(0, [size - width + 1, size - height + 1])
    x = (np.arange(width, dtype=np.float32) + np.float32(scale * low[0] + 0.5))[None]
    y = (np.arange(height, dtype=np.float32) + np.float32(scale * low[1] + 0.5))[:, None]
    window = slice(top, top + height), slice(left, left + width)
    scaled = (scale * radii).astype(np.float32)
    return Placed(*window, x, y, scaled, _inside(x, y, scaled))


def _inside(x: Floats, y: Floats, radii: Floats) -> NDArray[np.bool_]:
    """The pixels whose centres are within the outline. Shapes (1, w), (h, 1), (directions,) to (h, w)."""
    directions = np.rint(np.arctan2(y, x) * (DIRECTIONS / (2 * pi))).astype(np.int32)
    inside: NDArray[np.bool_] = x * x + y * y <= (radii * radii)[directions & (DIRECTIONS - 1)]
    return inside


def _ellipse(random: np.random.Generator) -> Floats:
    aspect = random.uniform(0.55, 1)
    radii: Floats = 1 / np.hypot(np.cos(ANGLES), np.sin(ANGLES) / aspect)
    return radii


def _polygon(random: np.random.Generator) -> Floats:
    """A polygon of 3 to 7 sides with rounded corners: the p-norm of the distances to its sides."""
    sides, power = random.integers(3, 8), random.uniform(8, 25)
    normals = ANGLES[:, None] - np.arange(sides) * (2 * pi / sides)  # (directions, sides)
    distances = np.clip(np.cos(normals), 0, None) ** power
    radii: Floats = distances.sum(axis=1) ** (-1 / power)
    return radii


def _plate(random: np.random.Generator) -> Floats:
    """A rectangle with rounded corners."""
    aspect, power = random.uniform(0.55, 1), random.uniform(4, 12)
    distances = np.abs(np.cos(ANGLES)) ** power + np.abs(np.sin(ANGLES) / aspect) ** power
    radii: Floats = distances ** (-1 / power)
    return radii


def _star(random: np.random.Generator) -> Floats:
    points, depth = random.integers(4, 8), random.uniform(0.12, 0.3)
    radii: Floats = 1 + depth * np.cos(points * ANGLES)
    return radii


def _blob(random: np.random.Generator) -> Floats:
    """A circle, dented by four slow waves."""
    waves = np.arange(2, 6)
    depths, phases = random.uniform(0, 0.3 / waves), random.uniform(0, 2 * pi, 4)
    radii: Floats = 1 + depths @ np.cos(waves[:, None] * ANGLES + phases[:, None])
    return radii


OUTLINES: tuple[Callable[[np.random.Generator], Floats], ...] = (_ellipse, _polygon, _plate, _star, _blob)
