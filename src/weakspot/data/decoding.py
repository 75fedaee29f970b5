"""Decode photos of any kind into upright 8-bit RGB."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps

from weakspot.errors import InputError

ImageSource = str | Path | bytes | Image.Image | NDArray[np.uint8]

# As many as Pillow takes before it warns of a decompression bomb: a quarter of a gigabyte of RGB.
MAX_PIXELS = 89_478_485

# What photos come in, and nothing that its decoder hands to another program (PostScript) or that nobody maintains.
FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "GIF", "BMP", "MPO", "AVIF", "JPEG2000", "PPM", "TGA")

# EXIF orientations that swap height and width.
QUARTER_TURNS = (5, 6, 7, 8)


def read_image(source: ImageSource, *, max_pixels: int = MAX_PIXELS, upright: bool = True) -> Image.Image:
    """Decode an image to upright 8-bit RGB.

    EXIF orientation is applied unless ``upright`` is False. Of an animation the first frame is taken. Grey becomes
    three equal channels, transparency is laid on white, CMYK and palettes are converted, 16-bit values are divided by
    257, and 32-bit integers and floats are stretched from their least to their greatest value.

    Args:
        source: A path, the bytes of an image file, a PIL image, or a uint8 array of shape (H, W), (H, W, 1),
            (H, W, 3) or (H, W, 4).
        max_pixels: Larger images are refused before they are decoded.
        upright: Apply EXIF orientation, else give the pixels as they are stored. A TIFF is always upright.

    Returns:
        An image of mode RGB.

    Raises:
        InputError: If the file is missing, empty, truncated, not an image, larger than ``max_pixels``, narrower
            than 2 pixels, or may not be read; or if the array is not such an array.

    Example:
        >>> read_image(np.zeros((4, 6), np.uint8)).size
        (6, 4)
    """
    if isinstance(source, np.ndarray):
        return _checked_rgb(_from_array(source), "The array", max_pixels, upright)
    if isinstance(source, Image.Image):
        return _checked_rgb(source, "The image", max_pixels, upright)
    with _file(source) as (file, name):
        return _checked_rgb(open_image(file, name), name, max_pixels, upright)


def read_downscaled(
    source: ImageSource, *, height: int, width: int, max_pixels: int = MAX_PIXELS
) -> tuple[Image.Image, tuple[int, int]]:
    """Decode an image that is then squashed to some size: a large JPEG at a half, a quarter or an eighth of its own.

    Its sides stay at least twice as long as those that it is squashed to, so that squashing has enough to average.

    Args:
        source: As for :func:`read_image`.
        height: Rows that it will be squashed to.
        width: Columns.
        max_pixels: Larger images are refused before they are decoded.

    Returns:
        The upright image in RGB, and ``(height, width)`` at its own scale.

    Raises:
        InputError: As :func:`read_image`.

    Example:
        >>> image, size = read_downscaled(np.zeros((40, 60), np.uint8), height=4, width=4)
        >>> image.size, size
        ((60, 40), (40, 60))
    """
    if isinstance(source, Image.Image | np.ndarray):  # one that a user holds stays as it is
        image = read_image(source, max_pixels=max_pixels)
        return image, (image.height, image.width)
    with _file(source) as (file, name):
        image = open_image(file, name)
        columns, rows = image.size
        if columns * rows <= max_pixels:
            side = 2 * max(height, width)  # EXIF may swap them
            image.draft("RGB", (side, side))
        upright = _checked_rgb(image, name, max_pixels, True)
        turned = image.getexif().get(ExifTags.Base.Orientation, 1) in QUARTER_TURNS and image.format != "TIFF"
    return upright, (columns, rows) if turned else (rows, columns)


def read_sizes(path: Path) -> tuple[tuple[int, int], tuple[int, int]]:
    """Read an image's size from its header, without decoding it.

    Args:
        path: The image file.

    Returns:
        ``(height, width)`` of the pixels as they are stored, and of the upright image. They differ where EXIF
        orientation turns the image by 90 degrees.

    Raises:
        InputError: If the file is missing, empty, not an image, or its header is damaged.
    """
    with open_binary(path) as file:
        image = open_image(file, str(path))
        width, height = image.size
        try:
            # A PNG without EXIF before its pixels would be decoded to search behind them. A TIFF's size is upright.
            known = image.format != "TIFF" and (image.format != "PNG" or "exif" in image.info)
            orientation = image.getexif().get(ExifTags.Base.Orientation, 1) if known else 1
        except Exception as error:  # what a decoder raises is up to the file's bytes
            problem = f"{path} is damaged: its EXIF data cannot be read."
            raise InputError(problem, "Copy or export the image again.") from error
    return (height, width), (width, height) if orientation in QUARTER_TURNS else (height, width)


@contextmanager
def _file(source: str | Path | bytes) -> Iterator[tuple[BinaryIO, str]]:
    """An image file, and what to call it."""
    if isinstance(source, bytes):
        yield BytesIO(source), "The image"
        return
    if not isinstance(source, str | Path):
        raise InputError(
            f"A {type(source).__name__} is not an image.",
            "Give a path, an image file's bytes, a PIL image or a uint8 array (H, W, 3); several go to stream.",
        )
    path = Path(source)
    with open_binary(path) as file:
        yield file, str(path)


def open_binary(path: Path) -> BinaryIO:
    """Open an image file for reading, or say why it cannot be."""
    try:
        return path.open("rb")
    except (OSError, ValueError) as error:  # a ValueError: a zero byte in the name
        known = (explained for kind, explained in _UNOPENED.items() if isinstance(error, kind))
        problem, hint = next(known, (f"cannot be opened: {getattr(error, 'strerror', error)}", "Check the path."))
        raise InputError(f"{path} {problem}.", hint) from error


_UNOPENED = {
    FileNotFoundError: ("does not exist", "Check the path."),
    IsADirectoryError: ("is a folder, not an image", "Give its images one by one, or localize the folder."),
    PermissionError: ("may not be read", "Change its permissions, or leave it out."),
}


def open_image(file: BinaryIO, name: str) -> Image.Image:
    """Read an image's header. Pillow's own open also warns of and refuses sizes, by a limit of the whole process."""
    start = file.read(16)
    if not start:
        raise InputError(f"{name} is empty (0 bytes).", "Copy the image again.")
    Image.init()
    recognised = False
    for factory, accepts in (Image.OPEN[format_] for format_ in FORMATS if format_ in Image.OPEN):
        if accepts is None or accepts(start) is True:
            recognised |= accepts is not None
            file.seek(0)
            with suppress(Exception):  # what a decoder raises is up to the file's bytes
                return factory(file, name)
    if recognised:
        raise InputError(f"{name} is damaged: its header cannot be read.", "Copy or export the image again.")
    raise InputError(f"{name} is not an image that can be read.", "Give a JPEG, PNG, WebP, TIFF, BMP or GIF.")


def _from_array(array: NDArray[np.uint8]) -> Image.Image:
    shaped = array[..., 0] if array.ndim == 3 and array.shape[2] == 1 else array
    if array.dtype != np.uint8 or not (shaped.ndim == 2 or (shaped.ndim == 3 and shaped.shape[2] in (3, 4))):
        raise InputError(
            f"An array of shape {array.shape} and type {array.dtype} is not an image.",
            "Give a uint8 array of shape (H, W), (H, W, 3) or (H, W, 4), values 0 to 255.",
        )
    if shaped.size == 0:
        raise InputError(f"The array of shape {array.shape} has no pixels.", "Give an image of at least 2 x 2 pixels.")
    return Image.fromarray(shaped)


def _checked_rgb(image: Image.Image, name: str, max_pixels: int, upright: bool) -> Image.Image:
    width, height = image.size
    if width * height > max_pixels:
        raise InputError(
            f"{name} has {width} x {height} pixels, over the limit of {max_pixels:,}: it is not decoded.",
            "Shrink it, or raise max_pixels (--max-pixels) if you trust it.",
        )
    if min(width, height) < 2:
        raise InputError(
            f"{name} is {width} x {height} pixels: nothing can be localized in it.",
            "Give an image of at least 2 x 2 pixels.",
        )
    try:
        turned = upright and image.getexif().get(ExifTags.Base.Orientation, 1) != 1
        return _rgb(ImageOps.exif_transpose(image) if turned else image)
    except Exception as error:  # what a decoder raises is up to the file's bytes
        problem = f"{name} is damaged: {' '.join(str(error).split())}."
        raise InputError(problem, "Copy or export the image again.") from error


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16"):
        return _from_eight_bits(np.asarray(image) // 257)
    if image.mode in ("I", "F"):
        return _from_eight_bits(_stretched(np.asarray(image)))
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB")
    return image.convert("RGB")


def _from_eight_bits(values: NDArray[np.generic]) -> Image.Image:
    return Image.fromarray(values.astype(np.uint8)).convert("RGB")


def _stretched(values: NDArray[np.generic]) -> NDArray[np.float64]:
    """Stretch from least to greatest onto 0 to 255; NaN and infinities count as the least."""
    numbers = values.astype(np.float64)
    finite = numbers[np.isfinite(numbers)]
    low, high = (finite.min(), finite.max()) if finite.size else (0.0, 0.0)
    safe = np.where(np.isfinite(numbers), numbers, low)
    stretched: NDArray[np.float64] = ((safe - low) * (255 / (high - low) if high > low else 0.0)).round()
    return stretched
