"""The truth of one class in one image, in the frames that maps are scored in."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from weakspot.data import Annotation
from weakspot.data.masks import read_mask
from weakspot.errors import InputError
from weakspot.metrics import reference_boxes
from weakspot.metrics.pixel_counts import IGNORED
from weakspot.ops import scale_boxes

SIDE = 224  # of the square that the reference scores in
SIZES = ("small", "medium", "large")
# COCO's limits, 32 x 32 and 96 x 96 pixels, in the 224 frame: 2 % and 18 % of the image.
_LIMITS = (32**2, 96**2)


@dataclass(frozen=True, eq=False)
class Target:
    """Where a class is in an image.

    Attributes:
        boxes: In the 224 frame, shape (n, 4), not rounded; n is 0 where only masks are known.
        reference_boxes: The same, truncated as the reference does.
        mask: Shape (224, 224): 1 foreground, 0 background, 255 ignored; None where no mask is known.
        size: Index in ``SIZES`` of the largest box, else of the mask.
    """

    boxes: NDArray[np.float64]
    reference_boxes: NDArray[np.int64]
    mask: NDArray[np.uint8] | None
    size: int


def target(truth: Annotation, *, height: int, width: int) -> Target:
    """Bring a truth to the 224 frame.

    Args:
        truth: Boxes and masks in pixels of the image.
        height: Rows of the image.
        width: Columns of the image.

    Raises:
        InputError: If a mask cannot be read or has no foreground.
    """
    boxes = scale_boxes(truth.boxes, from_size=(height, width), to_size=(SIDE, SIDE))
    mask = reference_mask(truth.masks, truth.ignore) if truth.masks else None
    if mask is not None and not (mask == 1).any():
        raise InputError(
            f"The mask {truth.masks[0]} has no foreground.", "Draw the object, or take the mask out of the data set."
        )
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    area = areas.max() if len(areas) else np.count_nonzero(mask == 1)
    return Target(
        boxes=boxes,
        reference_boxes=reference_boxes(truth.boxes, height=height, width=width, side=SIDE),
        mask=mask,
        size=int(np.searchsorted(_LIMITS, area, side="right")),
    )


def reference_mask(masks: tuple[Path, ...], ignore: Path | None) -> NDArray[np.uint8]:
    """Unite masks in the 224 frame: 1 foreground, 255 ignored and not foreground, 0 background.

    Source:
        Choe et al., "Evaluating Weakly Supervised Object Localization Methods Right", CVPR 2020, and its reference
        code.
    """
    foreground = np.logical_or.reduce([squared(read_mask(path)) for path in masks])
    ignored = np.zeros_like(foreground) if ignore is None else squared(read_mask(ignore))
    return np.where(foreground, 1, np.where(ignored, IGNORED, 0)).astype(np.uint8)


def squared(mask: NDArray[np.bool_], side: int = SIDE) -> NDArray[np.bool_]:
    """Resize a mask to a square by its nearest pixels, as OpenCV counts them: the pixel at or before, not the centre.

    Example:
        >>> squared(np.array([[True, False, False]]), side=2).tolist()
        [[True, False], [True, False]]
    """
    rows, columns = ((np.arange(side) * (1 / (side / of))).astype(np.intp) for of in mask.shape)
    resized: NDArray[np.bool_] = mask[
        np.minimum(rows, mask.shape[0] - 1)[:, None], np.minimum(columns, mask.shape[1] - 1)
    ]
    return resized
