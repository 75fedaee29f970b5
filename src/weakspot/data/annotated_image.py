"""Decode the images and mask files of a data set as annotated."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from weakspot.data.decoding import MAX_PIXELS, read_image, read_sizes


def read_as_annotated(path: Path, size: tuple[int, int] | None, *, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """Decode an image of a data set to 8-bit RGB, in the orientation of its annotations.

    Data sets annotate stored pixels and ignore EXIF orientation. The orientation is applied only if the annotated size
    equals that of the upright image and differs from that of the stored pixels.

    Args:
        path: The image file.
        size: Annotated ``(height, width)``, or None.
        max_pixels: Maximum number of pixels.

    Returns:
        An image of mode RGB.

    Raises:
        InputError: As :func:`weakspot.data.read_image`.
    """
    stored, upright = read_sizes(path)
    return read_image(path, max_pixels=max_pixels, upright=size == upright != stored)


def read_mask(path: Path, *, max_pixels: int = MAX_PIXELS) -> NDArray[np.bool_]:
    """Decode a mask to shape (height, width): True for stored pixels that are not 0 (not black, if in color).

    EXIF orientation is ignored.
    """
    pixels = np.asarray(read_image(path, max_pixels=max_pixels, upright=False))
    mask: NDArray[np.bool_] = pixels.max(axis=2) > 0
    return mask
