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
    """Weight each channel with the logit of the image seen through it: ``M = ReLU(sum_k alpha_k A_k)``.

    ``alpha = softmax_k(y^c(X * H_k))`` where H_k is channel k upsampled to the image and min-max normalised.
    The paper subtracts the logit of a baseline image from each score; a softmax does not see that constant, so
    the pass it would cost is saved. No gradient is taken.

    Args:
        activations: Activations A of shape (B, K, h, w).
        images: Images X of shape (B, 3, H, W), normalised as the classifier wants them.
        classes: Class indices of shape (B, C).
        classify: From images (N, 3, H, W) to logits (N, number of classes).
        channels: Keep only that many channels of each image, those that vary most over the image (a constant
            one masks nothing). None keeps all: one forward pass a channel.
        batch_size: Masked images per call of ``classify``; memory grows with this, not with K.

    Returns:
        Class maps of shape (B, C, h, w), at least 0.

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
    keep = min(channels or activations.shape[1], activations.shape[1])
    strongest = activations.flatten(2).std(dim=-1).topk(keep, dim=1).indices  # (B, keep)
    maps = []
    for i in range(len(images)):
        kept = activations[i, strongest[i]]  # (keep, h, w)
        chunks = kept.split(batch_size)
        logits = torch.cat([classify(images[i] * _masks(chunk, images.shape[-2:])) for chunk in chunks])
        alpha = torch.softmax(logits[:, classes[i]].float(), dim=0)  # (keep, C)
        maps.append(weighted_sum(kept[None], alpha.T[None])[0])  # (C, h, w)
    return torch.relu(torch.stack(maps))


def _masks(channels: Tensor, size: torch.Size) -> Tensor:
    """Upsample channels (N, h, w) to masks (N, 1, H, W) in [0, 1]; a constant channel masks everything out."""
    return min_max(F.interpolate(channels[:, None], size=size, mode="bilinear", align_corners=False))
