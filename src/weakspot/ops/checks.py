"""Validate the arrays and thresholds that the operations accept."""

import numpy as np
from numpy.typing import NDArray

from weakspot.errors import InputError


def check_array(values: object, name: str) -> None:
    """Raise InputError unless the values are a numpy array of real numbers: ``array-invalid`` or ``dtype-mismatch``."""
    if not isinstance(values, np.ndarray):
        hint = "Convert lists with numpy.asarray and tensors with tensor.detach().cpu().numpy()."
        raise InputError("array-invalid", f"{name} must be a numpy array, got {type(values).__name__}.", hint)
    if values.dtype.kind not in "fiub":
        raise InputError("dtype-mismatch", f"{name} must contain real numbers, got dtype {values.dtype}.")


def check_heatmap(heatmap: NDArray[np.floating]) -> None:
    """Raise InputError unless the heatmap is a finite, non-empty 2-D array: ``shape-mismatch`` or ``not-finite``."""
    check_array(heatmap, "heatmap")
    if heatmap.ndim != 2 or heatmap.size == 0:
        hint = "heatmap_from_class_map makes an (H, W) heatmap of a class map."
        raise InputError("shape-mismatch", f"heatmap must have shape (H, W), got {heatmap.shape}.", hint)
    if not np.isfinite(heatmap).all():
        raise InputError("not-finite", "heatmap must be finite, got NaN or infinity.")


def check_threshold(threshold: float) -> None:
    """Raise InputError (``out-of-range``) unless 0 < threshold <= 1."""
    if not 0 < threshold <= 1:
        raise InputError("out-of-range", f"threshold must be above 0 and at most 1, got {threshold}.")


def check_score_map(score_map: NDArray[np.floating]) -> None:
    """Raise InputError unless the map is a 2-D array of values in [0, 1]."""
    hint = "heatmap_from_class_map resizes a class map and scales it to [0, 1]."
    if score_map.ndim != 2 or score_map.size == 0:
        raise InputError("shape-mismatch", f"score_map must have shape (H, W), got {score_map.shape}.", hint)
    if np.isnan(score_map).any():
        raise InputError("not-finite", "score_map must be finite, got NaN.", hint)
    low, high = score_map.min(), score_map.max()
    if low < 0 or high > 1:
        raise InputError("out-of-range", f"score_map must be between 0 and 1, got {low:g} to {high:g}.", hint)
