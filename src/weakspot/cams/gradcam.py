"""Grad-CAM and the counterfactual maps of the same paper."""

import torch
from torch import Tensor

from weakspot.cams.check_tensors import check_gradients
from weakspot.cams.weighted_sum import weighted_sum


def gradcam(activations: Tensor, gradients: Tensor) -> Tensor:
    """Weight each channel by its mean gradient: ``M = ReLU(sum_k alpha_k A_k)``, ``alpha_k = mean_ij g_kij``.

    For a head of global average pooling and a linear layer, this is ``ReLU(CAM) / (h w)``.

    Args:
        activations: Activations A of shape (B, K, h, w).
        gradients: Gradients g of the class's logit (before any softmax) with respect to A, shape (B, K, h, w),
            or (B, C, K, h, w) for C classes of each image.

    Returns:
        Class maps of shape (B, h, w) or (B, C, h, w), at least 0; all zero if no channel supports the class.

    Raises:
        InputError: ``dtype-mismatch`` or ``shape-mismatch``.

    Source:
        Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization",
        ICCV 2017, equations (1) and (2).

    Example:
        >>> a = torch.tensor([[[[1.0, 0.0]], [[0.0, 2.0]]]])
        >>> g = torch.tensor([[[[3.0, 1.0]], [[0.0, -2.0]]]])
        >>> gradcam(a, g).tolist()
        [[[2.0, 0.0]]]
    """
    check_gradients(activations, gradients)
    return torch.relu(weighted_sum(activations, gradients.mean(dim=(-2, -1))))


def counterfactual(activations: Tensor, gradients: Tensor) -> Tensor:
    """Compute Grad-CAM of the negated gradients, which highlights evidence against the class.

    Args:
        activations: Activations A of shape (B, K, h, w).
        gradients: Gradients g, see :func:`gradcam`.

    Returns:
        Class maps of shape (B, h, w) or (B, C, h, w), at least 0: regions whose removal would raise the
        class's logit.

    Raises:
        InputError: ``dtype-mismatch`` or ``shape-mismatch``.

    Source:
        Selvaraju et al. (arXiv 1610.02391), "Counterfactual Explanations".

    Example:
        >>> a = torch.tensor([[[[1.0, 0.0]], [[0.0, 2.0]]]])
        >>> g = torch.tensor([[[[3.0, 1.0]], [[0.0, -2.0]]]])
        >>> counterfactual(a, g).tolist()
        [[[0.0, 2.0]]]
    """
    check_gradients(activations, gradients)
    return gradcam(activations, -gradients)
