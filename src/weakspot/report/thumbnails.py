"""Small pictures of an item: its photo, its heatmap, its mask."""

from base64 import b64encode
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from weakspot.data import read_image
from weakspot.data.decoding import open_binary, open_image, read_sizes
from weakspot.errors import InputError
from weakspot.ops import mask_from_heatmap
from weakspot.report.content import ReportItem

# Heatmaps are smooth: a browser that enlarges one of this side draws what a larger one would show.
_HEATMAP_SIDE = 56
_MASK_COLOUR = (0, 229, 160)


class Thumbnails(NamedTuple):
    """What is shown of one item, as data URIs; empty where there is none.

    Attributes:
        photo: The thumbnail, JPEG.
        overlay: The heatmap, grey, or the saved picture, JPEG.
        mask: The mask, PNG, clear where it is not.
        frame: ``(height, width)`` that boxes count in.
        problem: Why there is no photo; empty where there is one.
    """

    photo: str
    overlay: str
    mask: str
    frame: tuple[int, int]
    problem: str = ""


def make_thumbnails(item: ReportItem, side: int) -> Thumbnails:
    """Make the pictures of an item.

    Args:
        item: What was found; its files may be missing or damaged, which leaves that picture out.
        side: Longer side of the photo in pixels.
    """
    overlay, mask = _overlay(item, side), _mask(item, side)
    try:
        upright, frame = _turned(item)
        photo = data_uri(thumbnail(item.photo, side, upright=upright))
    except InputError as error:
        return Thumbnails("", overlay, mask, item.frame or (1, 1), error.problem)
    return Thumbnails(photo, overlay, mask, frame)


def _turned(item: ReportItem) -> tuple[bool, tuple[int, int]]:
    """Whether the photo is to be turned upright, and the frame of its boxes, as ``read_as_annotated`` has it."""
    if item.upright and item.frame is not None:
        return True, item.frame
    stored, upright = read_sizes(item.photo)
    return item.upright or item.frame == upright != stored, item.frame or stored


def thumbnail(path: Path, side: int, *, upright: bool = True) -> bytes:
    """Make a small JPEG of a photo. A large JPEG is decoded at a fraction of its size.

    Args:
        path: The photo.
        side: Longer side in pixels; a smaller photo stays as it is.
        upright: Apply EXIF orientation.

    Raises:
        InputError: As :func:`weakspot.data.read_image`.
    """
    with open_binary(path) as file:
        stored = open_image(file, str(path))
        stored.draft("RGB", (2 * side, 2 * side))
        photo = read_image(stored, upright=upright)
    photo.thumbnail((side, side), Image.Resampling.LANCZOS)
    return _saved(photo, "JPEG", quality=75)


def data_uri(content: bytes, kind: str = "image/jpeg") -> str:
    """Write a file's content as a URI.

    Example:
        >>> data_uri(b"GIF", "image/gif")
        'data:image/gif;base64,R0lG'
    """
    return f"data:{kind};base64,{b64encode(content).decode()}"


def mask_png(mask: NDArray[np.bool_]) -> bytes:
    """Write a mask as PNG of one bit a pixel: a clear colour where it is True, nothing elsewhere.

    Args:
        mask: Shape (H, W).
    """
    picture = Image.fromarray(mask.astype(np.uint8)).convert("P")
    picture.putpalette([0, 0, 0, *_MASK_COLOUR])
    return _saved(picture, "PNG", transparency=bytes((0, 140)), bits=1)


def _saved(picture: Image.Image, format_: str, **how: object) -> bytes:
    file = BytesIO()
    picture.save(file, format_, **how)
    return file.getvalue()


def _overlay(item: ReportItem, side: int) -> str:
    """The heatmap as a small grey JPEG; else the saved picture."""
    try:
        if item.heatmap is not None:
            grey = read_image(item.heatmap).convert("L")
            small = grey.resize((_HEATMAP_SIDE, _HEATMAP_SIDE), Image.Resampling.BILINEAR)
            return data_uri(_saved(small, "JPEG", quality=85))
        return "" if item.picture is None else data_uri(thumbnail(item.picture, side))
    except InputError:
        return ""


def _mask(item: ReportItem, side: int) -> str:
    """The saved mask, else that which the saved heatmap gives."""
    try:
        if item.mask is not None:
            grey = read_image(item.mask).convert("L")
            grey.thumbnail((side, side), Image.Resampling.BILINEAR)
            return data_uri(mask_png(np.asarray(grey) > 127), "image/png")
        if item.heatmap is None or item.cut is None:
            return ""
        heatmap = np.asarray(read_image(item.heatmap).convert("L"), np.float32) / 255
        height, width = _within(item.frame or heatmap.shape, side)
        found = mask_from_heatmap(heatmap, height=height, width=width, **item.cut._asdict())
        return data_uri(mask_png(found), "image/png")
    except InputError:
        return ""


def _within(size: tuple[int, ...], side: int) -> tuple[int, int]:
    """``(height, width)`` of the same proportions whose longer side is ``side``."""
    scale = side / max(size)
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))
