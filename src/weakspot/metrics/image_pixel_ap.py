"""Average precision of the pixels within an image, averaged over images."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from weakspot.errors import InputError
from weakspot.metrics.base import PerImageMetric, percent_of_images
from weakspot.metrics.check_inputs import map_mask_pairs
from weakspot.metrics.pixel_counts import INTERVAL, average_precision, pixel_counts


class ImagePixelAP(PerImageMetric):
    """Mean over images of the average precision of their pixels, in percent; it has no threshold.

    Unlike :class:`~weakspot.metrics.PxAP`, which pools the pixels of all images, large objects do not outweigh small
    ones, and scores are compared within an image only. A constant map has the share of the object in the image.

    Args:
        interval: Width of a bin of scores; scores within a bin are ties.
        groups: Number of groups, such as classes, for :meth:`per_group`.
        samples: Number of bootstrap samples for :meth:`interval`.
        seed: Random seed of the bootstrap.

    Example:
        >>> metric = ImagePixelAP()
        >>> maps = [[[0.9, 0.4, 0.1]], [[0.2, 0.3, 0.1]]]
        >>> metric.update(maps, np.array([[[1, 0, 0]], [[1, 0, 0]]], np.uint8))  # 100 % and 50 %
        >>> float(metric.compute())
        75.0
    """

    def __init__(self, interval: float = INTERVAL, *, groups: int = 0, samples: int = 0, seed: int = 0) -> None:
        super().__init__(1, groups=groups, samples=samples, seed=seed)
        self._interval = interval

    def update(self, score_maps: ArrayLike, masks: ArrayLike, groups: NDArray[np.integer[Any]] | None = None) -> None:
        """Add images; see :meth:`weakspot.metrics.PxAP.update`.

        Raises:
            InputError: As :meth:`weakspot.metrics.PxAP.update`; ``mask-empty`` if a mask has no foreground.
        """
        pairs = zip(*map_mask_pairs(score_maps, masks), strict=True)
        self.add_counts(np.stack([pixel_counts(*pair, self._interval) for pair in pairs]), groups)

    def add_counts(self, counts: NDArray[np.integer], groups: NDArray[np.integer[Any]] | None = None) -> None:
        """Add images by the counts of :func:`~weakspot.metrics.pixel_counts`, shape (B, 2, bins)."""
        values = average_precision(counts.astype(np.float64)) / 100
        if np.isnan(values).any():
            index = int(np.flatnonzero(np.isnan(values))[0])
            raise InputError("mask-empty", f"Every mask must have foreground pixels, got none in masks[{index}].")
        self.add(values[:, None], groups)

    def compute_from_sums(
        self, sums: NDArray[np.floating], totals: NDArray[np.floating], _at: Sequence[int] | None = None
    ) -> NDArray[np.float64]:
        """Compute the mean average precision in percent."""
        return percent_of_images(sums, totals)
