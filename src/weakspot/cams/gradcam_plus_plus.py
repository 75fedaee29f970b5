"""Grad-CAM++."""

import torch
from torch import Tensor

from weakspot.cams.check_tensors import check_gradients
from weakspot.cams.weighted_sum import add_class_axis, weighted_sum


def gradcam_plus_plus(activations: Tensor, gradients: Tensor) -> Tensor:
    """Weight each channel by its positive gradients: ``M = ReLU(sum_k w_k A_k)``.

    The weights are those of :func:`gradcam_plus_plus_weights`.

    Args:
        activations: Activations A of shape (B, K, h, w), the output of a ReLU; for activations of any sign, the
            formula divides by numbers near 0.
        gradients: Gradients g of the class's logit with respect to A, shape (B, K, h, w), or (B, C, K, h, w).

    Returns:
        Class maps of shape (B, h, w) or (B, C, h, w), at least 0.

    Raises:
        InputError: ``dtype-mismatch`` or ``shape-mismatch``.

    Source:
        Chattopadhay et al., "Grad-CAM++: Generalized Gradient-based Visual Explanations for Deep Convolutional
        Networks", WACV 2018, equations (10), (11), (19) and (20).

    Example:
        >>> a = torch.tensor([[[[1.0, 0.0]], [[0.0, 2.0]]]])
        >>> g = torch.tensor([[[[3.0, 1.0]], [[0.0, -2.0]]]])
        >>> [round(x, 4) for x in gradcam_plus_plus(a, g).flatten().tolist()]
        [0.9333, 0.0]
    """
    return torch.relu(weighted_sum(activations, gradcam_plus_plus_weights(activations, gradients)))


def gradcam_plus_plus_weights(activations: Tensor, gradients: Tensor) -> Tensor:
    """Compute ``w_k = sum_ij alpha_kij ReLU(dY/dA_kij)`` for Y = exp(y), without the factor Y, which cancels.

    The paper's ``alpha = d2Y / (2 d2Y + sum_ab A_ab d3Y)`` has ``d2Y = Y g^2`` and ``d3Y = Y g^3``. Dividing
    by ``Y g^2`` yields ``w_k = sum_ij ReLU(g) / (2 + S_k ReLU(g))`` with ``S_k = sum_ab A_kab``: exact, and
    numerically stable without an epsilon for A >= 0 and any gradients.

    Args:
        activations: Activations A of shape (B, K, h, w).
        gradients: Gradients g of shape (B, K, h, w) or (B, C, K, h, w).

    Returns:
        Weights of shape (B, K) or (B, C, K), at least 0 for A >= 0.

    Example:
        >>> a = torch.tensor([[[[1.0, 0.0]], [[0.0, 2.0]]]])
        >>> g = torch.tensor([[[[3.0, 1.0]], [[0.0, -2.0]]]])
        >>> [round(x, 4) for x in gradcam_plus_plus_weights(a, g).flatten().tolist()]
        [0.9333, 0.0]
    """
    check_gradients(activations, gradients)
    positive = torch.relu(gradients)
    total = add_class_axis(activations, gradients).sum(dim=(-2, -1), keepdim=True)  # S_k
    return (positive / (2 + total * positive)).sum(dim=(-2, -1))
