"""Min-max normalisation of maps, as several methods need it on the way."""

import torch
from torch import Tensor


def min_max(maps: Tensor) -> Tensor:
    """Stretch each map (the last two axes) onto [0, 1]; a constant one becomes zeros.

    Example:
        >>> min_max(torch.tensor([[[-1.0, 0.0], [1.0, 3.0]], [[5.0, 5.0], [5.0, 5.0]]])).tolist()
        [[[0.0, 0.25], [0.5, 1.0]], [[0.0, 0.0], [0.0, 0.0]]]
    """
    low, high = maps.amin(dim=(-2, -1), keepdim=True), maps.amax(dim=(-2, -1), keepdim=True)
    return (maps - low) / torch.where(high > low, high - low, torch.ones_like(high))
