"""Score-CAM."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from weakspot.cams.check_tensors import check_classes
from weakspot.cams.normalization import min_max
from weakspot.cams.weighted_sum import weighted_sum


def scorecam(
    activations: Tensor,
    images: Tensor,
    classes: Tensor,
    classify: Callable[[Tensor], Tensor],
    *,
    channels: int | None = None,
    batch_size: int = 32,
) -> Tensor:
    """Weight each channel by the logit of the image masked with it: ``M = ReLU(sum_k alpha_k A_k)``.

    ``alpha = softmax_k(y^c(X * H_k))``, where H_k is channel k, upsampled to the image and min-max normalized. The
    paper subtracts the logit of a baseline image from each score; the softmax is invariant to that constant, so its
    forward pass is omitted. No gradient is needed.

    Args:
        activations: Activations A of shape (B, K, h, w).
        images: Images X of shape (B, 3, H, W), normalized as the classifier requires.
        classes: Class indices of shape (B, C).
        classify: Function from images (N, 3, H, W) to logits (N, number of classes).
        channels: Number of channels to use, those with the largest standard deviation over the image. None uses all,
            with one forward pass per channel.
        batch_size: Number of masked images per call of ``classify``; it determines the memory.

    Returns:
        Class maps of shape (B, C, h, w), at least 0.

    Raises:
        InputError: ``dtype-mismatch`` or ``shape-mismatch``.

    Source:
        Wang et al., "Score-CAM: Score-Weighted Visual Explanations for Convolutional Neural Networks", CVPR
        Workshops 2020, equations (6) to (10) and algorithm 1.

    Example:
        >>> a = torch.tensor([[[[1.0, 0.0]], [[0.0, 1.0]]]])
        >>> x = torch.ones(1, 3, 1, 2)
        >>> left_and_right = lambda images: 9 * images.mean(dim=(1, 2))
        >>> scorecam(a, x, torch.tensor([[0]]), left_and_right).round(decimals=2).tolist()
        [[[[1.0, 0.0]]]]
    """
    check_classes(activations, classes)
    count = min(channels or activations.shape[1], activations.shape[1])
    strongest = activations.flatten(2).std(dim=-1).topk(count, dim=1).indices  # (B, n)
    maps = []
    for i in range(len(images)):
        selected = activations[i, strongest[i]]  # (n, h, w)
        chunks = selected.split(batch_size)
        logits = torch.cat([classify(images[i] * _masks(chunk, images.shape[-2:])) for chunk in chunks])
        alpha = torch.softmax(logits[:, classes[i]].to(activations.dtype), dim=0)  # (n, C)
        maps.append(weighted_sum(selected[None], alpha.T[None])[0])  # (C, h, w)
    return torch.relu(torch.stack(maps))


def _masks(channels: Tensor, size: torch.Size) -> Tensor:
    """Upsample channels (N, h, w) to masks (N, 1, H, W) in [0, 1]; the mask of a constant channel is 0."""
    return min_max(F.interpolate(channels[:, None], size=size, mode="bilinear", align_corners=False))
