"""Segmentations of COCO JSON: RLE, compressed or not, or polygons."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from weakspot.data.dataset import DECIMALS, Box, Sample
from weakspot.data.decoding import MAX_PIXELS
from weakspot.data.rle import Rle, decode_rle, encode_rle, parse_rle
from weakspot.errors import InputError


def box_of_mask(mask: Rle | None) -> Box:
    """Return the box of a mask; InputError ``coco-invalid`` without one, or if it is empty."""
    from weakspot.data.polygons import mask_box

    box = None if mask is None else mask_box(decode_rle(mask))
    if box is None:
        raise InputError("coco-invalid", "bbox must be four numbers")
    return box


def parse_segmentation(segmentation: Any, sample: Sample) -> Rle | None:
    """Read a segmentation of an image: RLE, compressed or not, or the union of polygons; None if it is empty."""
    from weakspot.data.polygons import polygon_to_mask

    if not segmentation or segmentation == [[]]:
        return None
    height, width = sample.height, sample.width
    if height * width > MAX_PIXELS:
        raise InputError("mask-too-large", f"its mask must have at most {MAX_PIXELS:,} pixels")
    if isinstance(segmentation, list):
        union = np.zeros((height, width), bool)
        for polygon in _polygons(segmentation):
            union |= polygon_to_mask(polygon, height=height, width=width)
        if not union.any():
            raise InputError("mask-empty", "its polygons have no area in the image")
        return encode_rle(union)
    if list(segmentation["size"]) != [height, width]:
        raise InputError("shape-mismatch", f"its mask must have the size {[height, width]}, got {segmentation['size']}")
    return parse_rle(segmentation["counts"], height=height, width=width)


def _polygons(segmentation: list[Any]) -> Iterator[NDArray[np.float64]]:
    """The polygons of a list of flat lists; some tools write one polygon as a flat list, or as a list of corners."""
    is_flat = not isinstance(segmentation[0], list)
    is_one = is_flat or (len(segmentation) > 2 and all(np.shape(part) == (2,) for part in segmentation))
    for part in [segmentation] if is_one else segmentation:
        yield np.array(part, np.float64).reshape(-1, 2)


def segmentation_of(mask: Rle, polygons: bool) -> object:
    """Return the segmentation of a mask: compressed RLE, or its outline as a polygon."""
    if polygons:
        from weakspot.data.polygons import mask_to_polygon

        return [mask_to_polygon(decode_rle(mask)).ravel().round(DECIMALS).tolist()]
    return {"size": [mask.height, mask.width], "counts": mask.counts}
