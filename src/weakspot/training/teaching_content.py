"""Read what a person says of a class in an image: the image, a mask, and boxes and points in the right frame."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL.Image import Image

from weakspot.data import ObjectAnnotation, Sample, read_as_annotated
from weakspot.data.annotated_image import read_mask
from weakspot.data.dataset_checks import DUPLICATE_BOX, box_issues
from weakspot.data.rle import decode_rle
from weakspot.errors import InputError
from weakspot.models.object_targets import ObjectTarget

# Aspect ratios of an image and a resized copy differ because sides are rounded.
_ASPECT_TOLERANCE = 0.02


@dataclass(frozen=True)
class Drawn:
    """A class in an image, or an image without objects.

    Attributes:
        sample: The image.
        class_index: Index of the class; of an image without objects that of any class, as its map must be empty.
        objects: The objects of the class that have a box, mask or point.
        is_complete: Whether these are all objects of the class.
    """

    sample: Sample
    class_index: int
    objects: tuple[ObjectAnnotation, ...]
    is_complete: bool = True


@dataclass(frozen=True, eq=False)
class Content:
    """The files of a pair.

    Attributes:
        image: The image, in the orientation of its boxes.
        mask: Union of the masks of the objects, shape (h, w); None if one of them has no mask.
        frame: ``(width, height)`` of the frame to which boxes and points refer.
    """

    image: Image
    mask: NDArray[np.bool_] | None
    frame: tuple[int, int]


def read_content(pair: Drawn, max_pixels: int) -> Content:
    """Read the files of a pair.

    Raises:
        InputError: As :func:`weakspot.data.read_image`; ``size-mismatch`` if the annotated size is neither that of the
            image nor of a resized copy; ``box-invalid`` for a box outside the image or without area; ``mask-invalid``
            if masks differ in size.
    """
    image = read_as_annotated(pair.sample.path, pair.sample.size, max_pixels=max_pixels)
    frame = _frame_of_boxes(pair.sample, image)
    return Content(image, _read_mask(pair.objects) if _has_masks(pair.objects) else None, frame)


def _frame_of_boxes(sample: Sample, image: Image) -> tuple[int, int]:
    """Return ``(width, height)`` of the frame to which the boxes of an image refer."""
    height, width = sample.size or (image.height, image.width)
    if abs(width * image.height / (height * image.width) - 1) > _ASPECT_TOLERANCE:
        problem = f"{sample.path} has {image.width} x {image.height} pixels, but its boxes refer to {width} x {height}."
        raise InputError("size-mismatch", problem)
    check_boxes(sample, (height, width))
    return width, height


def check_boxes(sample: Sample, size: tuple[int, int] | None) -> None:
    """Raise InputError ``box-invalid`` for a box without area, or outside an image of this ``(height, width)``."""
    for kind, where in box_issues(sample, size):
        if kind != DUPLICATE_BOX:
            raise InputError("box-invalid", f"{where}: {kind}.")


def _has_masks(objects: Sequence[ObjectAnnotation]) -> bool:
    return bool(objects) and all(item.mask is not None or item.mask_files for item in objects)


def _read_mask(objects: Sequence[ObjectAnnotation]) -> NDArray[np.bool_]:
    """Return the union of the masks of objects."""
    files = dict.fromkeys(file for item in objects for file in item.mask_files)
    masks = [read_mask(file) for file in files] + [decode_rle(item.mask) for item in objects if item.mask is not None]
    if len({mask.shape for mask in masks}) > 1:
        sizes = ", ".join(f"{mask.shape[1]} x {mask.shape[0]}" for mask in masks)
        raise InputError("mask-invalid", f"Masks of {objects[0].label} in an image differ in size: {sizes}.")
    union: NDArray[np.bool_] = np.logical_or.reduce(masks)
    return union


def fractions_of_boxes(pair: Drawn, content: Content) -> NDArray[np.float64]:
    """Return the boxes of objects as fractions of the image, shape (n, 4); without boxes, that of their mask."""
    (width, height), mask = content.frame, content.mask
    boxes = [item.box for item in pair.objects if item.box is not None]
    if not boxes and mask is not None and mask.any():
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        boxes = [(columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)]
        height, width = mask.shape  # it may differ from the image's
    fractions: NDArray[np.float64] = np.array(boxes, np.float64).reshape(-1, 4) / np.array([width, height] * 2)
    return fractions


def find_target(pair: Drawn, content: Content, boxes: NDArray[np.float64], grid: tuple[int, int]) -> ObjectTarget:
    """Return what is known of a class: a mask of its objects, else their boxes and points."""
    if content.mask is not None:
        share = F.adaptive_avg_pool2d(torch.from_numpy(content.mask).float()[None], grid)[0]
        return ObjectTarget(mask=share, is_complete=pair.is_complete)
    points = [item.point for item in pair.objects if item.box is None and item.point is not None]
    return ObjectTarget(
        boxes=torch.from_numpy(boxes).float(),
        points=torch.tensor(points).reshape(-1, 2) / torch.tensor(content.frame),
        is_complete=pair.is_complete,
    )
