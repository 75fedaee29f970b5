"""XGrad-CAM."""

import torch
from torch import Tensor

from weakspot.cams.check_tensors import check_gradients
from weakspot.cams.weighted_sum import add_class_axis, weighted_sum


def xgradcam(activations: Tensor, gradients: Tensor) -> Tensor:
    """Weight each channel by its gradients, averaged by activation: ``alpha_k = sum(g_k A_k) / sum(A_k)``.

    ``M = ReLU(sum_k alpha_k A_k)``; the weights best satisfy the axioms of sensitivity and conservation.

    Args:
        activations: Activations A of shape (B, K, h, w).
        gradients: Gradients g of the class's logit with respect to A, shape (B, K, h, w), or (B, C, K, h, w).

    Returns:
        Class maps of shape (B, h, w) or (B, C, h, w), at least 0. A channel whose activations sum to 0 has
        weight 0.

    Raises:
        InputError: ``dtype-mismatch`` or ``shape-mismatch``.

    Source:
        Fu et al., "Axiom-based Grad-CAM: Towards Accurate Visualization and Explanation of CNNs", BMVC 2020
        (arXiv 2008.02312); the final ReLU is that of the authors' code.

    Example:
        >>> a = torch.tensor([[[[1.0, 3.0]]]])
        >>> g = torch.tensor([[[[4.0, 0.0]]]])
        >>> xgradcam(a, g).tolist()
        [[[1.0, 3.0]]]
    """
    check_gradients(activations, gradients)
    by_class = add_class_axis(activations, gradients)
    total = by_class.sum(dim=(-2, -1))
    alpha = (gradients * by_class).sum(dim=(-2, -1)) / torch.where(total == 0, torch.ones_like(total), total)
    return torch.relu(weighted_sum(activations, torch.where(total == 0, torch.zeros_like(alpha), alpha)))
