"""Decode a data set's image in the frame that its boxes are written in."""

from pathlib import Path

from PIL import Image

from weakspot.data.decoding import MAX_PIXELS, read_image, read_sizes


def read_as_annotated(path: Path, size: tuple[int, int] | None, *, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """Decode an image of a data set to 8-bit RGB, turned as its annotations take it.

    Data sets count their boxes in stored pixels, EXIF orientation or not. Only where the annotated size is that of
    the upright image and not that of the stored one, the image is turned upright.

    Args:
        path: The image file.
        size: ``(height, width)`` as annotated, or None.
        max_pixels: Larger images are refused before they are decoded.

    Returns:
        An image of mode RGB.

    Raises:
        InputError: As :func:`weakspot.data.read_image`.
    """
    stored, upright = read_sizes(path)
    return read_image(path, max_pixels=max_pixels, upright=size == upright != stored)
