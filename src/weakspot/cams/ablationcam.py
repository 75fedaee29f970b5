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
    """Weight each channel by the relative drop of the logit without it: ``w_k = (y - y_k) / |y|``.

    ``M = ReLU(sum_k w_k A_k)``, where y_k is the logit with channel k set to 0. The paper divides by y; we divide
    by its magnitude, so that a negative logit does not invert the map. No gradient is needed, and only the head is run
    again.

    Args:
        activations: Activations A of shape (B, K, h, w).
        logits: Logits of the images, shape (B, number of classes).
        classes: Class indices of shape (B, C).
        head: Function from activations (N, K, h, w) to logits (N, number of classes).
        batch_size: Number of ablated activations per call of ``head``.

    Returns:
        Class maps of shape (B, C, h, w), at least 0.

    Raises:
        InputError: ``dtype-mismatch`` or ``shape-mismatch``.

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
        logit = logits[i, classes[i]]  # (C,)
        drop = (logit - ablated) / logit.abs().clamp_min(torch.finfo(logit.dtype).tiny)
        maps.append(weighted_sum(image[None], drop.T[None])[0])
    return torch.relu(torch.stack(maps))


def ablationcam_of_linear(activations: Tensor, weights: Tensor, logits: Tensor) -> Tensor:
    """Compute :func:`ablationcam` in closed form for a head of global average pooling and a linear layer.

    Without channel k, the logit drops by ``w_k mean(A_k)``. Activations have shape (B, K, h, w), the rows of the linear
    layer for the classes (B, C, K), their logits (B, C), the class maps (B, C, h, w).

    Example:
        >>> a = torch.tensor([[[[1.0, 0.0]], [[0.0, 3.0]]]])
        >>> ablationcam_of_linear(a, torch.tensor([[[2.0, -1.0]]]), torch.tensor([[-0.5]])).tolist()
        [[[[2.0, 0.0]]]]
    """
    drop = weights * activations.mean(dim=(2, 3))[:, None]  # (B, C, K)
    drop = drop / logits.abs().clamp_min(torch.finfo(logits.dtype).tiny)[..., None]
    return torch.relu(weighted_sum(activations, drop))


def _without(activations: Tensor, channels: Tensor) -> Tensor:
    """Copy activations (K, h, w) once for each of N channels, with that channel set to 0: (N, K, h, w)."""
    copies = activations.repeat(len(channels), 1, 1, 1)
    copies[torch.arange(len(channels), device=channels.device), channels] = 0
    return copies
