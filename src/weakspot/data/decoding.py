"""Decode images of any kind to upright 8-bit RGB."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from weakspot.data import heif
from weakspot.data.decoding_apart import active_decoders
from weakspot.data.decoding_checks import check_structure, check_tiles
from weakspot.data.image_files import error_of_image, errors_of_image, open_binary
from weakspot.data.orientation import TRANSPOSITIONS, orientation_of, upright_size
from weakspot.errors import InputError
from weakspot.ops.preprocessing import reduce_long_sides

ImageSource = str | Path | bytes | Image.Image | NDArray[np.uint8]
OnHeader = Callable[[str, int], None]
Draft = tuple[str, tuple[int, int]]

# Pillow's limit before it warns of a decompression bomb: a quarter of a gigabyte of RGB.
MAX_PIXELS = 89_478_485

# Range of 16-bit values below which they are rescaled.
NARROW = 2**14

# Share of the pixels at either end of that range that may be hot or dead ones of the sensor.
HOT = 1e-3

# Pixels that are converted at once if the conversion needs several copies.
BAND = 2**22

# Image formats in use, without those that run another program (PostScript) or whose decoders are unmaintained.
FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "GIF", "BMP", "MPO", "AVIF", "JPEG2000", "PPM", "TGA", "HEIF")


def read_image(source: ImageSource, *, max_pixels: int = MAX_PIXELS, upright: bool = True) -> Image.Image:
    """Decode an image to upright 8-bit RGB.

    EXIF orientation is applied unless ``upright`` is False. The first frame of an animation is used. Gray becomes three
    equal channels, transparency is composited on white, CMYK and palettes are converted, 16-bit values are divided by
    257, and 32-bit integers and floats are rescaled from their minimum and maximum, as are 16-bit values (also of
    colors) that use less than a quarter of their range, such as those of thermal cameras or of 10 to 14 bits. One pixel
    in a thousand at either end does not count if the range of the others is less than a quarter: hot and dead pixels of
    a sensor.

    Args:
        source: A path, the bytes of an image file, a PIL image, or a uint8 array of shape (H, W), (H, W, 1),
            (H, W, 3) or (H, W, 4).
        max_pixels: Maximum number of pixels, which is checked before decoding.
        upright: Apply EXIF orientation. If False, return the stored pixels. TIFF and HEIC are always upright.

    Returns:
        An image of mode RGB.

    Raises:
        InputError: ``image-not-found``; ``image-unreadable`` if the file cannot be opened; ``image-empty``;
            ``image-invalid`` if the source is not an image or array of these kinds; ``damaged-image``;
            ``image-too-large``, also for a tile of a TIFF; ``image-too-complex`` for thousands of scans or blocks;
            ``image-too-small`` if a side is less than 2 pixels; ``decoding-out-of-memory``; ``not-installed`` if the
            image is HEIC and pillow-heif is not installed.

    Example:
        >>> read_image(np.zeros((4, 6), np.uint8)).size
        (6, 4)
    """
    if isinstance(source, np.ndarray):
        return _checked_rgb(_from_array(source), "The array", max_pixels, upright)
    if isinstance(source, Image.Image):
        return _checked_rgb(source, "The image", max_pixels, upright)
    return read_file(source, max_pixels=max_pixels, upright=upright)


def read_file(
    source: str | Path | bytes,
    *,
    max_pixels: int = MAX_PIXELS,
    upright: bool = True,
    draft: Draft | None = None,
    on_header: OnHeader | None = None,
) -> Image.Image:
    """Decode an image file as :func:`read_image`, in a decoder if there are any.

    A large JPEG is decoded at a fraction of its size, which ``max_pixels`` limits, with a ``draft``: a mode and the
    least ``(width, height)``. ``on_header`` is called as by :func:`read_downscaled`.
    """
    decoders = active_decoders()
    if decoders is not None and isinstance(source, str | Path | bytes):
        return decoders.read_file(source, max_pixels=max_pixels, upright=upright, draft=draft)
    with _file(source) as (file, name):
        image = open_image(file, name)
        if on_header is not None:
            on_header(image.format or "", min(image.width * image.height, max_pixels))
        if draft is not None:
            image.draft(*draft)
        return _checked_rgb(image, name, max_pixels, upright)


def read_downscaled(
    source: ImageSource,
    *,
    height: int,
    width: int,
    max_pixels: int = MAX_PIXELS,
    on_header: OnHeader | None = None,
) -> tuple[Image.Image, tuple[int, int]]:
    """Decode an image that will be resized: a large JPEG at a half, a quarter or an eighth of its size.

    The sides remain at least twice as long as those of the target size, so that the result of resizing is smooth;
    those that are longer than 65,536 pixels are reduced. ``on_header`` is called with the format and the number of
    pixels of a file before they are decoded. Return the upright image in RGB, and ``(height, width)`` at full scale.
    """
    if isinstance(source, Image.Image | np.ndarray):  # already decoded
        image = read_image(source, max_pixels=max_pixels)
        return image, (image.height, image.width)
    decoders = active_decoders()
    if decoders is not None and isinstance(source, str | Path | bytes):
        pixels, original = decoders.read(source, height=height, width=width, max_pixels=max_pixels)
        return Image.fromarray(pixels), original
    with _file(source) as (file, name):
        image = open_image(file, name)
        columns, rows = image.size
        if columns * rows <= max_pixels:
            if on_header is not None:
                on_header(image.format or "", columns * rows)
            side = 2 * max(height, width)  # EXIF may swap them
            image.draft("RGB", (side, side))
        upright = _checked_rgb(image, name, max_pixels, True)
        orientation = 1 if image.format == "TIFF" else orientation_of(image)
        reduced = reduce_long_sides(upright)
    return reduced, upright_size((rows, columns), orientation)


def read_sizes(path: Path) -> tuple[tuple[int, int], tuple[int, int]]:
    """Read ``(height, width)`` of the stored pixels and of the upright image from the header, without decoding.

    They differ if EXIF orientation rotates the image by 90 degrees.
    """
    stored, orientation = read_orientation(path)
    return stored, upright_size(stored, orientation)


def read_orientation(path: Path) -> tuple[tuple[int, int], int]:
    """Read ``(height, width)`` of the stored pixels and the EXIF orientation from the header, without decoding."""
    decoders = active_decoders()
    if decoders is not None:
        return decoders.read_orientation(path)
    with open_binary(path) as file:
        image = open_image(file, str(path))
        # Without EXIF before the pixels, Pillow would decode a PNG to search after them. A TIFF's size is upright.
        has_exif = image.format != "TIFF" and (image.format != "PNG" or "exif" in image.info)
        return (image.height, image.width), orientation_of(image) if has_exif else 1


@contextmanager
def _file(source: str | Path | bytes) -> Iterator[tuple[BinaryIO, str]]:
    """Open an image file, and return its name for messages."""
    if isinstance(source, bytes):
        with errors_of_image("The image"):
            yield BytesIO(source), "The image"
        return
    if not isinstance(source, str | Path):
        problem = f"An image must be a path, bytes, a PIL image or a uint8 array, got {type(source).__name__}."
        raise InputError("image-invalid", problem, "Use Localizer.stream for several images.")
    path = Path(source)
    with open_binary(path) as file:
        yield file, str(path)


def open_image(file: BinaryIO, name: str) -> Image.Image:
    """Check the structure of an image, and read its header. Unlike Image.open, this ignores the limit of pixels."""
    start = file.read(16)
    if not start:
        raise InputError("image-empty", f"{name} is empty (0 bytes).")
    check_structure(file, start, name)
    Image.init()
    is_recognized = False
    if heif.is_heif(start) and heif.is_installed():
        heif.register()
    for factory, accepts in (Image.OPEN[format_] for format_ in FORMATS if format_ in Image.OPEN):
        if accepts is None or accepts(start) is True:
            is_recognized |= accepts is not None
            file.seek(0)
            with _errors_of_header(name):
                return factory(file, name)
    if heif.is_heif(start) and not heif.is_installed():
        raise InputError("not-installed", f"{name} is a HEIC image, which needs pillow-heif.", heif.INSTALL)
    if is_recognized:
        raise InputError("damaged-image", f"Cannot read the header of {name}.")
    raise InputError("image-invalid", f"{name} is not a JPEG, PNG, WebP, TIFF, BMP or GIF image.")


@contextmanager
def _errors_of_header(name: str) -> Iterator[None]:
    """Pass over what a decoder raises, of any type, if the file is of another format; errors of reading remain."""
    try:
        yield
    except Exception as error:
        if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno is not None):
            raise error_of_image(name, error) from error


def _from_array(array: NDArray[np.uint8]) -> Image.Image:
    shaped = array[..., 0] if array.ndim == 3 and array.shape[2] == 1 else array
    if array.dtype != np.uint8 or not (shaped.ndim == 2 or (shaped.ndim == 3 and shaped.shape[2] in (3, 4))):
        problem = f"An image must be a uint8 array of shape (H, W), (H, W, 3) or (H, W, 4), got {array.shape}"
        raise InputError("image-invalid", f"{problem} of {array.dtype}.")
    if shaped.size == 0:
        raise InputError("image-too-small", f"The array of shape {array.shape} has no pixels.")
    return Image.fromarray(shaped)


def _checked_rgb(image: Image.Image, name: str, max_pixels: int, upright: bool) -> Image.Image:
    width, height = image.size
    if width * height > max_pixels:
        problem = f"{name} must have at most {max_pixels:,} pixels, got {width} x {height}."
        raise InputError("image-too-large", problem, "Raise max_pixels (--max-pixels) if you trust the image.")
    if min(width, height) < 2:
        raise InputError("image-too-small", f"{name} must have at least 2 x 2 pixels, got {width} x {height}.")
    check_tiles(image, name, max_pixels)
    with errors_of_image(name):
        has_16_bit_colors = image.mode in ("RGB", "RGBA") and any(";16" in str(tile[3]) for tile in _tiles(image))
        image.load()  # of a TIFF, this makes it upright
        orientation = orientation_of(image) if upright else 1
        turned = image if orientation == 1 else image.transpose(TRANSPOSITIONS[orientation])
        return _rgb(_stretched(turned) if has_16_bit_colors else turned)


def _tiles(image: Image.Image) -> list[tuple[object, ...]]:
    """Return what Pillow has yet to decode; the last entry of each is the layout of its values."""
    return [tuple(tile) for tile in getattr(image, "tile", ())]


def _stretched(image: Image.Image) -> Image.Image:
    """Rescale colors of 16 bits, of which Pillow keeps the upper 8, if they use less than a quarter of the range."""
    counts = np.array(image.convert("RGB").histogram()).reshape(3, 256).sum(axis=0)
    hot = HOT * counts.sum()
    low = int(np.argmax(counts.cumsum() > hot))
    high = 255 - int(np.argmax(counts[::-1].cumsum() > hot))
    if not 0 < high - low < NARROW / 256:
        return image
    levels = ((np.arange(256) - low).clip(0, high - low) * 255 / (high - low)).round().astype(int).tolist()
    return image.point(levels * 3 + list(range(256)) * (image.mode == "RGBA"))


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        levels = _levels(np.asarray(image), is_16_bit=image.mode not in ("I", "F"))
        return Image.fromarray(levels).convert("RGB")
    return _on_white(image) if image.has_transparency_data else image.convert("RGB")


def _on_white(image: Image.Image) -> Image.Image:
    """Composite an image on white, some rows at a time, as each of the three copies has four bytes per pixel."""
    composited = Image.new("RGB", image.size)
    rows = max(1, BAND // image.width)
    for top in range(0, image.height, rows):
        box = (0, top, image.width, min(top + rows, image.height))
        rgba = image.crop(box).convert("RGBA")
        band = Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba)
        composited.paste(band.convert("RGB"), box)
    return composited


def _levels(values: NDArray[np.generic], *, is_16_bit: bool) -> NDArray[np.uint8]:
    """Convert values to levels from 0 to 255; NaN and infinity become the minimum."""
    finite = values[np.isfinite(values)]
    low, high = _range(finite) if finite.size else (0.0, 0.0)
    if is_16_bit and not low < high < low + NARROW:
        return (values // 257).astype(np.uint8)
    scale = 255 / (high - low) if high > low else 0.0
    bands = np.array_split(values, max(1, min(len(values), values.size // BAND)))  # as float64, eight bytes per pixel
    return np.concatenate([_rescaled(band.astype(np.float64), low, high, scale) for band in bands])


def _rescaled(numbers: NDArray[np.float64], low: float, high: float, scale: float) -> NDArray[np.uint8]:
    safe = np.where(np.isfinite(numbers), numbers, low).clip(low, high)
    levels: NDArray[np.uint8] = ((safe - low) * scale).round().astype(np.uint8)
    return levels


def _range(values: NDArray[np.generic]) -> tuple[float, float]:
    """Return the minimum and maximum, without hot and dead pixels if the others have less than a quarter of the range.

    >>> _range(np.array([*range(100), 65535])), _range(np.array([0, 0, 0, 65535]))
    ((0.0, 99.0), (0.0, 65535.0))
    """
    low, high = float(values.min()), float(values.max())
    count = math.ceil(HOT * values.size)
    if 2 * count >= values.size:
        return low, high
    lower, upper = (float(value) for value in np.partition(values, (count, -count - 1))[[count, -count - 1]])
    ranges = [(lower, high), (low, upper), (lower, upper)]  # hot or dead pixels, or both
    return next((pair for pair in ranges if 0 < 4 * (pair[1] - pair[0]) < high - low), (low, high))
