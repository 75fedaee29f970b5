"""Self-correlation: propagate class maps between positions with similar features."""

from collections.abc import Sequence
from math import sqrt

import torch
import torch.nn.functional as F
from torch import Tensor

from weakspot.cams.normalization import min_max


def self_correlation(class_maps: Tensor, features: Tensor, *, power: float = 1.5) -> Tensor:
    """Propagate class maps between positions with similar features: ``M'_i = sum_j T_ij M_j``.

    ``T_ij = max(0, v_i . v_j)^p``, with rows normalized to sum to 1 and features v of :func:`unit_features`; M is
    min-max normalized first. The result covers the whole object and ends at its edges, for one matrix product.

    Args:
        class_maps: Class maps M of shape (B, C, h, w), any sign.
        features: Features of :func:`unit_features`, shape (B, K, h, w).
        power: The exponent p, above 0; a higher exponent requires more similar features.

    Returns:
        Class maps of the same shape, in [0, 1]. A position whose features are 0 keeps its value; a constant map becomes
        zeros.

    Source:
        Pan et al., "Unveiling the Potential of Structure Preserving for Weakly Supervised Object Localization" (SPA),
        CVPR 2021. Different from it: first order only, centered features, the mean cosine of several layers, and a
        power.

    Example:
        >>> beak_body_sky_sky = torch.tensor([[[[1.0, 1.0, -1.0, -1.0]]]])
        >>> self_correlation(torch.tensor([[[[8.0, 0.0, 0.0, 0.0]]]]), beak_body_sky_sky).tolist()
        [[[[0.5, 0.5, 0.0, 0.0]]]]
    """
    seeds = min_max(class_maps).flatten(2)  # (B, C, n)
    with torch.autocast(features.device.type, enabled=False):
        units = features.flatten(2).to(seeds.dtype)  # (B, K, n)
        affinity = torch.relu(units.mT @ units).pow(power)  # (B, n, n), symmetric
        total = affinity.sum(dim=1, keepdim=True)  # (B, 1, n)
        propagated = seeds @ affinity / total.clamp_min(torch.finfo(total.dtype).tiny)
    return torch.where(total > 0, propagated, seeds).view(class_maps.shape)


def unit_features(intermediates: Sequence[Tensor], size: tuple[int, int]) -> Tensor:
    """Resample the feature maps of several layers to one grid, center them over the image, and scale to unit length.

    The dot product of two positions is then the mean over the layers of the cosines of their features. Centering
    removes what all positions of the image have in common.

    Args:
        intermediates: Feature maps of shape (B, K_l, h_l, w_l), any sign.
        size: ``(h, w)`` of the grid; finer maps are averaged, coarser ones interpolated.

    Returns:
        Shape (B, sum of K_l, h, w); 0 for a layer that is constant over the image.

    Raises:
        ValueError: Without layers.

    Example:
        >>> unit_features([torch.tensor([[[[3.0, 1.0]]]])], (1, 2)).tolist()
        [[[[1.0, -1.0]]]]
    """
    if not intermediates:
        raise ValueError("intermediates must not be empty.")
    units: list[Tensor] = []
    for layer in intermediates:
        features = resample(layer, size)
        centered = features - features.mean(dim=(2, 3), keepdim=True)
        # A constant layer leaves rounding noise, which must not be scaled up.
        noise = 1e-5 * features.norm(dim=1, keepdim=True)
        differs = centered.norm(dim=1, keepdim=True) > noise
        units.append(F.normalize(centered, dim=1) * differs)
    return torch.cat(units, dim=1) / sqrt(len(intermediates))


def resample(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Resample maps (B, K, h, w) to a grid ``size``: average finer maps, interpolate coarser ones bicubically."""
    if maps.shape[-2:] == size:
        return maps
    if maps.shape[-2] >= size[0] and maps.shape[-1] >= size[1]:
        return F.adaptive_avg_pool2d(maps, size)
    return F.interpolate(maps, size=size, mode="bicubic", align_corners=False)
