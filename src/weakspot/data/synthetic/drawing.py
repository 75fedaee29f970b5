"""Draw a scene: backgrounds, outlines, distractors, objects, and the discriminative part of an object."""

from collections.abc import Callable
from colorsys import hsv_to_rgb
from functools import cache
from importlib.util import find_spec
from math import cos, pi, sin, sqrt
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from weakspot.data.decoding import read_image
from weakspot.data.synthetic.textures import CLASS_NAMES, TURN, Floats, speckle, texture

# Images in scikit-image's wheel, without brick.png, as bricks are a class.
IMAGES = (
    "astronaut.png",
    "camera.png",
    "chelsea.png",
    "coffee.png",
    "coins.png",
    "grass.png",
    "gravel.png",
    "hubble_deep_field.jpg",
    "motorcycle_left.png",
    "rocket.jpg",
)

DIRECTIONS = 1024  # a power of 2, so that an index wraps by its lowest bits
ANGLES = np.arange(DIRECTIONS, dtype=np.float32) * (2 * pi / DIRECTIONS)

FAINT = 0.3  # relative contrast of the class's texture on an object with a badge


def background(size: int, random: np.random.Generator) -> NDArray[np.uint8]:
    """Crop a random square of a random image to shape (size, size, 3), with random mirroring and brightness."""
    source = _source_image(IMAGES[random.integers(len(IMAGES))])
    side = random.uniform(0.45, 1) * min(source.size)
    left, top = random.uniform(0, [source.width - side, source.height - side])
    corners = (left, top, min(left + side, source.width), min(top + side, source.height))
    square = source.resize((size, size), Image.Resampling.BILINEAR, box=corners)
    pixels = np.array(square.point(_light(random)))
    return np.ascontiguousarray(pixels[:, ::-1]) if random.random() < 0.5 else pixels


@cache
def _source_image(name: str) -> Image.Image:
    package = find_spec("skimage")
    assert package is not None
    assert package.origin is not None
    return read_image(Path(package.origin).parent / "data" / name)


def _light(random: np.random.Generator) -> list[int]:
    """Return a lookup table of red, green and blue: brighter or darker, with a slight color cast."""
    gain = random.uniform(0.55, 1.1) * random.uniform(0.88, 1.12, (3, 1))
    lift = random.uniform(0, 40)
    levels: list[int] = np.clip(gain * np.arange(256) + lift, 0, 255).astype(int).ravel().tolist()
    return levels


class Placed(NamedTuple):
    """An outline at a position in an image: the rows and columns of its window, of shape (h, w), in the image.

    ``x``, shape (1, w), and ``y``, shape (h, 1), are pixels from the center of the outline; ``radii``, shape
    (directions,), pixels from the center to the edge; ``mask``, shape (h, w), the pixels within the outline.
    """

    rows: slice
    columns: slice
    x: Floats
    y: Floats
    radii: Floats
    mask: NDArray[np.bool_]


def place(extent: float, size: int, random: np.random.Generator) -> Placed:
    """Draw a random outline at a random position of a square image of side ``size``.

    The longer side of its box is ``extent``, in pixels, at most ``size``.
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
    """The pixels whose centers are within the outline. Shapes (1, w), (h, 1), (directions,) to (h, w)."""
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
    """A circle, deformed by four slow waves."""
    waves = np.arange(2, 6)
    depths, phases = random.uniform(0, 0.3 / waves), random.uniform(0, 2 * pi, 4)
    radii: Floats = 1 + depths @ np.cos(waves[:, None] * ANGLES + phases[:, None])
    return radii


OUTLINES: tuple[Callable[[np.random.Generator], Floats], ...] = (_ellipse, _polygon, _plate, _star, _blob)


def paint_distractor(image: NDArray[np.uint8], placed: Placed, random: np.random.Generator) -> None:
    """Fill an outline with one color or with speckle, in place. The image has shape (size, size, 3)."""
    shape = placed.mask.shape
    values = np.full(shape, random.random(), np.float32)
    if random.random() < 0.5:
        values = speckle(shape, _cell(image), random)
    _paste(image, placed, values, _two_colors(random), random)


def paint_object(
    image: NDArray[np.uint8], placed: Placed, label: str, faint: bool, random: np.random.Generator
) -> None:
    """Fill an outline with a class's texture, in place. The image has shape (size, size, 3).

    ``faint`` mixes a trace of the texture into speckle, which is the same for all classes.
    """
    colors = _two_colors(random)
    period = max(len(image) * random.uniform(0.05, 0.09), 3)
    values = texture(label, placed.x, placed.y, period, random)
    if faint:
        values = FAINT * values + (1 - FAINT) * speckle(placed.mask.shape, _cell(image), random)
    _paste(image, placed, values, colors, random)


def paint_part(image: NDArray[np.uint8], placed: Placed, label: str, random: np.random.Generator) -> Placed:
    """Draw a badge on an object, in place: the texture of a class in the color of the class.

    Return the badge, in the object's window: a disc, clipped to the object.
    """
    area = np.count_nonzero(placed.mask)
    count = max(1, round(random.uniform(0.05, 0.1) * area))
    x, y = _badge_center(placed, random)
    mask = _nearest(placed.mask, (placed.x - x) ** 2 + (placed.y - y) ** 2, count)
    badge = placed._replace(mask=mask)
    period = max(sqrt(4 / pi * count) / 2.5, 3)
    values = texture(label, placed.x - x, placed.y - y, period, random)
    _paste(image, badge, values, _class_colors(label, random), random)
    return badge


def _badge_center(placed: Placed, random: np.random.Generator) -> tuple[float, float]:
    """A point about half-way from the center to the edge, ``(x, y)`` in pixels from the center."""
    direction = random.integers(len(placed.radii))
    distance = random.uniform(0.4, 0.6) * float(placed.radii[direction])
    return distance * cos(ANGLES[direction]), distance * sin(ANGLES[direction])


def _nearest(mask: NDArray[np.bool_], distances: Floats, count: int) -> NDArray[np.bool_]:
    """The ``count`` pixels of a mask that are nearest. Shapes (h, w)."""
    within = np.flatnonzero(mask)
    nearest = within[np.argpartition(distances.ravel()[within], count - 1)[:count]]
    selected = np.zeros_like(mask)
    selected.ravel()[nearest] = True
    return selected


def _paste(
    image: NDArray[np.uint8], placed: Placed, values: Floats, colors: Floats, random: np.random.Generator
) -> None:
    """Map values in [0, 1] to colors, add lighting and grain, and paste them. Shapes (h, w), (2, 3)."""
    angle, strength = random.uniform(0, TURN), random.uniform(0.1, 0.5)
    reach = strength / max(placed.mask.shape)
    light = 1 + reach * cos(angle) * placed.x + reach * sin(angle) * placed.y
    grain = 0.03 * random.standard_normal(values.shape, np.float32)
    pixels = (light + grain)[..., None] * (colors[0] + values[..., None] * (colors[1] - colors[0]))  # (h, w, 3)
    window = image[placed.rows, placed.columns]
    np.copyto(window, np.clip(pixels, 0, 255).astype(np.uint8), where=placed.mask[..., None])


def _two_colors(random: np.random.Generator) -> Floats:
    """A dark and a light color, in random order: shape (2, 3), 0 to 255."""
    colors = random.uniform([[0] * 3, [135] * 3], [[120] * 3, [255] * 3]).astype(np.float32)
    return colors[::-1] if random.random() < 0.5 else colors


def _class_colors(label: str, random: np.random.Generator) -> Floats:
    """A dark and a strong tone of a class's hue: shape (2, 3), 0 to 255."""
    # Steps of 3 in 10, so that the hues of neighboring classes are far apart.
    hue = 0.3 * CLASS_NAMES.index(label) + random.uniform(-0.02, 0.02)
    strong = np.array(hsv_to_rgb(hue % 1, 0.95, 1), np.float32)
    return np.stack([35 * strong, 255 * strong])


def _cell(image: NDArray[np.uint8]) -> int:
    """Side of a speckle cell in pixels."""
    return max(1, len(image) // 75)
