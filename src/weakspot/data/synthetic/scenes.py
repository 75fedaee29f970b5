"""Make a scene: background, distractors, object, and the part that tells its class."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from weakspot.data.synthetic.backgrounds import background
from weakspot.data.synthetic.outlines import Placed, place
from weakspot.data.synthetic.painting import paint_distractor, paint_object, paint_part
from weakspot.data.synthetic.settings import BACKGROUND, SceneSettings, check_integer

# Each draws from a stream of its own, so that a change of one setting leaves the others' numbers as they were.
STREAMS = ("presence", "background", "distractors", "outline", "object", "part")


@dataclass(frozen=True, eq=False)
class Scene:
    """An image, and all that is known of it.

    Attributes:
        image: Shape (size, size, 3), uint8 RGB.
        label: Name of the object's class, or ``BACKGROUND`` where there is no object.
        boxes: Shape (1, 4), xyxy in pixels, right and bottom excluded, the least box around ``mask``; (0, 4) where
            there is no object.
        mask: Shape (size, size), True on the object's pixels. Nothing hides any of them.
        part: Shape (size, size), True on the discriminative part, which is within ``mask``; nowhere without it.
    """

    image: NDArray[np.uint8]
    label: str
    boxes: NDArray[np.float64]
    mask: NDArray[np.bool_]
    part: NDArray[np.bool_]


def scene(index: int, setting: SceneSettings = SceneSettings()) -> Scene:
    """Make a scene. It follows from its index and the setting alone.

    Args:
        index: 0 or more. The object, if there is one, is of class ``index % setting.classes``.
        setting: What the scenes are like.

    Raises:
        InputError: If ``index`` is no such number.

    Example:
        >>> made = scene(5, SceneSettings(size=64))
        >>> made.label, made.image.shape, made.boxes.tolist()
        ('checks', (64, 64, 3), [[24.0, 34.0, 43.0, 52.0]])
    """
    check_integer("index", index, 0)
    image = background(setting.size, _stream("background", index, setting))
    _add_distractors(image, setting.distractors, _stream("distractors", index, setting))
    if _stream("presence", index, setting).random() < setting.background_share:
        nowhere = np.zeros(image.shape[:2], np.bool_)
        return Scene(image, BACKGROUND, np.zeros((0, 4)), nowhere, nowhere.copy())
    label = setting.names[index % setting.classes]
    placed = _place(0.25, 0.65, setting.size, _stream("outline", index, setting))
    paint_object(image, placed, label, setting.discriminative_part, _stream("object", index, setting))
    mask = _in_image(placed, setting.size)
    part = np.zeros_like(mask)
    if setting.discriminative_part:
        part = _in_image(paint_part(image, placed, label, _stream("part", index, setting)), setting.size)
    return Scene(image, label, _bounds(mask), mask, part)


def _stream(name: str, index: int, setting: SceneSettings) -> np.random.Generator:
    return np.random.default_rng([int(setting.seed), int(index), STREAMS.index(name)])


def _add_distractors(image: NDArray[np.uint8], count: int, random: np.random.Generator) -> None:
    for _ in range(count):
        paint_distractor(image, _place(0.1, 0.35, len(image), random), random)


def _place(least: float, most: float, size: int, random: np.random.Generator) -> Placed:
    """Put an outline anywhere, its longer side between two shares of the image's."""
    return place(size * random.uniform(least, most), size, random)


def _in_image(placed: Placed, size: int) -> NDArray[np.bool_]:
    mask = np.zeros((size, size), np.bool_)
    mask[placed.rows, placed.columns] = placed.mask
    return mask


def _bounds(mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The least box around a mask, shape (1, 4)."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return np.array([[columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]], np.float64)
