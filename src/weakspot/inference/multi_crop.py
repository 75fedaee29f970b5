"""Look again, more closely, at what was found: boxes to look into, what is seen there, and all of it put together."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil, floor

import numpy as np
from numpy.typing import NDArray

from weakspot.inference.backends import Backend
from weakspot.inference.backends.base import Pixels
from weakspot.ops import box_from_heatmap, heatmap_from_class_map

# Photos are kept so many times as large as the model sees them, for views into them.
CROP_SCALE = 2
# No view is narrower than this share of the photo: it would be enlarged to mush.
_NARROWEST = 1 / 8


@dataclass(frozen=True)
class Crop:
    """Where to look into a photo.

    Attributes:
        threshold: Fraction of the first heatmap's peak at which the box is cut that is looked into, in (0, 1].
        margin: How many times as wide and as high as that box.
    """

    threshold: float
    margin: float


Box = tuple[int, int, int, int]
# Crops as large as the model's input, and the class of each -> maps (N, h, w).
Look = Callable[[Sequence[Pixels], NDArray[np.integer]], NDArray[np.floating]]


def multi_crop(
    photos: Sequence[Pixels],
    classes: NDArray[np.integer],
    maps: NDArray[np.floating],
    views: Sequence[Crop],
    backend: Backend,
    look: Look,
) -> NDArray[np.float32]:
    """Average the class maps of whole photos with those of views into them, each min-max normalised and 0 outside.

    What is small in the photo is large in its view: the same threshold then suits both.

    Args:
        photos: Pixels, :data:`CROP_SCALE` times as high and as wide as what the model sees.
        classes: Class indices of shape (B, C).
        maps: Class maps of the whole photos, shape (B, C, h, w), any sign.
        views: Which views to take, in turn.
        backend: Knows the size that the model sees, and squashes to it.
        look: Runs the model on views.

    Returns:
        Class maps of shape (B, C, height, width), in [0, 1]; all zero where the whole photo's is constant.
    """
    height, width = backend.frame.height, backend.frame.width
    whole = maps.reshape(-1, *maps.shape[2:])  # (B C, h, w)
    heatmaps = [heatmap_from_class_map(one, height=height, width=width) for one in whole]
    together = [heatmap.astype(np.float32) / (1 + len(views)) for heatmap in heatmaps]
    places = [(i, crop_box(one, view)) for i, one in enumerate(heatmaps) if one.any() for view in views]
    for start in range(0, len(places), len(photos)):
        some = places[start : start + len(photos)]
        crops = [cropped(photos[i // classes.shape[1]], box, backend) for i, box in some]
        seen = look(crops, classes.ravel()[[i for i, _ in some]])
        for (i, (x1, y1, x2, y2)), one in zip(some, seen, strict=True):
            detail = heatmap_from_class_map(one, height=y2 - y1, width=x2 - x1)
            together[i][y1:y2, x1:x2] += detail / (1 + len(views))
    return np.stack(together, dtype=np.float32).reshape(*maps.shape[:2], height, width)


def crop_box(heatmap: NDArray[np.floating], view: Crop) -> Box:
    """Where to look: around the box of the largest region, in whole pixels, within the heatmap.

    Example:
        >>> crop_box(np.eye(8)[:, :1] * np.eye(8)[:1], Crop(threshold=0.5, margin=3.0))
        (0, 0, 2, 2)
    """
    height, width = heatmap.shape
    x1, y1, x2, y2 = box_from_heatmap(heatmap, view.threshold)
    left, right = _widened(x1, x2, view.margin, width)
    top, bottom = _widened(y1, y2, view.margin, height)
    return left, top, right, bottom


def _widened(low: float, high: float, margin: float, side: int) -> tuple[int, int]:
    centre, half = (low + high) / 2, max((high - low) * margin, side * _NARROWEST) / 2
    return max(floor(centre - half), 0), min(ceil(centre + half), side)


def cropped(photo: Pixels, box: Box, backend: Backend) -> Pixels:
    """Cut a box, in pixels of what the model sees, out of a photo that is larger, and squash it to the model's size."""
    frame = backend.frame
    vertical, horizontal = photo.shape[0] / frame.height, photo.shape[1] / frame.width
    x1, y1, x2, y2 = box
    rows = slice(round(y1 * vertical), round(y2 * vertical))
    part = photo[rows, round(x1 * horizontal) : round(x2 * horizontal)]
    return backend.resize(part, height=frame.height, width=frame.width)
