"""Cluttered backgrounds: crops of the photos that scikit-image installs."""

from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from weakspot.data.decoding import read_image

# Those in scikit-image's wheel; brick.png is left out, for bricks are a class.
PHOTOS = (
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


def background(size: int, random: np.random.Generator) -> NDArray[np.uint8]:
    """Take a square of a photo at random, mirrored or not, in another light.

    Args:
        size: Side in pixels.
        random: Draws photo, square, mirroring and light.

    Returns:
        Shape (size, size, 3), a new array.

    Example:
        >>> background(64, np.random.default_rng(0)).shape
        (64, 64, 3)
    """
    photo = _photo(PHOTOS[random.integers(len(PHOTOS))])
    side = random.uniform(0.45, 1) * min(photo.size)
    left, top = random.uniform(0, [photo.width - side, photo.height - side])
    corners = (left, top, min(left + side, photo.width), min(top + side, photo.height))
    square = photo.resize((size, size), Image.Resampling.BILINEAR, box=corners)
    pixels = np.array(square.point(_light(random)))
    return np.ascontiguousarray(pixels[:, ::-1]) if random.random() < 0.5 else pixels


@cache
def _photo(name: str) -> Image.Image:
    package = find_spec("skimage")
    assert package is not None
    assert package.origin is not None
    return read_image(Path(package.origin).parent / "data" / name)


def _light(random: np.random.Generator) -> list[int]:
    """What each level of red, green and blue becomes: brighter or darker, with a slight cast."""
    gain = random.uniform(0.55, 1.1) * random.uniform(0.88, 1.12, (3, 1))
    lift = random.uniform(0, 40)
    levels: list[int] = np.clip(gain * np.arange(256) + lift, 0, 255).astype(int).ravel().tolist()
    return levels
