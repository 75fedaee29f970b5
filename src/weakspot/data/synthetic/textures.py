"""Textures of the classes: values in [0, 1] over a plane whose unit is one period of the texture."""

from collections.abc import Callable
from math import cos, pi, sin

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]  # float32, which is twice as fast; plain Python numbers keep it so

TURN = 2 * pi


def _soft(signed: Floats, steepness: float) -> Floats:
    """Threshold at 0 with a ramp, to avoid aliasing at a few pixels per period."""
    clipped: Floats = np.clip(0.5 + steepness * signed, 0, 1)
    return clipped


def _fold(u: Floats) -> Floats:
    """Signed distance to the nearest integer, in [-0.5, 0.5]."""
    return u - np.rint(u)


def _stripes(u: Floats, _v: Floats) -> Floats:
    return _soft(np.sin(TURN * u), 2)


def _checks(u: Floats, v: Floats) -> Floats:
    return _soft(np.sin(TURN / 2 * u) * np.sin(TURN / 2 * v), 4)


def _dots(u: Floats, v: Floats) -> Floats:
    return _soft(0.08 - _fold(u) ** 2 - _fold(v) ** 2, 12)


def _rings(u: Floats, v: Floats) -> Floats:
    """Adjacent targets of three rings: a single center would resemble stripes."""
    radius = 6 * np.hypot(_fold(u / 6), _fold(v / 6))
    return _soft(np.cos(TURN * radius), 2)


def _bricks(u: Floats, v: Floats) -> Floats:
    """Rows twice as long as high, every second one shifted by half; 1 on a brick, 0 on the mortar."""
    shifted = u / 2 + 0.5 * (np.floor(v) % 2)
    across, along = v - np.floor(v) - 0.5, 2 * (shifted - np.floor(shifted) - 0.5)
    return _soft(np.minimum(0.38 - np.abs(across), 0.88 - np.abs(along)), 8)


def _zigzag(u: Floats, v: Floats) -> Floats:
    return _soft(np.sin(TURN * (v + 1.6 * np.abs(_fold(u / 2)))), 3)


def _marble(u: Floats, v: Floats) -> Floats:
    """Thin veins: a plane wave, distorted by slower waves."""
    bend = np.sin(2.1 * v + 2 * np.sin(u)) + np.sin(1.3 * u - v)
    veins: Floats = np.sqrt(np.abs(np.sin(2.2 * u + 1.5 * bend)))
    return veins


def _triangles(u: Floats, v: Floats) -> Floats:
    return _soft(v - np.floor(v) - 2 * np.abs(_fold(u)), 5)


def _waves(u: Floats, v: Floats) -> Floats:
    """Smooth waves without edges and corners, unlike zigzag."""
    return _soft(np.sin(TURN * (v + 0.7 * np.sin(TURN / 4 * u))), 0.5)


def _crosses(u: Floats, v: Floats) -> Floats:
    along, across = np.abs(_fold(u)), np.abs(_fold(v))
    arm, width = 0.4, 0.13
    return _soft(np.minimum(arm - np.maximum(along, across), width - np.minimum(along, across)), 10)


# The first textures differ most: few classes are an easy task.
TEXTURES: dict[str, Callable[[Floats, Floats], Floats]] = {
    "stripes": _stripes,
    "checks": _checks,
    "dots": _dots,
    "rings": _rings,
    "bricks": _bricks,
    "zigzag": _zigzag,
    "marble": _marble,
    "triangles": _triangles,
    "waves": _waves,
    "crosses": _crosses,
}
CLASS_NAMES = tuple(TEXTURES)


def texture(label: str, x: Floats, y: Floats, period: float, random: np.random.Generator) -> Floats:
    """Fill a window with the texture of a class, with random rotation and shift: shape (h, w), in [0, 1].

    ``x``, shape (1, w), ``y``, shape (h, 1), from any origin, and ``period`` are in pixels.
    """
    angle, right, down = random.uniform(0, [TURN, 60, 60]).tolist()
    cosine, sine = cos(angle) / period, sin(angle) / period
    return TEXTURES[label](cosine * x - sine * y + right, sine * x + cosine * y + down)


def speckle(shape: tuple[int, int], cell: int, random: np.random.Generator) -> Floats:
    """Square cells of random values in [0, 1]: a texture without a class."""
    height, width = shape
    cells = random.random((-(-height // cell), -(-width // cell)), np.float32)
    return cells.repeat(cell, axis=0).repeat(cell, axis=1)[:height, :width]
