"""What users give to a metric, tensors or arrays, as arrays of the right shape."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from weakspot.errors import InputError


def array(values: ArrayLike | Tensor) -> NDArray[Any]:
    """Take a tensor or anything that numpy takes."""
    return values.detach().cpu().numpy() if isinstance(values, Tensor) else np.asarray(values)


def maps_array(score_maps: ArrayLike) -> NDArray[np.float64]:
    """Score maps as float64 of shape (B, H, W)."""
    maps = array(score_maps)
    if maps.ndim != 3 or not np.issubdtype(maps.dtype, np.floating):
        raise InputError(
            f"Score maps must be floats of shape (images, height, width); these are {maps.dtype} of {maps.shape}.",
            "Give a batch of maps, each min-max normalised to [0, 1].",
        )
    return maps.astype(np.float64)


def box_lists(boxes: Sequence[ArrayLike], images: int) -> list[NDArray[Any]]:
    """The true boxes of each image, one array (n, 4) an image."""
    if len(boxes) != images:
        raise InputError(f"{len(boxes)} lists of boxes were given for {images} maps.", "Give one for each map.")
    return [array(one) for one in boxes]


def places_of(logits: ArrayLike, labels: ArrayLike) -> NDArray[np.intp]:
    """Place of each true class among the predictions, 0 the first; of equal logits the lower index is first.

    Args:
        logits: Shape (B, number of classes).
        labels: Class indices, shape (B,).

    Example:
        >>> places_of([[0.1, 0.9, 0.5], [0.9, 0.1, 0.5]], [2, 1]).tolist()
        [1, 2]
    """
    scores, true = array(logits), array(labels)
    own = np.take_along_axis(scores, true[:, None], axis=1)
    earlier = np.arange(scores.shape[1]) < true[:, None]
    before = (scores > own) | ((scores == own) & earlier)
    places: NDArray[np.intp] = before.sum(axis=1)
    return places
