"""Convert and validate the inputs of metrics: tensors or arrays."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from weakspot.errors import InputError, no_such_class


def array(values: ArrayLike | Tensor) -> NDArray[Any]:
    """Convert a tensor, or anything that numpy accepts, to an array."""
    if isinstance(values, Tensor) and values.dtype == torch.bfloat16:  # numpy has no bfloat16
        values = values.float()
    return values.detach().cpu().numpy() if isinstance(values, Tensor) else np.asarray(values)


def maps_array(score_maps: ArrayLike) -> NDArray[np.floating]:
    """Convert score maps of shape (B, H, W), preserving their precision."""
    maps = array(score_maps)
    if maps.ndim != 3:
        raise InputError("shape-mismatch", f"score_maps must have shape (B, H, W), got {maps.shape}.")
    if not np.issubdtype(maps.dtype, np.floating):
        raise InputError("dtype-mismatch", f"score_maps must be floats in [0, 1], got {maps.dtype}.")
    return maps


def map_mask_pairs(score_maps: ArrayLike, masks: ArrayLike) -> tuple[list[NDArray[Any]], list[NDArray[Any]]]:
    """Convert score maps (B, H, W) and their masks (B, H, W), bool or uint8, to a list of each."""
    maps, mask_arrays = maps_array(score_maps), array(masks)
    if len(maps) != len(mask_arrays):
        raise InputError("length-mismatch", f"masks must have {len(maps)} masks, one per map, got {len(mask_arrays)}.")
    return list(maps), list(mask_arrays.astype(np.uint8) if mask_arrays.dtype == np.bool_ else mask_arrays)


def box_lists(boxes: Sequence[ArrayLike], images: int) -> list[NDArray[Any]]:
    """Convert the true boxes to one array (n, 4) per image."""
    if len(boxes) != images:
        raise InputError("length-mismatch", f"boxes must have {images} lists, one per map, got {len(boxes)}.")
    return [array(image_boxes) for image_boxes in boxes]


def ranks_of(logits: ArrayLike, labels: ArrayLike) -> NDArray[np.intp]:
    """Compute the rank of each true class among the predictions, starting at 0; ties go to the lower class index.

    Logits have shape (B, number of classes), labels (B,). Raises InputError: ``shape-mismatch``, ``unknown-class`` for
    the labels, or ``not-finite`` for NaN logits.

    Example:
        >>> ranks_of([[0.1, 0.9, 0.5], [0.9, 0.1, 0.5]], [2, 1]).tolist()
        [1, 2]
    """
    scores, true = array(logits), array(labels)
    if scores.ndim != 2 or true.shape != scores.shape[:1]:
        problem = f"logits and labels must have shapes (B, classes) and (B,), got {scores.shape} and {true.shape}."
        raise InputError("shape-mismatch", problem)
    if np.isnan(scores).any():
        raise InputError("not-finite", "logits must be finite, got NaN.")
    for index in (true.min(), true.max()) if len(true) else ():
        if not 0 <= index < scores.shape[1]:
            raise no_such_class(int(index), scores.shape[1])
    true_scores = np.take_along_axis(scores, true[:, None], axis=1)
    earlier = np.arange(scores.shape[1]) < true[:, None]
    before = (scores > true_scores) | ((scores == true_scores) & earlier)
    ranks: NDArray[np.intp] = before.sum(axis=1)
    return ranks
