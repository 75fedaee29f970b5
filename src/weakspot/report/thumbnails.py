"""Thumbnails of an item: its image, its heatmap, its mask."""

from base64 import b64encode
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from weakspot.data import read_image
from weakspot.data.decoding import read_file, read_sizes
from weakspot.data.image_files import errors_of_image
from weakspot.errors import InputError
from weakspot.ops import mask_from_heatmap
from weakspot.ops.evidence import evidence_in_box
from weakspot.report.content import ReportItem

# Longer side of a smooth heatmap, and the largest difference to the whole one: boxes agree to a pixel or so.
_HEATMAP_SIDE = 160
_MAX_DIFFERENCE = 10
_MASK_COLOR = (0, 229, 160)


class Thumbnails(NamedTuple):
    """Thumbnails of an item as data URIs; empty if the image does not exist.

    Attributes:
        image: The image, JPEG.
        overlay: The grayscale heatmap, JPEG or PNG, or the saved plot, JPEG.
        mask: The mask, PNG, transparent outside of it.
        frame: ``(height, width)`` of the coordinate frame of the boxes.
        problem: Why the image could not be read; empty if it could.
    """

    image: str
    overlay: str
    mask: str
    frame: tuple[int, int]
    problem: str = ""


def make_thumbnails(item: ReportItem, side: int) -> Thumbnails:
    """Make the thumbnails of an item.

    Args:
        item: The item; files that are missing or damaged are omitted.
        side: Longer side of the image in pixels.
    """
    overlay, mask = _or_nothing(_overlay, item, side), _or_nothing(_mask, item, side)
    try:
        upright, frame = _orientation(item)
        image = data_uri(thumbnail(item.image, side, upright=upright))
    except InputError as error:
        return Thumbnails("", overlay, mask, item.frame or (1, 1), error.problem)
    return Thumbnails(image, overlay, mask, frame)


def _orientation(item: ReportItem) -> tuple[bool, tuple[int, int]]:
    """Return whether to apply EXIF orientation, and the frame of the boxes, as ``read_as_annotated`` does."""
    if item.upright and item.frame is not None:
        return True, item.frame
    stored, upright = read_sizes(item.image)
    return item.upright or item.frame == upright != stored, item.frame or stored


def thumbnail(path: Path, side: int, *, upright: bool = True) -> bytes:
    """Make a small JPEG of an image. A large JPEG is decoded at a fraction of its size.

    Args:
        path: The image file.
        side: Longer side in pixels; a smaller image keeps its size.
        upright: Apply EXIF orientation.

    Raises:
        InputError: As :func:`weakspot.data.read_image`.
    """
    with errors_of_image(str(path)):
        image = read_file(path, upright=upright, draft=("RGB", (2 * side, 2 * side)))
        image.thumbnail((side, side), Image.Resampling.LANCZOS)
        image.info = {}  # comments and profiles of the file would be written
        return _encode(image, "JPEG", quality=75)


def data_uri(content: bytes, mime_type: str = "image/jpeg") -> str:
    """Encode the content of a file as a data URI.

    Example:
        >>> data_uri(b"GIF", "image/gif")
        'data:image/gif;base64,R0lG'
    """
    return f"data:{mime_type};base64,{b64encode(content).decode()}"


def mask_png(mask: NDArray[np.bool_]) -> bytes:
    """Encode a mask as a 1-bit PNG: a translucent color inside, transparent outside.

    Args:
        mask: Shape (H, W).
    """
    image = Image.fromarray(mask.astype(np.uint8)).convert("P")
    image.putpalette([0, 0, 0, *_MASK_COLOR])
    return _encode(image, "PNG", transparency=bytes((0, 140)), bits=1)


def heatmap_uri(heatmap: Image.Image) -> str:
    """Encode a heatmap, such that 255 is its peak, as a data URI: a small JPEG if it is smooth, otherwise a whole PNG.

    A smooth heatmap is at most 160 pixels wide and high, reduced by a whole number. It is enlarged again by bilinear
    interpolation, and differs then by at most 10 of 255.

    Args:
        heatmap: A gray image.
    """
    pixels = np.asarray(heatmap)
    pixels = np.rint(pixels * (255 / max(pixels.max(), 1))).astype(np.uint8)
    whole = Image.fromarray(pixels)
    factor = -(-max(whole.size) // _HEATMAP_SIDE)
    size = max(1, whole.width // factor), max(1, whole.height // factor)
    jpeg = _encode(whole.resize(size, Image.Resampling.BILINEAR), "JPEG", quality=92)
    with Image.open(BytesIO(jpeg)) as small:
        restored = np.asarray(small.resize(whole.size, Image.Resampling.BILINEAR))
    if np.abs(restored.astype(int) - pixels).max() <= _MAX_DIFFERENCE:
        return data_uri(jpeg)
    return data_uri(_encode(whole, "PNG", optimize=True), "image/png")


def _encode(image: Image.Image, format_: str, **options: object) -> bytes:
    file = BytesIO()
    image.save(file, format_, **options)
    return file.getvalue()


def _or_nothing(make: Callable[[ReportItem, int], str], item: ReportItem, side: int) -> str:
    """Return what a function makes of an item's files; empty if one of them cannot be read."""
    try:
        with errors_of_image(str(item.image)):
            return make(item, side)
    except InputError:
        return ""


def _overlay(item: ReportItem, side: int) -> str:
    """Return the heatmap as a small grayscale JPEG, otherwise the saved plot."""
    if item.heatmap is not None:
        return heatmap_uri(read_image(item.heatmap).convert("L"))
    return "" if item.plot is None else data_uri(thumbnail(item.plot, side))


def _mask(item: ReportItem, side: int) -> str:
    """Return the saved mask, otherwise the mask of the saved heatmap."""
    if item.mask is not None:
        gray = read_image(item.mask).convert("L")
        gray.thumbnail((side, side), Image.Resampling.BILINEAR)
        return data_uri(mask_png(np.asarray(gray) > 127), "image/png")
    if item.heatmap is None or item.threshold is None:
        return ""
    heatmap = np.asarray(read_image(item.heatmap).convert("L"), np.float32) / 255
    height, width = _fit(item.frame or heatmap.shape, side)
    evidence = (
        evidence_in_box(np.array(item.boxes[0]), item.frame or heatmap.shape, heatmap.shape) if item.boxes else None
    )
    regions = item.threshold._asdict()
    mask = mask_from_heatmap(heatmap, height=height, width=width, evidence=evidence, **regions)
    return data_uri(mask_png(mask), "image/png")


def _fit(size: tuple[int, ...], side: int) -> tuple[int, int]:
    """Return ``(height, width)`` of the same proportions with ``side`` as the longer side."""
    scale = side / max(size)
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))
