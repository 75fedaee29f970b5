"""Scale class maps: min-max normalization, and per-class thresholds brought to a common one."""

import torch
from torch import Tensor


def min_max(maps: Tensor) -> Tensor:
    """Scale each map (the last two axes) to [0, 1]; a constant map becomes zeros.

    Example:
        >>> min_max(torch.tensor([[[-1.0, 0.0], [1.0, 3.0]], [[5.0, 5.0], [5.0, 5.0]]])).tolist()
        [[[0.0, 0.25], [0.5, 1.0]], [[0.0, 0.0], [0.0, 0.0]]]
    """
    low, high = maps.amin(dim=(-2, -1), keepdim=True), maps.amax(dim=(-2, -1), keepdim=True)
    return (maps - low) / torch.where(high > low, high - low, torch.ones_like(high))


def apply_class_thresholds(maps: Tensor, thresholds: Tensor, target: float) -> Tensor:
    """Scale each map to [0, 1] such that its own threshold, shape (...), becomes a common one, both in (0, 1).

    The mapping is piecewise linear with a knot at the threshold. It preserves the order of all values, so the boxes at
    the target are those of the original map, shape (..., h, w), at its own threshold; a constant map becomes zeros.

    Example:
        >>> apply_class_thresholds(torch.tensor([[0.0, 0.25], [0.5, 1.0]]), torch.tensor(0.5), 0.25).tolist()
        [[0.0, 0.125], [0.25, 1.0]]
    """
    scaled, threshold = min_max(maps), thresholds[..., None, None]
    below, above = scaled * (target / threshold), 1 - (1 - scaled) * ((1 - target) / (1 - threshold))
    return torch.where(scaled < threshold, below, above)
