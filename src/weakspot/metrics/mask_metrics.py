"""PxAP and mask IoU: metrics of score maps and masks."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from weakspot.errors import InputError
from weakspot.metrics.base import PerImageMetric
from weakspot.metrics.best_iou import NATIVE_THRESHOLDS
from weakspot.metrics.check_inputs import map_mask_pairs
from weakspot.metrics.pixel_counts import (
    INTERVAL,
    average_precision,
    mask_overlaps,
    pixel_counts,
    precision_and_recall,
)


class PxAP(PerImageMetric):
    """Average precision of the pooled pixels of all images, in percent; it has no threshold.

    Args:
        interval: Width of a bin of scores.
        groups: Number of groups, such as classes, for :meth:`per_group`.
        samples: Number of bootstrap samples for :meth:`interval`.
        seed: Random seed of the bootstrap.

    Source:
        Choe et al., "Evaluating Weakly Supervised Object Localization Methods Right", CVPR 2020, section 4.1.

    Example:
        >>> metric = PxAP()
        >>> metric.update([[[0.9, 0.4], [0.1, 0.2]]], np.array([[[1, 1], [0, 255]]], np.uint8))
        >>> float(metric.compute())
        100.0
    """

    def __init__(self, interval: float = INTERVAL, *, groups: int = 0, samples: int = 0, seed: int = 0) -> None:
        self._edges = np.concatenate([np.arange(0, 1, interval), [1.0, 2.0]])
        super().__init__(2 * len(self._edges), groups=groups, samples=samples, seed=seed)
        self._interval = interval

    def update(self, score_maps: ArrayLike, masks: ArrayLike, groups: NDArray[np.integer[Any]] | None = None) -> None:
        """Add images.

        Args:
            score_maps: Shape (B, H, W), values in [0, 1]; a tensor or an array.
            masks: Shape (B, H, W), bool, or uint8: 1 foreground, 0 background, 255 ignored. For a PNG with 0 and
                255, use ``mask > 0``.
            groups: Group of each image, shape (B,).

        Raises:
            InputError: Codes of :func:`~weakspot.metrics.pixel_counts`; ``length-mismatch``.
        """
        pairs = zip(*map_mask_pairs(score_maps, masks), strict=True)
        counts = [pixel_counts(score_map, mask, self._interval).ravel() for score_map, mask in pairs]
        self.add(np.stack(counts), groups)

    def compute_from_sums(
        self, sums: NDArray[np.floating], _totals: NDArray[np.floating], _at: Sequence[int] | None = None
    ) -> NDArray[np.float64]:
        """Compute the average precision of pooled counts; there is no threshold to choose."""
        return average_precision(sums.reshape(*sums.shape[:-1], 2, -1))

    def compute(self) -> Tensor:
        """Compute the average precision over all images, in percent.

        Raises:
            InputError: ``masks-empty`` if no pixel of any mask is foreground.
        """
        if self.total and not self.sums[: len(self._edges)].any():
            raise InputError("masks-empty", "At least one mask must have foreground pixels.")
        return super().compute()

    def details(self) -> dict[str, NDArray[np.float64]]:
        """Return the precision-recall curve.

        Returns:
            ``scores``, the left edges of the bins, descending; ``precision`` and ``recall`` of the pixels at or above.
        """
        precision, recall = precision_and_recall(self.totals()[0].reshape(2, -1))
        return {"scores": self._edges[::-1], "precision": precision, "recall": recall}


class MaskIoU(PerImageMetric):
    """Mean over images of the IoU of foreground and mask, at the best threshold, in percent.

    The foreground is all pixels at or above a fraction of the map's maximum.

    Args:
        threshold: The fraction; None searches for the best one, an oracle.
        groups: Number of groups, such as classes, for :meth:`per_group`.
        samples: Number of bootstrap samples for :meth:`interval`.
        seed: Random seed of the bootstrap.

    Example:
        >>> metric = MaskIoU(threshold=0.3)
        >>> metric.update([[[0.9, 0.4], [0.3, 0.0]]], np.array([[[1, 1], [0, 0]]], np.uint8))
        >>> round(float(metric.compute()), 1)
        66.7
    """

    def __init__(self, threshold: float | None = None, *, groups: int = 0, samples: int = 0, seed: int = 0) -> None:
        thresholds = NATIVE_THRESHOLDS if threshold is None else np.array([threshold])
        super().__init__(len(thresholds), thresholds=thresholds, groups=groups, samples=samples, seed=seed)

    def update(self, score_maps: ArrayLike, masks: ArrayLike, groups: NDArray[np.integer[Any]] | None = None) -> None:
        """Add images; see :meth:`PxAP.update`.

        Raises:
            InputError: As :meth:`PxAP.update`; ``mask-empty`` if a mask has no foreground.
        """
        pairs = zip(*map_mask_pairs(score_maps, masks), strict=True)
        values = np.stack([mask_overlaps(score_map, mask, self.thresholds) for score_map, mask in pairs])
        if np.isnan(values).any():
            index = int(np.flatnonzero(np.isnan(values).any(axis=1))[0])
            raise InputError("mask-empty", f"Every mask must have foreground pixels, got none in masks[{index}].")
        self.add(values, groups)
