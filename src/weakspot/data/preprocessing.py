"""What a classifier wants of its input, which travels with its weights."""

from collections.abc import Sequence
from dataclasses import dataclass

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
