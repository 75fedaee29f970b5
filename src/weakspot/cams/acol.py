"""ACoL: fusion of the class maps of two adversarial branches."""

import torch
from torch import Tensor

from weakspot.cams.normalization import min_max


def acol(map_a: Tensor, map_b: Tensor) -> Tensor:
    """Fuse the class maps of two complementary branches: ``M = max(minmax M_A, minmax M_B)``, element-wise.

    Args:
        map_a: Class maps of branch A, shape (..., h, w), any sign.
        map_b: Class maps of branch B, whose features lack the regions that A relies on; the same shape.

    Returns:
        Class maps of the same shape, in [0, 1].

    Source:
        Zhang et al., "Adversarial Complementary Learning for Weakly Supervised Object Localization", CVPR 2018,
        arXiv 1804.06962, algorithm 1.

    Example:
        >>> head, body = torch.tensor([[4.0, 2.0, 0.0]]), torch.tensor([[0.0, 1.0, 1.0]])
        >>> acol(head, body).tolist()
        [[1.0, 1.0, 1.0]]
    """
    return torch.maximum(min_max(map_a), min_max(map_b))


def acol_a(map_a: Tensor, map_b: Tensor) -> Tensor:
    """Return the class maps of branch A unchanged; the arguments are those of :func:`acol`."""
    del map_b
    return map_a


def acol_b(map_a: Tensor, map_b: Tensor) -> Tensor:
    """Return the class maps of branch B unchanged; the arguments are those of :func:`acol`."""
    del map_a
    return map_b
