"""What mid-level features say of an image: which places look alike, and where something stands."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from weakspot.cams.normalization import min_max
from weakspot.cams.self_correlation import resample, self_correlation, unit_features
from weakspot.models.feature_layout import Size
from weakspot.models.foreground_head import ForegroundHead


@dataclass(frozen=True, eq=False)
class FeatureAffinity:
    """What the levels of a backbone tell of a batch of images.

    Attributes:
        units: Which places look alike: see :func:`weakspot.cams.unit_features`, shape (B, K, h, w).
        foreground: The probability that something stands there, shape (B, 1, h, w); None where no head has learnt it.
    """

    units: Tensor
    foreground: Tensor | None = None

    def spread(self, class_maps: Tensor) -> Tensor:
        """Spread class maps (B, C, h, w), any sign, over what looks alike: (B, C, h', w'), in [0, 1].

        Where the foreground P is known, evidence counts only there, and both have a say: ``(T (P M) + P) / 2``. A map
        that is constant, as it holds no evidence, becomes zeros all the same.
        """
        seeds = min_max(resample(class_maps, self.grid))
        if self.foreground is None:
            return self_correlation(seeds, self.units)
        spread = min_max(self_correlation(seeds * self.foreground, self.units))
        evident = seeds.amax(dim=(2, 3), keepdim=True) > 0
        return torch.where(evident, (spread + self.foreground) / 2, 0.0)

    def cover(self, class_maps: Tensor) -> Tensor:
        """Spread class maps twice: wide enough to hold the whole of the object, for a head to learn from, in [0, 1]."""
        once = self_correlation(resample(class_maps, self.grid), self.units)
        return min_max(self_correlation(once, self.units))

    @property
    def grid(self) -> Size:
        """``(h, w)``."""
        return self.units.shape[-2], self.units.shape[-1]


def feature_affinity(levels: Sequence[Tensor], head: ForegroundHead | None) -> FeatureAffinity:
    """Compare the places of images, and ask the head for their foreground.

    Args:
        levels: Feature maps (B, K, h, w) of the backbone, the finest first.
        head: What tells foreground from background, or None.
    """
    grid = correlation_grid(levels)
    foreground = None if head is None else torch.sigmoid(head(concat_features(levels, grid)))
    return FeatureAffinity(unit_features(levels, grid), foreground)


def correlation_grid(levels: Sequence[Tensor]) -> Size:
    """The grid of the coarsest level: the places that are compared.

    Finer ones cost the square of their number, and hold no better maps (docs/benchmarks.md).

    Example:
        >>> correlation_grid([torch.zeros(1, 8, 28, 28), torch.zeros(1, 8, 14, 14)])
        (14, 14)
    """
    coarsest = min(levels, key=lambda level: level.shape[-2] * level.shape[-1])
    return coarsest.shape[-2], coarsest.shape[-1]


def concat_features(levels: Sequence[Tensor], grid: Size) -> Tensor:
    """The features of all levels on one grid, for a head: shape (B, sum of K, h, w)."""
    return torch.cat([resample(level, grid) for level in levels], dim=1)
