"""EXIF orientation: how stored pixels are turned and mirrored to be upright."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image

if TYPE_CHECKING:  # a process that only decodes images needs no data sets
    from weakspot.data.dataset import Box

# Transpositions of Pillow that make an image upright, by EXIF orientation; 1 is upright.
TRANSPOSITIONS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# The same as: exchange x and y, mirror x, mirror y.
_STEPS = {
    1: (False, False, False),
    2: (False, True, False),
    3: (False, True, True),
    4: (False, False, True),
    5: (True, False, False),
    6: (True, True, False),
    7: (True, True, True),
    8: (True, False, True),
}
_INVERSE = {6: 8, 8: 6}

# Orientations that swap height and width.
QUARTER_TURNS = (5, 6, 7, 8)


def orientation_of(image: Image.Image) -> int:
    """Return the EXIF orientation of an image, 1 to 8; 1 if it has none, or its EXIF data are damaged."""
    try:
        value = image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # decoders raise any type
        return 1
    return value if isinstance(value, int) and value in TRANSPOSITIONS else 1


def upright_size(size: tuple[int, int], orientation: int) -> tuple[int, int]:
    """Return ``(height, width)`` of the upright image from that of the stored pixels, or the reverse."""
    return size[::-1] if orientation in QUARTER_TURNS else size


def inverse_orientation(orientation: int) -> int:
    """Return the orientation that makes the stored pixels of the upright image.

    Example:
        >>> inverse_orientation(6), inverse_orientation(3)
        (8, 3)
    """
    return _INVERSE.get(orientation, orientation)


def box_to_upright(box: "Box", orientation: int, *, height: int, width: int) -> "Box":
    """Convert a box in stored pixels, of an image of this size as stored, to the upright image.

    Example:
        >>> box_to_upright((20, 20, 80, 60), 6, height=100, width=200)
        (40, 20, 80, 80)
    """
    exchanged, mirrored_x, mirrored_y = _STEPS[orientation]
    x1, y1, x2, y2 = box
    if exchanged:
        x1, y1, x2, y2, height, width = y1, x1, y2, x2, width, height
    if mirrored_x:
        x1, x2 = width - x2, width - x1
    if mirrored_y:
        y1, y2 = height - y2, height - y1
    return x1, y1, x2, y2


def box_to_stored(box: "Box", orientation: int, *, height: int, width: int) -> "Box":
    """Convert a box in the upright image, of this size if upright, to stored pixels.

    Example:
        >>> box_to_stored((40, 20, 80, 80), 6, height=200, width=100)
        (20, 20, 80, 60)
    """
    return box_to_upright(box, inverse_orientation(orientation), height=height, width=width)


def mask_to_upright(mask: NDArray[np.bool_], orientation: int) -> NDArray[np.bool_]:
    """Convert a mask of stored pixels to the upright image."""
    exchanged, mirrored_x, mirrored_y = _STEPS[orientation]
    turned = mask.T if exchanged else mask
    return turned[:: -1 if mirrored_y else 1, :: -1 if mirrored_x else 1]
