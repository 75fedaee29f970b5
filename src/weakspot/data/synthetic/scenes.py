"""Synthetic scenes: their settings, images, boxes and masks."""

from dataclasses import dataclass
from numbers import Integral

import numpy as np
from numpy.typing import NDArray

from weakspot.data.synthetic.drawing import Placed, background, paint_distractor, paint_object, paint_part, place
from weakspot.data.synthetic.textures import CLASS_NAMES
from weakspot.errors import InputError, check_fraction

BACKGROUND = "background"  # the label of a scene without an object

# Each step has its own random stream, so that a change of one setting does not change the random numbers of others.
STREAMS = ("presence", "background", "distractors", "outline", "object", "part")


@dataclass(frozen=True)
class SceneSettings:
    """Settings of scenes.

    Attributes:
        classes: Number of classes, 2 to 10: the first ones of ``CLASS_NAMES``.
        size: Side of the square image in pixels, 32 to 1024.
        discriminative_part: Draw a badge on 5 to 10 % of each object's pixels, with the texture and color of its class,
            and only a faint trace of the texture on the rest. The badge is sufficient for a classifier, so CAM
            highlights only the badge; ACoL was designed for this case.
        distractors: Number of shapes without a class in the background, 0 to 8.
        background_share: Probability of a scene without an object, 0 to 1.
        seed: Random seed, 0 or more.

    Raises:
        InputError: ``out-of-range``.

    Example:
        >>> SceneSettings(classes=8, discriminative_part=True).names
        ('stripes', 'checks', 'dots', 'rings', 'bricks', 'zigzag', 'marble', 'triangles')
    """

    classes: int = 4
    size: int = 224
    discriminative_part: bool = False
    distractors: int = 2
    background_share: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        check_integer("classes", self.classes, 2, len(CLASS_NAMES))
        check_integer("size", self.size, 32, 1024)
        check_integer("distractors", self.distractors, 0, 8)
        check_integer("seed", self.seed, 0)
        check_fraction(self.background_share, "background_share")

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the classes, without ``BACKGROUND``."""
        return CLASS_NAMES[: self.classes]


def check_integer(name: str, value: object, low: int, high: int | None = None) -> None:
    """Check that a value is an integer within bounds."""
    if not isinstance(value, Integral) or int(value) < low or (high is not None and int(value) > high):
        bounds = f"an integer of at least {low}" if high is None else f"an integer from {low} to {high}"
        raise InputError("out-of-range", f"{name} must be {bounds}, got {value}.")


@dataclass(frozen=True, eq=False)
class Scene:
    """An image with its class, box and masks.

    Attributes:
        image: Shape (size, size, 3), uint8 RGB.
        label: Class of the object, or ``BACKGROUND`` without an object.
        boxes: Shape (1, 4), xyxy in pixels, right and bottom excluded, the bounding box of ``mask``; (0, 4) without an
            object.
        mask: Shape (size, size), True on the object's pixels, none of which is occluded.
        part: Shape (size, size), True on the discriminative part, within ``mask``.
    """

    image: NDArray[np.uint8]
    label: str
    boxes: NDArray[np.float64]
    mask: NDArray[np.bool_]
    part: NDArray[np.bool_]


def scene(index: int, setting: SceneSettings = SceneSettings()) -> Scene:
    """Draw a scene, which depends only on its index, 0 or more, and the settings.

    The class of the object, if there is one, is ``index % setting.classes``.

    Example:
        >>> drawn = scene(5, SceneSettings(size=64))
        >>> drawn.label, drawn.image.shape, drawn.boxes.tolist()
        ('checks', (64, 64, 3), [[24.0, 34.0, 43.0, 52.0]])
    """
    check_integer("index", index, 0)
    image = background(setting.size, _stream("background", index, setting))
    random = _stream("distractors", index, setting)
    for _ in range(setting.distractors):
        paint_distractor(image, _place(0.1, 0.35, setting.size, random), random)
    if _stream("presence", index, setting).random() < setting.background_share:
        empty = np.zeros(image.shape[:2], np.bool_)
        return Scene(image, BACKGROUND, np.zeros((0, 4)), empty, empty.copy())
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


def _place(minimum: float, maximum: float, size: int, random: np.random.Generator) -> Placed:
    """Place an outline whose longer side is between two fractions of the image."""
    return place(size * random.uniform(minimum, maximum), size, random)


def _in_image(placed: Placed, size: int) -> NDArray[np.bool_]:
    mask = np.zeros((size, size), np.bool_)
    mask[placed.rows, placed.columns] = placed.mask
    return mask


def _bounds(mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The bounding box of a mask, shape (1, 4)."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return np.array([[columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]], np.float64)
