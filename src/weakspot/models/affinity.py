"""Affinity between positions of an image, and foreground probability, from intermediate features."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from weakspot.cams.normalization import min_max
from weakspot.cams.self_correlation import resample, self_correlation, unit_features
from weakspot.models.feature_layout import Size
from weakspot.models.foreground_head import ForegroundHead
from weakspot.models.object_head import ObjectHead
from weakspot.models.position_head import PositionHead


@dataclass(frozen=True, eq=False)
class FeatureAffinity:
    """Unit feature vectors of a batch of images, by which class maps are propagated to similar positions.

    Attributes:
        unit_features: Output of :func:`weakspot.cams.unit_features`, shape (B, K, h, w).
        foreground: Foreground probability, shape (B, 1, h, w); None without a fitted foreground head.
        objects: Head that boxes have taught, or None.
        positions: Head whose maps replace the propagated ones, or None.
        fine_features: Features for these heads, shape (B, K, h', w').
    """

    unit_features: Tensor
    foreground: Tensor | None = None
    objects: ObjectHead | None = None
    positions: PositionHead | None = None
    fine_features: Tensor | None = None

    def propagate(self, class_maps: Tensor, classes: Tensor | None = None) -> Tensor:
        """Propagate class maps (B, C, h, w), any sign, to similar positions: (B, C, h', w') in [0, 1].

        With a foreground probability P, the result is ``(T (P M) + P) / 2``: evidence counts only in the foreground,
        and the foreground itself is added. A constant map, which contains no evidence, becomes zeros. A head that boxes
        have taught adds the probability of an object of each of the ``classes`` (B, C), on a finer grid. The maps of a
        position head replace all of this.
        """
        if self.positions is not None and self.fine_features is not None and classes is not None:
            own_maps: Tensor = self.positions(self.fine_features, classes)
            return own_maps
        seeds = min_max(resample(class_maps, self.grid))
        if self.foreground is None:
            return self_correlation(seeds, self.unit_features)
        propagated = min_max(self_correlation(seeds * self.foreground, self.unit_features))
        has_evidence = seeds.amax(dim=(2, 3), keepdim=True) > 0
        maps = torch.where(has_evidence, (propagated + self.foreground) / 2, 0.0)
        if self.objects is None or self.fine_features is None or classes is None:
            return maps
        combined = self.objects.combine(self.fine_features, self.object_inputs(class_maps, maps), classes)
        return torch.where(has_evidence, combined, 0.0)

    def object_inputs(self, class_maps: Tensor, propagated: Tensor) -> Tensor:
        """Return the maps that the object head sees, shape (B, C, 3, h', w') in [0, 1].

        Args:
            class_maps: Class maps before propagation, shape (B, C, h, w), any sign.
            propagated: The same maps, propagated with a foreground head, shape (B, C, h, w).
        """
        assert self.foreground is not None
        assert self.fine_features is not None
        size = (self.fine_features.shape[-2], self.fine_features.shape[-1])
        evidence = class_maps.clamp_min(0)
        evidence = evidence / evidence.amax(dim=(2, 3), keepdim=True).clamp_min(1e-12)
        foreground = self.foreground.expand(-1, class_maps.shape[1], -1, -1)
        maps = [resample(item, size).clamp(0, 1) for item in (min_max(propagated), evidence, foreground)]
        return torch.stack(maps, dim=2)

    def propagate_twice(self, class_maps: Tensor) -> Tensor:
        """Propagate class maps twice, so that they cover the whole object: training targets in [0, 1] for a head."""
        propagated = self_correlation(resample(class_maps, self.grid), self.unit_features)
        return min_max(self_correlation(propagated, self.unit_features))

    @property
    def grid(self) -> Size:
        """Grid size ``(h, w)``."""
        return self.unit_features.shape[-2], self.unit_features.shape[-1]


def feature_affinity(intermediates: Sequence[Tensor], head: ForegroundHead | None) -> FeatureAffinity:
    """Compute the unit features and, with a head, the foreground probability of a batch of images.

    Args:
        intermediates: Feature maps (B, K, h, w) of the backbone, the finest first.
        head: The fitted foreground head, or None.
    """
    grid = correlation_grid(intermediates)
    foreground = None if head is None else torch.sigmoid(head(concat_features(intermediates, grid)))
    objects, positions = (None, None) if head is None else (head.objects, head.positions)
    is_fine = objects is not None or positions is not None
    fine_features = concat_features(intermediates, fine_grid(grid)) if is_fine else None
    return FeatureAffinity(unit_features(intermediates, grid), foreground, objects, positions, fine_features)


def fine_grid(grid: Size) -> Size:
    """Return the grid of the object head and the position head, twice as fine as that of the affinity."""
    return 2 * grid[0], 2 * grid[1]


def correlation_grid(intermediates: Sequence[Tensor]) -> Size:
    """Return the grid ``(h, w)`` of the coarsest feature map, on which positions are compared.

    The cost grows with the square of the number of positions, and finer grids do not improve the maps
    (docs/benchmarks.md).
    """
    coarsest = min(intermediates, key=lambda features: features.shape[-2] * features.shape[-1])
    return coarsest.shape[-2], coarsest.shape[-1]


def concat_features(intermediates: Sequence[Tensor], grid: Size) -> Tensor:
    """Resize all feature maps to one grid and concatenate their channels: shape (B, sum of K, h, w)."""
    return torch.cat([resample(features, grid) for features in intermediates], dim=1)
