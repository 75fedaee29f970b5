"""Self-correlation: what looks like the evidence is evidence, too."""

from collections.abc import Sequence
from math import sqrt

import torch
import torch.nn.functional as F
from torch import Tensor

from weakspot.cams.normalization import min_max


def self_correlation(class_maps: Tensor, features: Tensor, *, power: float = 1.5) -> Tensor:
    """Spread class maps over all places that look alike: ``M'_i = sum_j T_ij M_j``.

    ``T_ij = max(0, v_i . v_j)^p``, its rows scaled to sum to 1, with v as :func:`unit_features` gives them; M is
    min-max normalised first. So the map comes to cover the whole object and to stop at its edges, at the price of one
    matrix product.

    Args:
        class_maps: Class maps M of shape (B, C, h, w), any sign.
        features: Shape (B, K, h, w), as :func:`unit_features` gives them.
        power: The exponent p, above 0: the higher, the more alike places must look.

    Returns:
        Class maps of the same shape, in [0, 1]. A place that looks like no other, itself included, keeps its value; a
        constant map becomes zeros.

    Source:
        Pan et al., "Unveiling the Potential of Structure Preserving for Weakly Supervised Object Localization" (SPA),
        CVPR 2021, from which this differs: first order only, the features are centred, the cosines of several levels
        are averaged, and there is a power.

    Example:
        >>> beak_body_sky_sky = torch.tensor([[[[1.0, 1.0, -1.0, -1.0]]]])
        >>> self_correlation(torch.tensor([[[[8.0, 0.0, 0.0, 0.0]]]]), beak_body_sky_sky).tolist()
        [[[[0.5, 0.5, 0.0, 0.0]]]]
    """
    seeds = min_max(class_maps).flatten(2)  # (B, C, n)
    with torch.autocast(features.device.type, enabled=False):
        units = features.flatten(2).to(seeds.dtype)  # (B, K, n)
        alike = torch.relu(units.mT @ units).pow(power)  # (B, n, n), symmetric
        total = alike.sum(dim=1, keepdim=True)  # (B, 1, n)
        spread = seeds @ alike / total.clamp_min(torch.finfo(total.dtype).tiny)
    return torch.where(total > 0, spread, seeds).view(class_maps.shape)


def unit_features(levels: Sequence[Tensor], size: tuple[int, int]) -> Tensor:
    """Bring feature maps of several levels to one grid, centre each over the image, and give each place length 1.

    The scalar product of two places is then the mean over the levels of the cosines of their features. Centred features
    tell apart what is in this image: two sides of it look unlike, whatever they share with all of it.

    Args:
        levels: Feature maps of shape (B, K_l, h_l, w_l), any sign.
        size: ``(h, w)`` of the grid; finer maps are averaged, coarser ones interpolated.

    Returns:
        Shape (B, sum of K_l, h, w). Zero where a level is the same all over the image.

    Raises:
        ValueError: If there is no level.

    Example:
        >>> unit_features([torch.tensor([[[[3.0, 1.0]]]])], (1, 2)).tolist()
        [[[[1.0, -1.0]]]]
    """
    if not levels:
        raise ValueError("There is no level to compare places by.")
    units: list[Tensor] = []
    for level in levels:
        features = resample(level, size)
        centred = features - features.mean(dim=(2, 3), keepdim=True)
        # Rounding leaves something of a constant level, which must not be blown up.
        noise = 1e-5 * features.norm(dim=1, keepdim=True)
        differs = centred.norm(dim=1, keepdim=True) > noise
        units.append(F.normalize(centred, dim=1) * differs)
    return torch.cat(units, dim=1) / sqrt(len(levels))


def resample(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Bring maps (B, K, h, w) to a grid ``size``: averaged if they are finer, interpolated bicubically if coarser.

    Example:
        >>> resample(torch.tensor([[[[1.0, 3.0], [5.0, 7.0]]]]), (1, 1)).item()
        4.0
    """
    if maps.shape[-2:] == size:
        return maps
    if maps.shape[-2] >= size[0] and maps.shape[-1] >= size[1]:
        return F.adaptive_avg_pool2d(maps, size)
    return F.interpolate(maps, size=size, mode="bicubic", align_corners=False)
