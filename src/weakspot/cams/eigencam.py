"""Eigen-CAM."""

import torch
from torch import Tensor

from weakspot.cams.check_tensors import check_activations

# Squaring the Gram matrix 10 times raises it to the power 1024, at which the second singular value vanishes.
_SQUARINGS = 10


def eigencam(activations: Tensor) -> Tensor:
    """Project the activations on their first principal direction: ``M = A v_1``, the same for every class.

    v_1 is the first right singular vector of A as an (h w, K) matrix, without centering. Its sign, which the singular
    value decomposition does not determine, is chosen such that strong activations are positive.

    Args:
        activations: Activations A of shape (B, K, h, w).

    Returns:
        Class-agnostic maps of shape (B, h, w), any sign; at least 0 for A >= 0. All zero for A = 0.

    Raises:
        InputError: ``dtype-mismatch`` or ``shape-mismatch``.

    Source:
        Muhammad and Yeasin, "Eigen-CAM: Class Activation Map using Principal Components", IJCNN 2020
        (arXiv 2008.00299). Omitting the centering and the choice of the sign are ours.

    Example:
        >>> eigencam(torch.tensor([[[[3.0, 0.0]], [[4.0, 0.0]]]])).tolist()
        [[[5.0, 0.0]]]
    """
    check_activations(activations)
    height, width = activations.shape[-2:]
    a = activations.flatten(2).mT.double()  # (B, hw, K)
    if a.shape[1] <= a.shape[2]:
        left = _first_eigenvector(a @ a.mT)[..., None]  # (B, hw, 1); A v_1 = sigma_1 u_1, of length |A^T u_1|
        projection = (left * (a.mT @ left).norm(dim=1, keepdim=True))[..., 0]
    else:
        projection = (a @ _first_eigenvector(a.mT @ a)[..., None])[..., 0]  # (B, hw)
    strength = (projection * a.norm(dim=2)).sum(dim=1, keepdim=True)
    projection = torch.where(strength < 0, -projection, projection)
    return projection.to(activations.dtype).reshape(-1, height, width)


def _first_eigenvector(gram: Tensor) -> Tensor:
    """Compute the eigenvector of the largest eigenvalue of each positive semi-definite matrix (B, n, n)."""
    power = _scaled(gram)
    for _ in range(_SQUARINGS):
        power = _scaled(power @ power)
    # The result is a multiple of v v^T; its column with the largest diagonal entry is a multiple of v.
    column = power.diagonal(dim1=1, dim2=2).argmax(dim=1)
    vector = power[torch.arange(len(power), device=power.device), :, column]
    return torch.nn.functional.normalize(vector, dim=1)


def _scaled(matrix: Tensor) -> Tensor:
    peak = matrix.abs().amax(dim=(1, 2), keepdim=True)
    return matrix / torch.where(peak > 0, peak, torch.ones_like(peak))
