"""Run-length encoded masks (RLE) in COCO's compressed form, by pycocotools."""

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from weakspot.errors import InputError

# Five bits a character, of which all but the last have a sixth bit: at most 35 bits.
_COMPRESSED = re.compile(r"(?:[P-o]{0,6}[0-O])*")


@dataclass(frozen=True)
class Rle:
    """A mask as the lengths of its runs.

    Attributes:
        height: Rows of the mask.
        width: Columns of the mask.
        counts: Lengths of alternating background and foreground runs in column-major order, compressed by COCO's
            variable-length code.
    """

    height: int
    width: int
    counts: str


def encode_rle(mask: NDArray[np.bool_]) -> Rle:
    """Encode a mask of shape (height, width)."""
    from pycocotools.mask import encode

    return Rle(mask.shape[0], mask.shape[1], encode(np.asfortranarray(mask, np.uint8))["counts"].decode())


def decode_rle(rle: Rle) -> NDArray[np.bool_]:
    """Decode a mask to shape (height, width)."""
    from pycocotools.mask import decode

    mask: NDArray[np.bool_] = decode(_record(rle.height, rle.width, rle.counts)).astype(bool)
    return mask


def mask_area(rle: Rle) -> int:
    """Count the foreground pixels."""
    from pycocotools.mask import area

    return int(area(_record(rle.height, rle.width, rle.counts)))


def parse_rle(counts: object, *, height: int, width: int) -> Rle:
    """Validate the counts of a file, which must add up to ``height * width``: compressed text, or a list of lengths."""
    from pycocotools.mask import frPyObjects

    if isinstance(counts, list):
        try:
            counts = frPyObjects(_record(height, width, counts), height, width)["counts"].decode()
        except (TypeError, ValueError, OverflowError) as error:
            raise InputError("mask-invalid", f"Cannot read RLE counts: {error}.") from error
    # pycocotools reads beyond the end of invalid text, and leaves pixels after the last run uninitialized. Runs are
    # complete if they fit into the mask, but not into a mask with one pixel less.
    is_text = isinstance(counts, str) and _COMPRESSED.fullmatch(counts)
    if not is_text or _fits(str(counts), height * width - 1, 1) or not _fits(str(counts), height, width):
        raise InputError("mask-invalid", f"RLE counts must describe {width} x {height} pixels.")
    return Rle(height, width, str(counts))


def _fits(counts: str, height: int, width: int) -> bool:
    try:
        decode_rle(Rle(height, width, counts))
    except ValueError:
        return False
    return True


def _record(height: int, width: int, counts: object) -> dict[str, object]:
    return {"size": [height, width], "counts": counts}
