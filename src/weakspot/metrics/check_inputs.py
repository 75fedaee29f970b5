"""What users give to a metric, tensors or arrays, as arrays of the right shape."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from weakspot.errors import InputError


def array(values: ArrayLike | Tensor) -> NDArray[Any]:
    """Take a tensor or anything that numpy takes."""
    if isinstance(values, Tensor) and values.dtype == torch.bfloat16:  # which numpy has not
        values = values.float()
    return values.detach().cpu().numpy() if isinstance(values, Tensor) else np.asarray(values)


def maps_array(score_maps: ArrayLike) -> NDArray[np.floating]:
    """Score maps of shape (B, H, W), in their own precision: at a threshold of .7, .7 in single precision is in."""
    maps = array(score_maps)
    if maps.ndim != 3 or not np.issubdtype(maps.dtype, np.floating):
        raise InputError(
            f"Score maps must be floats of shape (images, height, width); these are {maps.dtype} of {maps.shape}.",
            "Give a batch of maps, each min-max normalised to [0, 1].",
        )
    return maps


def box_lists(boxes: Sequence[ArrayLike], images: int) -> list[NDArray[Any]]:
    """The true boxes of each image, one array (n, 4) an image."""
    if len(boxes) != images:
        raise InputError(f"{len(boxes)} lists of boxes were given for {images} maps.", "Give one for each map.")
    return [array(one) for one in boxes]


def ranks_of(logits: ArrayLike, labels: ArrayLike) -> NDArray[np.intp]:
    """Place of each true class among the predictions, 0 the first; of equal logits the lower index is first.

    Args:
        logits: Shape (B, number of classes).
        labels: Class indices, shape (B,).

    Example:
        >>> ranks_of([[0.1, 0.9, 0.5], [0.9, 0.1, 0.5]], [2, 1]).tolist()
        [1, 2]
    """
    scores, true = array(logits), array(labels)
    if scores.ndim != 2 or true.shape != scores.shape[:1]:
        problem = f"Labels of shape {true.shape} do not belong to logits of {scores.shape}."
        raise InputError(problem, "Give a row of logits and a class index for each image.")
    if len(true) and not (true.min() >= 0 and true.max() < scores.shape[1] and not np.isnan(scores).any()):
        problem = f"Labels from {true.min()} to {true.max()} or logits of {scores.shape[1]} classes with NaN."
        raise InputError(problem, "Give class indices of these logits, and logits that are numbers.")
    own = np.take_along_axis(scores, true[:, None], axis=1)
    earlier = np.arange(scores.shape[1]) < true[:, None]
    before = (scores > own) | ((scores == own) & earlier)
    places: NDArray[np.intp] = before.sum(axis=1)
    return places
