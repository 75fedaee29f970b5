"""Preprocessing of a classifier's input, which is stored with its weights."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from operator import index

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from weakspot.errors import InputError

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
# Longest side of a classifier's input: a ResNet needs gigabytes for each image beyond.
MAX_INPUT_SIDE = 4096
# Longest side of an image that is resized as it is; a JPEG has at most 65,535.
MAX_IMAGE_SIDE = 65_536


@dataclass(frozen=True)
class Preprocessing:
    """Input size and normalization of a classifier.

    Attributes:
        height: Number of rows of the input.
        width: Number of columns of the input.
        mean: Mean of each channel, of pixels in [0, 1]; one value for a classifier of gray images, else three.
        std: Standard deviation of each channel.
    """

    height: int = 224
    width: int = 224
    mean: Sequence[float] = IMAGENET_MEAN
    std: Sequence[float] = IMAGENET_STD

    def changed(
        self,
        *,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        input_size: int | tuple[int, int] | None = None,
    ) -> "Preprocessing":
        """Return a copy with some values replaced; None keeps a value.

        Args:
            mean: Mean of each channel.
            std: Standard deviation of each channel.
            input_size: Side of the square input, or ``(height, width)``.

        Raises:
            InputError: ``normalization-invalid`` unless mean and std have 1 or 3 channels both and std is positive;
                ``input-size-invalid`` or ``out-of-range`` for the size.

        Example:
            >>> Preprocessing().changed(input_size=(128, 96)).width
            96
        """
        height, width = (self.height, self.width) if input_size is None else _height_and_width(input_size)
        means, deviations = (
            old if new is None else tuple(float(number) for number in np.atleast_1d(new))
            for old, new in ((self.mean, mean), (self.std, std))
        )
        finite = all(map(isfinite, (*means, *deviations)))
        if len(means) != len(deviations) or len(means) not in (1, 3) or not finite or min(deviations) <= 0:
            raise InputError(
                "normalization-invalid",
                f"mean and std must have 1 or 3 values each, std above 0, got {means} and {deviations}.",
            )
        if min(height, width) < 1:
            raise InputError("out-of-range", f"input_size must be at least 1 x 1, got {height} x {width}.")
        if max(height, width) > MAX_INPUT_SIDE:
            problem = f"input_size must be at most {MAX_INPUT_SIDE} x {MAX_INPUT_SIDE}, got {height} x {width}."
            raise InputError("out-of-range", problem)
        return Preprocessing(height, width, means, deviations)


def _height_and_width(size: int | tuple[int, int]) -> tuple[int, int]:
    try:
        height, width = size if isinstance(size, Sequence) else (size, size)
        if isinstance(height, bool) or isinstance(width, bool):
            raise TypeError("true and false are not sizes")  # noqa: TRY301
        return index(height), index(width)
    except (TypeError, ValueError) as error:
        problem = f"input_size must be an integer or (height, width), got {size!r}."
        raise InputError("input-size-invalid", problem) from error


def to_array(image: Image.Image, *, channels: int) -> NDArray[np.uint8]:
    """Copy the pixels of an RGB image for a classifier of 3 channels or 1: shape (rows, columns, channels).

    Sides longer than :data:`MAX_IMAGE_SIDE` are reduced, see :func:`reduce_long_sides`.
    """
    bounded = reduce_long_sides(image)
    pixels: NDArray[np.uint8] = np.array(bounded.convert("L") if channels == 1 else bounded)
    return pixels.reshape(bounded.height, bounded.width, -1)


def whole_array(image: Image.Image, *, channels: int) -> NDArray[np.uint8]:
    """Return the pixels of an RGB image of any size for a classifier of 3 channels or 1; they cannot be changed.

    Example:
        >>> whole_array(Image.new("RGB", (4, 2), "white"), channels=1).shape
        (2, 4, 1)
    """
    pixels: NDArray[np.uint8] = np.asarray(image.convert("L") if channels == 1 else image)
    return pixels.reshape(image.height, image.width, channels)


def reduce_long_sides(image: Image.Image) -> Image.Image:
    """Divide sides longer than :data:`MAX_IMAGE_SIDE` by a whole number, by averaging; return other images unchanged.

    Resizing makes an intermediate image of all rows and the columns of the result, and tables of all rows and columns:
    an image of 2 x 44,000,000 pixels would take 40 GB.

    Example:
        >>> reduce_long_sides(Image.new("RGB", (2, 100_000))).size
        (2, 50000)
    """
    factors = -(-image.width // MAX_IMAGE_SIDE), -(-image.height // MAX_IMAGE_SIDE)
    return image if factors == (1, 1) else image.reduce(factors)


def resize_by_pillow(pixels: NDArray[np.uint8], *, height: int, width: int) -> NDArray[np.uint8]:
    """Resize pixels (rows, columns, channels) to a classifier's input size, bicubic with antialiasing."""
    if pixels.shape[:2] == (height, width):
        return pixels
    image = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    return np.asarray(image.resize((width, height), Image.Resampling.BICUBIC)).reshape(height, width, -1)
