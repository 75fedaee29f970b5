"""Guided Grad-CAM: Grad-CAM at the resolution of the pixels."""

import torch.nn.functional as F
from torch import Tensor


def guided_gradcam(class_maps: Tensor, guided_gradients: Tensor) -> Tensor:
    """Multiply the upsampled Grad-CAM map by the guided backpropagation of the same class.

    Args:
        class_maps: Grad-CAM maps of shape (B, h, w).
        guided_gradients: Guided backpropagation to the image, shape (B, 3, H, W), see
            :func:`weakspot.models.guided_gradients`.

    Returns:
        Attributions of shape (B, 3, H, W), any sign.

    Source:
        Selvaraju et al., arXiv 1610.02391, "Guided Grad-CAM"; guided backpropagation: Springenberg et al.,
        "Striving for Simplicity: The All Convolutional Net", ICLR Workshops 2015.

    Example:
        >>> import torch
        >>> guided_gradcam(torch.tensor([[[2.0]]]), torch.ones(1, 3, 1, 2))[0, 0].tolist()
        [[2.0, 2.0]]
    """
    size = guided_gradients.shape[-2:]
    upsampled = F.interpolate(class_maps[:, None], size=size, mode="bilinear", align_corners=False)
    return upsampled * guided_gradients


def max_over_channels(attributions: Tensor) -> Tensor:
    """Reduce attributions (B, 3, H, W) to maps (B, H, W): the maximum magnitude over the color channels.

    Source:
        Simonyan et al., "Deep Inside Convolutional Networks", arXiv 1312.6034, section 3.1.
    """
    return attributions.abs().amax(dim=1)
