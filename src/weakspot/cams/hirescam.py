"""HiResCAM."""

from torch import Tensor

from weakspot.cams.check_tensors import check_gradients
from weakspot.cams.weighted_sum import weighted_sum_by_position


def hirescam(activations: Tensor, gradients: Tensor) -> Tensor:
    """Multiply activations and gradients element-wise: ``M = sum_k g_k * A_k``.

    Args:
        activations: Activations A of shape (B, K, h, w).
        gradients: Gradients g of the class's logit with respect to A, shape (B, K, h, w), or (B, C, K, h, w).

    Returns:
        Class maps of shape (B, h, w) or (B, C, h, w), any sign.

    Raises:
        InputError: ``dtype-mismatch`` or ``shape-mismatch``.

    Source:
        Draelos and Carin, "Use HiResCAM instead of Grad-CAM for faithful explanations of convolutional neural
        networks", arXiv 2011.08891. Negative values are not clipped.

    Example:
        >>> import torch
        >>> a = torch.tensor([[[[1.0, 1.0]], [[0.0, 2.0]]]])
        >>> g = torch.tensor([[[[3.0, -1.0]], [[0.0, 2.0]]]])
        >>> hirescam(a, g).tolist()
        [[[3.0, 3.0]]]
    """
    check_gradients(activations, gradients)
    return weighted_sum_by_position(activations, gradients)
