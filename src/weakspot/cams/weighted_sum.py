"""Weighted sums of activations, which most methods share."""

import torch
from torch import Tensor


def weighted_sum(activations: Tensor, weights: Tensor) -> Tensor:
    """Compute the weighted sum of the channels, ``sum_k w_k A_k``, with autocast disabled.

    Activations have shape (B, K, h, w), weights (B, K), or (B, C, K) for C classes of each image; the maps have shape
    (B, h, w), or (B, C, h, w).

    Example:
        >>> weighted_sum(torch.tensor([[[[1.0, 2.0]], [[3.0, 4.0]]]]), torch.tensor([[1.0, -1.0]])).tolist()
        [[[-2.0, -2.0]]]
    """
    with torch.autocast(activations.device.type, enabled=False):
        return torch.einsum("b...k,bkhw->b...hw", weights, activations)


def weighted_sum_by_position(activations: Tensor, weights: Tensor) -> Tensor:
    """Compute the sum of the channels with a weight for every position, ``sum_k w_kij A_kij``.

    As :func:`weighted_sum`, with weights of shape (B, K, h, w) or (B, C, K, h, w).
    """
    return (weights * add_class_axis(activations, weights)).sum(dim=-3)


def add_class_axis(activations: Tensor, weights: Tensor) -> Tensor:
    """Add a class axis of length 1 to activations (B, K, h, w) if the weights (B, C, K, h, w) have one."""
    return activations.unsqueeze(1) if weights.dim() == 5 else activations
