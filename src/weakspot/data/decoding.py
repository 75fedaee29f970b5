"""Decode anything that Pillow opens into upright 8-bit RGB."""

import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from weakspot.errors import InputError

ImageSource = str | Path | Image.Image | NDArray[np.uint8]

# Pillow's own limit before it warns of a decompression bomb: a quarter of a gigabyte of RGB.
MAX_PIXELS = 89_478_485

# What the decoders of damaged files are known to raise besides OSError.
_DAMAGED = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)


def read_image(source: ImageSource, *, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """Decode an image to upright 8-bit RGB.

    EXIF orientation is applied. Of an animation the first frame is taken. Grey becomes three equal channels,
    transparency is laid on white, CMYK and palettes are converted, 16-bit values are divided by 257, and 32-bit
    integers and floats are stretched from their least to their greatest value.

    Args:
        source: A path, a PIL image, or a uint8 array of shape (H, W), (H, W, 1), (H, W, 3) or (H, W, 4).
        max_pixels: Larger images are refused before they are decoded.

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
        return _upright_rgb(_from_array(source), "the array", max_pixels)
    if isinstance(source, Image.Image):
        return _upright_rgb(source, "the image", max_pixels)
    path = Path(source)
    try:
        with path.open("rb") as file, Image.open(file) as image:
            return _upright_rgb(image, str(path), max_pixels)
    except InputError:
        raise
    except _DAMAGED as error:
        raise _explained(path, error, max_pixels) from error


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


def _upright_rgb(image: Image.Image, name: str, max_pixels: int) -> Image.Image:
    width, height = image.size
    if width * height > max_pixels:
        raise _too_large(name, f"{width} x {height} pixels", max_pixels)
    if min(width, height) < 2:
        raise InputError(
            f"{name} is {width} x {height} pixels: nothing can be localized in it.",
            "Give an image of at least 2 x 2 pixels.",
        )
    return _rgb(ImageOps.exif_transpose(image) if image.getexif().get(ExifTags.Base.Orientation, 1) != 1 else image)


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
    return (safe - low) * (255 / (high - low) if high > low else 0.0)


def _too_large(name: str, size: str, max_pixels: int) -> InputError:
    return InputError(
        f"{name} has {size}, over the limit of {max_pixels:,}: it is not decoded.",
        "Shrink it, or raise max_pixels (--max-pixels) if you trust it.",
    )


_EXPLANATIONS = {
    FileNotFoundError: ("does not exist", "Check the path."),
    IsADirectoryError: ("is a folder, not an image", "Give its images one by one, or localize the folder."),
    PermissionError: ("may not be read", "Change its permissions, or leave it out."),
    UnidentifiedImageError: ("is not an image that can be read", "Give a JPEG, PNG, WebP, TIFF, BMP or GIF."),
}


def _explained(path: Path, error: Exception, max_pixels: int) -> InputError:
    """Say in two lines why a file could not be decoded."""
    if isinstance(error, Image.DecompressionBombError):
        return _too_large(str(path), "more pixels than Pillow opens", max_pixels)
    if path.is_file() and path.stat().st_size == 0:
        return InputError(f"{path} is empty (0 bytes).", "Copy the image again.")
    damage = (f"is damaged: {' '.join(str(error).split())}", "Copy or export the image again.")
    problem, hint = next((known for kind, known in _EXPLANATIONS.items() if isinstance(error, kind)), damage)
    return InputError(f"{path} {problem}.", hint)
