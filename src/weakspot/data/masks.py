"""Decode mask files."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from weakspot.data.decoding import MAX_PIXELS, read_image


def read_mask(path: Path, *, max_pixels: int = MAX_PIXELS) -> NDArray[np.bool_]:
    """Decode a mask: True where the stored pixel is not 0 (not black, in colour).

    Args:
        path: An image file; its EXIF orientation is ignored.
        max_pixels: Larger images are refused before they are decoded.

    Returns:
        Shape (height, width).

    Raises:
        InputError: As :func:`weakspot.data.read_image`.
    """
    pixels = np.asarray(read_image(path, max_pixels=max_pixels, upright=False))
    marked: NDArray[np.bool_] = pixels.max(axis=2) > 0
    return marked
