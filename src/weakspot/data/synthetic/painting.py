"""Paint what stands in a scene: distractors, objects, and the part that tells an object's class."""

from colorsys import hsv_to_rgb
from math import cos, pi, sin, sqrt

import numpy as np
from numpy.typing import NDArray

from weakspot.data.synthetic.outlines import ANGLES, Placed
from weakspot.data.synthetic.textures import CLASS_NAMES, TURN, Floats, speckle, texture

FAINT = 0.3  # contrast of the class's texture on the body of an object that has a badge, of its full contrast


def paint_distractor(image: NDArray[np.uint8], placed: Placed, random: np.random.Generator) -> None:
    """Fill an outline with one colour or with speckle, in place.

    Args:
        image: Shape (size, size, 3).
        placed: Where.
        random: Draws colours, kind of filling and light.
    """
    shape = placed.mask.shape
    values = np.full(shape, random.random(), np.float32)
    if random.random() < 0.5:
        values = speckle(shape, _cell(image), random)
    _lay(image, placed, values, _two_colours(random), random)


def paint_object(
    image: NDArray[np.uint8], placed: Placed, label: str, faint: bool, random: np.random.Generator
) -> None:
    """Fill an outline with a class's texture, in place.

    Args:
        image: Shape (size, size, 3).
        placed: Where.
        label: One of ``CLASS_NAMES``.
        faint: Leave a trace of the texture only, mixed into speckle, which is the same for all classes.
        random: Draws colours, period, turn and light.
    """
    colours = _two_colours(random)
    period = max(len(image) * random.uniform(0.05, 0.09), 3)
    values = texture(label, placed.x, placed.y, period, random)
    if faint:
        values = FAINT * values + (1 - FAINT) * speckle(placed.mask.shape, _cell(image), random)
    _lay(image, placed, values, colours, random)


def paint_part(image: NDArray[np.uint8], placed: Placed, label: str, random: np.random.Generator) -> Placed:
    """Put a badge on an object, in place: a class's texture in the class's colour.

    Args:
        image: Shape (size, size, 3).
        placed: The object.
        label: One of ``CLASS_NAMES``.
        random: Draws the badge's share, position, turn and light.

    Returns:
        The badge, in the object's window: a disc within the object, or what of it is within.
    """
    area = np.count_nonzero(placed.mask)
    count = max(1, round(random.uniform(0.05, 0.1) * area))
    x, y = _off_centre(placed, random)
    mask = _nearest(placed.mask, (placed.x - x) ** 2 + (placed.y - y) ** 2, count)
    badge = placed._replace(mask=mask)
    period = max(sqrt(4 / pi * count) / 2.5, 3)
    values = texture(label, placed.x - x, placed.y - y, period, random)
    _lay(image, badge, values, _class_colours(label, random), random)
    return badge


def _off_centre(placed: Placed, random: np.random.Generator) -> tuple[float, float]:
    """A point about half-way from the centre to the edge, ``(x, y)`` in pixels from the centre."""
    direction = random.integers(len(placed.radii))
    distance = random.uniform(0.4, 0.6) * float(placed.radii[direction])
    return distance * cos(ANGLES[direction]), distance * sin(ANGLES[direction])


def _nearest(mask: NDArray[np.bool_], distances: Floats, count: int) -> NDArray[np.bool_]:
    """The ``count`` pixels of a mask that are nearest. Shapes (h, w)."""
    within = np.flatnonzero(mask)
    nearest = within[np.argpartition(distances.ravel()[within], count - 1)[:count]]
    chosen = np.zeros_like(mask)
    chosen.ravel()[nearest] = True
    return chosen


def _lay(
    image: NDArray[np.uint8], placed: Placed, values: Floats, colours: Floats, random: np.random.Generator
) -> None:
    """Colour values in [0, 1], light them from one side, add grain, and lay them on the image. (h, w), (2, 3)."""
    angle, strength = random.uniform(0, TURN), random.uniform(0.1, 0.5)
    reach = strength / max(placed.mask.shape)
    light = 1 + reach * cos(angle) * placed.x + reach * sin(angle) * placed.y
    grain = 0.03 * random.standard_normal(values.shape, np.float32)
    pixels = (light + grain)[..., None] * (colours[0] + values[..., None] * (colours[1] - colours[0]))  # (h, w, 3)
    window = image[placed.rows, placed.columns]
    np.copyto(window, np.clip(pixels, 0, 255).astype(np.uint8), where=placed.mask[..., None])


def _two_colours(random: np.random.Generator) -> Floats:
    """A dark and a light colour, in any order: shape (2, 3), 0 to 255."""
    colours = random.uniform([[0] * 3, [135] * 3], [[120] * 3, [255] * 3]).astype(np.float32)
    return colours[::-1] if random.random() < 0.5 else colours


def _class_colours(label: str, random: np.random.Generator) -> Floats:
    """A dark and a strong tone of a class's hue: shape (2, 3), 0 to 255."""
    # Steps of 3 in 10: the hues of classes that follow one another are far apart.
    hue = 0.3 * CLASS_NAMES.index(label) + random.uniform(-0.02, 0.02)
    strong = np.array(hsv_to_rgb(hue % 1, 0.95, 1), np.float32)
    return np.stack([35 * strong, 255 * strong])


def _cell(image: NDArray[np.uint8]) -> int:
    """Side of a cell of speckle in pixels."""
    return max(1, len(image) // 75)
