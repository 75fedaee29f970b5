"""LayerCAM and the fusion of the maps of several layers."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from weakspot.cams.check_tensors import check_gradients
from weakspot.cams.normalization import min_max
from weakspot.cams.weighted_sum import weighted_sum_by_position


def layercam(activations: Tensor, gradients: Tensor) -> Tensor:
    """Weight every position of every channel by its positive gradient: ``M = ReLU(sum_k ReLU(g_k) A_k)``.

    Args:
        activations: Activations A of shape (B, K, h, w), of any layer; shallow layers produce fine maps.
        gradients: Gradients g of the class's logit with respect to A, shape (B, K, h, w), or (B, C, K, h, w).

    Returns:
        Class maps of shape (B, h, w) or (B, C, h, w), at least 0.

    Raises:
        InputError: ``dtype-mismatch`` or ``shape-mismatch``.

    Source:
        Jiang et al., "LayerCAM: Exploring Hierarchical Class Activation Maps for Localization", IEEE TIP 30,
        2021.

    Example:
        >>> a = torch.tensor([[[[1.0, 1.0]], [[0.0, 2.0]]]])
        >>> g = torch.tensor([[[[3.0, -1.0]], [[0.0, 2.0]]]])
        >>> layercam(a, g).tolist()
        [[[3.0, 4.0]]]
    """
    check_gradients(activations, gradients)
    return torch.relu(weighted_sum_by_position(activations, torch.relu(gradients)))


def fuse(maps: Sequence[Tensor]) -> Tensor:
    """Fuse the class maps of several layers: the maximum of the maps, normalized and resized to the finest grid.

    Args:
        maps: One tensor of class maps per layer, each (B, C, h_l, w_l). A single layer is returned unchanged.

    Returns:
        Class maps of shape (B, C, h, w) with the h and w of the finest layer, in [0, 1].

    Source:
        Jiang et al., IEEE TIP 30, 2021: the element-wise maximum of scaled maps. They scale shallow layers by
        ``tanh(2 M / max M)``; here every layer is min-max normalized.

    Example:
        >>> coarse, fine = torch.tensor([[[[5.0]]]]), torch.tensor([[[[0.0, 2.0]]]])
        >>> fuse([coarse, fine]).tolist()
        [[[[0.0, 1.0]]]]
    """
    if len(maps) == 1:
        return maps[0]
    finest = max((layer.shape[-2:] for layer in maps), key=lambda size: size[0] * size[1])
    resized = [F.interpolate(min_max(layer), size=finest, mode="bilinear", align_corners=False) for layer in maps]
    return torch.stack(resized).amax(dim=0)
