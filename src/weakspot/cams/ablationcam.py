"""Ablation-CAM."""

from collections.abc import Callable

import torch
from torch import Tensor

from weakspot.cams.check_tensors import check_classes
from weakspot.cams.weighted_sum import weighted_sum


def ablationcam(
    activations: Tensor,
    logits: Tensor,
    classes: Tensor,
    head: Callable[[Tensor], Tensor],
    *,
    batch_size: int = 128,
) -> Tensor:
    """Weight each channel with the share of the logit that is lost without it: ``w_k = (y - y_k) / |y|``.

    ``M = ReLU(sum_k w_k A_k)``, where y_k is the logit with channel k set to 0. The paper divides by y; we divide
    by its magnitude, so that a negative logit does not turn the map's sign. No gradient is taken, and only
    the head is run again.

    Args:
        activations: Activations A of shape (B, K, h, w).
        logits: Logits of the whole images, shape (B, number of classes).
        classes: Class indices of shape (B, C).
        head: From activations (N, K, h, w) to logits (N, number of classes).
        batch_size: Ablated activations per call of ``head``.

    Returns:
        Class maps of shape (B, C, h, w), at least 0.

    Source:
        Desai and Ramaswamy, "Ablation-CAM: Visual Explanations for Deep Convolutional Network via Gradient-free
        Localization", WACV 2020.

    Example:
        >>> a = torch.tensor([[[[1.0, 0.0]], [[0.0, 3.0]]]])
        >>> difference = lambda a: a.sum(dim=(2, 3)) @ torch.tensor([[2.0], [-1.0]])
        >>> ablationcam(a, difference(a), torch.tensor([[0]]), difference).tolist()
        [[[[2.0, 0.0]]]]
    """
    check_classes(activations, classes)
    maps = []
    for i in range(len(activations)):
        image = activations[i]  # (K, h, w)
        groups = torch.arange(len(image), device=image.device).split(batch_size)
        ablated = torch.cat([head(_without(image, group)) for group in groups])[:, classes[i]]  # (K, C)
        whole = logits[i, classes[i]]  # (C,)
        drop = (whole - ablated) / whole.abs().clamp_min(torch.finfo(whole.dtype).tiny)
        maps.append(weighted_sum(image[None], drop.T[None])[0])
    return torch.relu(torch.stack(maps))


def ablationcam_of_linear(activations: Tensor, weights: Tensor, logits: Tensor) -> Tensor:
    """Compute :func:`ablationcam` where the head is global average pooling and a linear layer: no channel is ablated.

    Without channel k the logit lacks ``w_k mean(A_k)``, so that is the drop.

    Args:
        activations: Activations A of shape (B, K, h, w).
        weights: The linear layer's rows of the classes, shape (B, C, K).
        logits: Logits of the classes, shape (B, C).

    Returns:
        Class maps of shape (B, C, h, w), at least 0.

    Example:
        >>> a = torch.tensor([[[[1.0, 0.0]], [[0.0, 3.0]]]])
        >>> ablationcam_of_linear(a, torch.tensor([[[2.0, -1.0]]]), torch.tensor([[-0.5]])).tolist()
        [[[[2.0, 0.0]]]]
    """
    drop = weights * activations.mean(dim=(2, 3))[:, None]  # (B, C, K)
    drop = drop / logits.abs().clamp_min(torch.finfo(logits.dtype).tiny)[..., None]
    return torch.relu(weighted_sum(activations, drop))


def _without(activations: Tensor, channels: Tensor) -> Tensor:
    """Copy (K, h, w) activations once for each of N channels, and set that channel to 0: (N, K, h, w)."""
    copies = activations.repeat(len(channels), 1, 1, 1)
    copies[torch.arange(len(channels), device=channels.device), channels] = 0
    return copies
