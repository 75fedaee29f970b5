"""CutMix: replace a box of each training image by that of another image, and mix the labels by area."""

from math import sqrt

import torch
from torch import Tensor
from torch.distributions import Beta


def cutmix(images: Tensor, targets: Tensor, *, alpha: float = 1.0) -> tuple[Tensor, Tensor]:
    """Paste a box of another image of the batch into each image, and mix the labels by area.

    All images of a batch share the box; its area is ``1 - lambda`` of the image, lambda from Beta(alpha, alpha), less
    what is outside the image.

    Args:
        images: Shape (B, 3, H, W).
        targets: Class probabilities or presence of classes, shape (B, C).
        alpha: Parameter of the Beta distribution.

    Returns:
        New images and targets of the same shapes.

    Source:
        Yun et al., "CutMix: Regularization Strategy to Train Strong Classifiers with Localizable Features", ICCV
        2019, arXiv 1905.04899, equations (1) and (2).
    """
    height, width = images.shape[-2:]
    others = torch.randperm(len(images))
    top, bottom, left, right = _random_box(height, width, float(Beta(alpha, alpha).sample()))
    mixed = images.clone()
    mixed[:, :, top:bottom, left:right] = images[others, :, top:bottom, left:right]
    fraction = (bottom - top) * (right - left) / (height * width)
    return mixed, targets * (1 - fraction) + targets[others] * fraction


def _random_box(height: int, width: int, lam: float) -> tuple[int, int, int, int]:
    """Return a box of ``1 - lam`` of the area around a random center, clipped: top, bottom, left, right."""
    scale = sqrt(1 - lam)
    y, x = int(torch.randint(height, ())), int(torch.randint(width, ()))
    half_height, half_width = int(height * scale) // 2, int(width * scale) // 2
    return max(y - half_height, 0), min(y + half_height, height), max(x - half_width, 0), min(x + half_width, width)
