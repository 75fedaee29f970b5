"""What a classifier wants of its input, which travels with its weights."""

from collections.abc import Sequence
from dataclasses import dataclass
from operator import index

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from weakspot.errors import InputError

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Preprocessing:
    """Input size and normalisation of a classifier.

    Attributes:
        height: Rows of the input.
        width: Columns of the input.
        mean: Mean of each channel, of pixels in [0, 1]; one value for a classifier of grey images, else three.
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
        """Take what a user gives, and what is known for the rest.

        Args:
            mean: Mean of each channel, or None.
            std: Standard deviation of each channel, or None.
            input_size: Side of the square input, or ``(height, width)``, or None.

        Raises:
            InputError: If the numbers of channels do not agree, a deviation is not positive, or the size is not.

        Example:
            >>> Preprocessing().changed(input_size=(128, 96)).width
            96
        """
        height, width = (self.height, self.width) if input_size is None else _height_and_width(input_size)
        means, deviations = (
            known if given is None else tuple(float(number) for number in np.atleast_1d(given))
            for known, given in ((self.mean, mean), (self.std, std))
        )
        chosen = Preprocessing(height, width, means, deviations)
        if len(chosen.mean) != len(chosen.std) or len(chosen.mean) not in (1, 3) or min(chosen.std) <= 0:
            raise InputError(
                f"Means {chosen.mean} and standard deviations {chosen.std} are not those of 1 or 3 channels.",
                "Give three of each, or one of each for a model of grey images; deviations are above 0.",
            )
        if min(height, width) < 1:
            raise InputError(f"The input size {height} x {width} is not positive.", "Give a size such as 224.")
        return chosen


def _height_and_width(size: int | tuple[int, int]) -> tuple[int, int]:
    try:
        height, width = size if isinstance(size, Sequence) else (size, size)
        return index(height), index(width)
    except (TypeError, ValueError) as error:
        raise InputError(f"{size!r} is not an input size.", "Give a number of pixels, or (height, width).") from error


def to_array(image: Image.Image, *, channels: int) -> NDArray[np.uint8]:
    """Copy an RGB image's pixels for a classifier of 3 channels, or of 1: shape (height, width, channels).

    Example:
        >>> to_array(Image.new("RGB", (2, 1), "white"), channels=1).tolist()
        [[[255], [255]]]
    """
    pixels: NDArray[np.uint8] = np.array(image.convert("L") if channels == 1 else image)
    return pixels.reshape(image.height, image.width, -1)
