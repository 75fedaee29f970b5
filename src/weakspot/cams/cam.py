"""CAM: class activation mapping."""

from torch import Tensor

from weakspot.cams.check_tensors import check_weights
from weakspot.cams.weighted_sum import weighted_sum


def cam(activations: Tensor, weights: Tensor) -> Tensor:
    """Weight the last feature maps by the class's row of the final linear layer: ``M_c = sum_k w_k^c A_k``.

    With global average pooling, the logit is the mean of the map plus the bias: ``y^c = mean_ij M_c + b_c`` (the paper
    pools with the sum and has no bias; the map is the same).

    Args:
        activations: Activations A of shape (B, K, h, w).
        weights: Rows of the final linear layer, shape (B, K), or (B, C, K) for C classes of each image.

    Returns:
        Class maps of shape (B, h, w) or (B, C, h, w), any sign.

    Raises:
        InputError: ``dtype-mismatch`` or ``shape-mismatch``.

    Source:
        Zhou et al., "Learning Deep Features for Discriminative Localization", CVPR 2016.

    Example:
        >>> import torch
        >>> cam(torch.tensor([[[[1.0, 0.0]], [[0.0, 2.0]]]]), torch.tensor([[3.0, -1.0]])).tolist()
        [[[3.0, -2.0]]]
    """
    check_weights(activations, weights)
    return weighted_sum(activations, weights)
