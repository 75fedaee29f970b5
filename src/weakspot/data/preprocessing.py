"""What a classifier wants of its input, which travels with its weights."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

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

    def resized(self, image: Image.Image) -> NDArray[np.uint8]:
        """Squash the whole image to the input size, bicubic with antialiasing; nothing is cropped.

        Args:
            image: An RGB image.

        Returns:
            Pixels of shape (height, width, channels).

        Example:
            >>> Preprocessing(height=2, width=3).resized(Image.new("RGB", (40, 30))).shape
            (2, 3, 3)
        """
        colours = image.convert("L") if len(self.mean) == 1 else image
        squashed = colours.resize((self.width, self.height), Image.Resampling.BICUBIC)
        return np.asarray(squashed).reshape(self.height, self.width, len(self.mean))
