"""Level class maps whose objects are cut out best at different heights, so that one threshold suits them all."""

import torch
from torch import Tensor

from weakspot.cams.min_max import min_max


def apply_class_thresholds(maps: Tensor, at: Tensor, to: float) -> Tensor:
    """Stretch each map onto [0, 1] and bend it there: what stood ``at`` one level comes ``to`` another.

    It is straight below and above that level, so the order of all values stays, and so do boxes that are cut at it.

    Args:
        maps: Shape (..., h, w), any sign; a constant one becomes zeros.
        at: The level of each map, shape (...), in (0, 1).
        to: Where it comes to lie, in (0, 1).

    Example:
        >>> apply_class_thresholds(torch.tensor([[0.0, 0.25], [0.5, 1.0]]), torch.tensor(0.5), 0.25).tolist()
        [[0.0, 0.125], [0.25, 1.0]]
    """
    high, level = min_max(maps), at[..., None, None]
    return torch.where(high < level, high * (to / level), 1 - (1 - high) * ((1 - to) / (1 - level)))
