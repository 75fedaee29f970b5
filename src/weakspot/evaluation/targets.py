"""Ground truth of one class in one image, in the 224 x 224 frame of the reference implementation."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from weakspot.data import Annotation
from weakspot.data.annotated_image import read_mask
from weakspot.errors import InputError
from weakspot.metrics import reference_boxes
from weakspot.metrics.pixel_counts import IGNORED
from weakspot.ops import scale_boxes

SIDE = 224  # side of the square frame in which the reference implementation scores maps
SIZES = ("small", "medium", "large")
# COCO's limits, 32 x 32 and 96 x 96 pixels, in the 224 frame: 2 % and 18 % of the image.
_AREA_LIMITS = (32**2, 96**2)


@dataclass(frozen=True, eq=False)
class Target:
    """Ground truth of a class in an image.

    Attributes:
        boxes: Boxes in the 224 frame, shape (n, 4), not rounded; n is 0 if the class has only masks.
        reference_boxes: The same boxes, truncated as in the reference implementation.
        mask: Shape (224, 224): 1 foreground, 0 background, 255 ignored; None if the class has only boxes.
        size: Index in ``SIZES`` of the largest box, or of the mask without a box.
    """

    boxes: NDArray[np.float64]
    reference_boxes: NDArray[np.int64]
    mask: NDArray[np.uint8] | None
    size: int


def make_target(annotation: Annotation, *, height: int, width: int) -> Target:
    """Scale an annotation, in pixels of the image, to the 224 frame.

    Raises:
        InputError: If a mask cannot be read; ``mask-empty`` if it has no foreground.
    """
    boxes = scale_boxes(annotation.boxes, from_size=(height, width), to_size=(SIDE, SIDE))
    mask = reference_mask(annotation.masks, annotation.ignore) if annotation.masks else None
    if mask is not None and not (mask == 1).any():
        raise InputError("mask-empty", f"The mask {annotation.masks[0]} has no foreground.")
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    area = areas.max() if len(areas) else np.count_nonzero(mask == 1)
    return Target(
        boxes=boxes,
        reference_boxes=reference_boxes(annotation.boxes, height=height, width=width, side=SIDE),
        mask=mask,
        size=int(np.searchsorted(_AREA_LIMITS, area, side="right")),
    )


def reference_mask(masks: tuple[Path, ...], ignore: Path | None) -> NDArray[np.uint8]:
    """Unite masks in the 224 frame: 1 foreground, 255 ignored and not foreground, 0 background.

    Source:
        Choe et al., "Evaluating Weakly Supervised Object Localization Methods Right", CVPR 2020, and its reference
        code.
    """
    foreground = np.logical_or.reduce([resize_to_square(read_mask(path)) for path in masks])
    ignored = np.zeros_like(foreground) if ignore is None else resize_to_square(read_mask(ignore))
    return np.where(foreground, 1, np.where(ignored, IGNORED, 0)).astype(np.uint8)


def resize_to_square(mask: NDArray[np.bool_], side: int = SIDE) -> NDArray[np.bool_]:
    """Resize a mask to a square by nearest neighbor, as OpenCV does: the pixel at or before, not the center.

    Example:
        >>> resize_to_square(np.array([[True, False, False]]), side=2).tolist()
        [[True, False], [True, False]]
    """
    rows, columns = ((np.arange(side) * (1 / (side / length))).astype(np.intp) for length in mask.shape)
    resized: NDArray[np.bool_] = mask[
        np.minimum(rows, mask.shape[0] - 1)[:, None], np.minimum(columns, mask.shape[1] - 1)
    ]
    return resized
